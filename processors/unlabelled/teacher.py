"""Teacher: the averaged network labels people of whom nothing is known for the one that learns.

Tarvainen and Valpola 2017, "Mean teachers are better role models"; Xie et al. 2021, "An Empirical
Study of the Collapsing Problem in Semi-Supervised 2D Human Pose Estimation": the teacher looks at
an easy view of a person, the student at a hard one. What comes out is an ordinary batch, with
joints where the teacher finds them and with none where it does not, so that loss and step are
those of labelled people, and nothing teaches an empty heatmap.
"""
import torch
from torch import Tensor, nn

from configs.schema import Config
from datasets.annotations.skeleton import Skeleton
from datasets.crops.augment import strengthened
from datasets.crops.colour_params import AMOUNTS
from datasets.sample import Batch, joined
from datasets.samplers import TrainSampler
from datasets.unlabelled.mixed import MixedSampler
from processors.runtime.colour_augment import augment_colour
from processors.runtime.normalise import normalise
from processors.runtime.parallel import Parallel
from processors.runtime.precision import amp_dtype, autocast
from processors.unlabelled.certainty import heights_of
from processors.unlabelled.soft_targets import encode, visibilities
from utils.codecs.visibility_codec import Codec
from utils.log import log

NEAR = 0.05     # of the longer side of the input, for the share of joints that are right


def build_teacher(config: Config, net: nn.Module, skeleton: Skeleton, codec: Codec,
                  parallel: Parallel, sampler: TrainSampler) -> "Teacher | None":
    """The teacher of a run, None where everybody is labelled. Arguments as of Teacher."""
    if not isinstance(sampler, MixedSampler):
        return None
    return Teacher(config, net, skeleton, codec, parallel, sampler)


class Teacher:
    """Makes the micro-batches of a step out of what a MixedSampler has asked for."""

    def __init__(self, config: Config, net: nn.Module, skeleton: Skeleton, codec: Codec,
                 parallel: Parallel, sampler: MixedSampler):
        """net: the average of the network that learns, in evaluation mode; it is never changed."""
        self.config, self.net, self.codec, self.parallel = config, net, codec, parallel
        self.model = parallel.wrap(net)
        self.sizes = (sampler.share, sampler.added_share, sampler.added_share)
        self.augment = strengthened(config.augment)
        self.dtype = amp_dtype(config.optim.amp, parallel.device, len(parallel.devices))
        self.heights = heights_of(codec, config.optim.loss)
        self.flip_order = skeleton.flip_order
        self.swapped = torch.tensor(skeleton.flip_order, device=parallel.device)
        self.forget()

    def forget(self) -> None:
        """Count anew: joints, those in use, those of them whose place is known, the sum of their
        errors, and how many are near."""
        self.counts = torch.zeros(5, dtype=torch.float64, device=self.parallel.device)

    def micro_batches(self, batch: Batch, number: int, epoch: int) -> list[Batch]:
        """`number` batches with equal shares of both kinds of people, as has each device's part; in
        the first epochs of labelled people alone.

        batch: labelled people, easy views, hard views. epoch: from 0.
        """
        labelled, easy, hard = batch.split(self.sizes)
        if epoch < self.config.optim.unlabelled_after:
            return labelled.chunks(number)
        if not self.config.optim.sync_bn:       # or all processes have the same already
            self.parallel.broadcast_buffers(self.net)
        devices = len(self.parallel.devices)
        made = []
        for mine, plain, changed in zip(labelled.chunks(number), easy.chunks(number),
                                        hard.chunks(number), strict=True):
            taught = self.label(plain, changed)
            pairs = zip(mine.split(shares(len(mine), devices)),
                        taught.split(shares(len(taught), devices)), strict=True)
            made.append(joined([part for pair in pairs for part in pair]))
        return made

    def encode(self, keypoints: Tensor, visibility: Tensor) -> tuple[Tensor, Tensor]:
        """Targets and weights of such a batch, as of codec.encode."""
        return encode(self.codec, keypoints, visibility)

    @torch.no_grad()
    def label(self, easy: Batch, hard: Batch) -> Batch:
        """The hard views, coloured, with the joints that are found in the easy ones."""
        joints, heights = self._look(easy.crop)
        sure = (heights >= self.config.optim.unlabelled_score) & joints.isfinite().all(-1)
        self._compare(joints, sure, easy)
        places, names = in_other_view(joints, easy.to_image, hard.to_image, self.swapped)
        counts = visibilities(self.codec, heights, sure).gather(1, names)
        crops = augment_colour(hard.crop, hard.draws, self.augment)
        draws = torch.ones_like(hard.draws)         # nothing happens to them once more
        draws[:, :len(AMOUNTS)] = 0
        return Batch(
            crop=crops.round().clamp(0, 255).to(torch.uint8),
            keypoints=torch.where(counts[..., None] > 0, places, 0.0), visibility=counts,
            to_image=hard.to_image,
            index=hard.index, image_id=hard.image_id, area=hard.area, box_score=hard.box_score,
            broken=hard.broken, draws=draws)

    def _look(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Joints (B, K, 2) in input pixels and how high their peaks are (B, K)."""
        images = normalise(crops, self.config.model.input_format)
        if not self.config.optim.channels_last:
            images = images.contiguous()
        with autocast(self.dtype, self.parallel.device):
            outputs = self.model(images).float()
            if self.config.val.flip_test:
                mirrored = self.model(images.flip(3)).float()
                outputs = (outputs + self.codec.flip_back(mirrored, self.flip_order)) / 2
        joints = self.codec.decode(outputs)[0]
        return joints, self.heights(outputs, joints)

    def _compare(self, joints: Tensor, sure: Tensor, easy: Batch) -> None:
        """Count. easy: with joints that a file knows, in the same pixels; nobody learns them."""
        known = sure & (easy.visibility > 0)
        errors = (joints - easy.keypoints).norm(dim=-1) / max(self.codec.input_size)
        errors = torch.where(known, errors, 0.0)
        self.counts += torch.stack([
            torch.ones_like(known).sum(), sure.sum(), known.sum(), errors.double().sum(),
            (known & (errors <= NEAR)).sum()])

    def report(self, epoch: int) -> dict[str, float]:
        """Say how many joints were used since the last report, or since the run went on, and how
        good they are; the same as numbers. All processes must ask together."""
        joints, used, known, error, near = self.parallel.all_reduce_mean(self.counts).tolist()
        self.forget()
        if not joints:
            return {}
        numbers = {"used": used / joints}
        words = f"the averaged network was sure of {numbers['used']:.3f} of their joints"
        if known:
            numbers |= {"error": error / known, "near": near / known}
            words += (f", which are {numbers['error']:.4f} of the input's longer side away from "
                      f"those known, {numbers['near']:.3f} of them within {NEAR:g}")
        log.info("epoch %d, people without labels: %s", epoch, words)
        return numbers


def shares(count: int, parts: int) -> list[int]:
    """A number in so many parts, as equal as can be."""
    return [count * (part + 1) // parts - count * part // parts for part in range(parts)]


def in_other_view(joints: Tensor, to_image: Tensor, other_to_image: Tensor, flip_order: Tensor,
                  ) -> tuple[Tensor, Tensor]:
    """Joints (B, K, 2) of one view of people as those of another, and which joint of the one each
    of the other was, (B, K) int64: where one view mirrors the other, left and right have changed
    their names.

    to_image, other_to_image: (B, 2, 3) on the CPU, from input pixels to image pixels. flip_order:
    (K,) on the device of the joints. A GPU is not waited for.
    """
    first, other = to_image.double(), other_to_image.double()
    back = torch.linalg.inv(other[..., :2])
    turn = back @ first[..., :2]
    shift = back @ (first[..., 2:] - other[..., 2:])
    mirrored = torch.linalg.det(turn) < 0
    turn, shift, mirrored = (part.to(joints.device, non_blocking=True)
                             for part in (turn, shift, mirrored))
    places = joints.double() @ turn.mT + shift.mT
    order = torch.arange(joints.shape[1], device=joints.device)
    names = torch.where(mirrored[:, None], flip_order, order)
    return places.gather(1, names[..., None].expand(-1, -1, 2)).float(), names
