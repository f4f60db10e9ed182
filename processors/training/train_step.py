"""TrainStep: forward, loss, backward and update of one batch, without waiting for the device."""
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from configs.schema import Config
from datasets.annotations.skeleton import Skeleton
from datasets.sample import Batch
from losses.objective import build_objective
from nets.regions import compile_regions
from processors.models.pose_model import build_codec
from processors.runtime.colour_augment import augment_colour
from processors.runtime.normalise import normalise
from processors.runtime.parallel import Parallel
from processors.runtime.precision import amp_dtype, autocast, grad_scaler
from processors.training.optim import build_optimizer, load_optimizer_state
from processors.training.rates import Freeze, set_learning_rate
from processors.unlabelled.teacher import Teacher
from utils.codecs.visibility_codec import Codec
from utils.errors import UserError
from utils.log import log


def pieces(batch: Batch, number: int, _epoch: int) -> list[Batch]:
    """The micro-batches of labelled people."""
    return batch.chunks(number)


class TrainStep:
    """Holds what an update needs beside the raw network: its callable form, optimizer, scaler."""

    def __init__(self, config: Config, net: nn.Module, skeleton: Skeleton, codec: Codec,
                 parallel: Parallel, epoch: int = 0, teacher: Teacher | None = None):
        """epoch: from 0, the one that comes next. teacher: of people without labels."""
        self.config, self.parallel = config, parallel
        self.device = parallel.device
        self.dtype = amp_dtype(config.optim.amp, self.device, len(parallel.devices))
        objective = build_objective(config.optim.loss, codec, config.optim.visibility_weight)
        self.loss, self.accuracy = objective.loss, objective.accuracy
        self.joint_weights = (torch.tensor(skeleton.joint_weights, device=self.device)
                              if config.optim.joint_weights else 1.0)
        self.parameters = list(net.parameters())
        self.images: Tensor | None = None
        self.micro_batches = teacher.micro_batches if teacher else pieces
        self.encode = teacher.encode if teacher else codec.encode
        self.optimizer = build_optimizer(net, config.optim)
        self.scaler = grad_scaler(self.dtype, self.device)
        self.freeze = Freeze(net, config.optim)
        if config.optim.compile == "regions":
            log.info("optim.compile: regions, %s", compile_regions(net))
        self.model: Callable[[Tensor], Tensor]
        self.start_epoch(epoch)

    def start_epoch(self, epoch: int) -> None:
        """Training mode, and a new wrapping where other parameters learn than before: what
        exchanges gradients counts on all of those that it has found at its beginning."""
        self.epoch = epoch
        if not self.freeze.start_epoch(epoch):
            return
        self.optimizer.zero_grad(set_to_none=True)      # or they keep memory of the old wrapping
        self.model = self.freeze.net                    # which ends here
        self.model = self.parallel.wrap(self.freeze.net, train=True)
        if self.config.optim.compile is True:
            self.model = torch.compile(self.model, dynamic=False)

    def restore(self, state: Mapping[str, Any], where: str) -> None:
        """Go on from what a checkpoint has; raises UserError for what does not fit."""
        frozen = state["config"]["optim"].get("freeze_epochs", 0)   # old files do not know it
        still = frozen and state["step"] <= frozen * state["steps_per_epoch"]
        unmoved = (self.freeze.net.get_submodule("backbone").parameters() if still
                   else self.freeze.always)
        load_optimizer_state(self.optimizer, state["optimizer"], where, unmoved)
        if state["scaler"]:     # empty unless the run was in fp16
            self.scaler.load_state_dict(state["scaler"])

    def __call__(self, batch: Batch, lr: float, measure: bool) -> Tensor:
        """One update. batch: on the device. measure: compute the accuracy too.

        Returns (3,) float32 on the device: loss, norm of the gradient, accuracy (nan if not
        measured). Weights stay as they are if the gradient is not finite.
        """
        set_learning_rate(self.optimizer, lr)
        self.optimizer.zero_grad(set_to_none=True)
        *first, last = self.micro_batches(batch, self.config.optim.accumulate, self.epoch)
        losses = []
        for micro_batch in first:
            with self.parallel.no_sync(self.model):
                losses.append(self._backward(micro_batch)[0])
        loss, accuracy = self._backward(last, measure)
        norm = self._update()
        return torch.stack([sum(losses, loss), norm, accuracy]).float()

    def seed(self, step: int) -> None:
        """What a network draws itself, for drop path, follows from the step and the process: a run
        that was stopped goes on exactly, and no state of a device has to be kept."""
        if self.config.model.drop_path:
            step_of_process = step * self.parallel.world_size + self.parallel.rank
            torch.manual_seed((self.config.seed * 1_000_000_007 + step_of_process) % 2 ** 63)

    def _backward(self, batch: Batch, measure: bool = False) -> tuple[Tensor, Tensor]:
        """Add the gradient of a micro-batch; returns its part of the loss, and the accuracy."""
        memory = self._memory(batch.crop)
        crops = augment_colour(batch.crop, batch.draws, self.config.augment, memory)
        images = normalise(crops, self.config.model.input_format, memory)
        if not self.config.optim.channels_last:
            images = images.contiguous()
        targets, weights = self.encode(batch.keypoints, batch.visibility)
        with autocast(self.dtype, self.device):
            heatmaps = self.model(images)
        heatmaps = heatmaps.float()
        loss = self.loss(heatmaps, targets, weights * self.joint_weights)
        loss = loss / self.config.optim.accumulate
        self.scaler.scale(loss).backward()
        accuracy = (self.accuracy(heatmaps.detach(), targets) if measure
                    else loss.new_full((), math.nan))
        return loss.detach(), accuracy

    def _memory(self, crops: Tensor) -> Tensor | None:
        """The same memory for the images of every step on a CPU, where fresh memory is slow. GPUs
        have an allocator of their own."""
        if self.device.type != "cpu":
            return None
        if self.images is None or self.images.shape != crops.shape:
            self.images = torch.empty_like(crops, dtype=torch.float32)
        return self.images

    def _update(self) -> Tensor:
        """Clip and step; returns the norm of the gradient. The fused optimizers themselves leave
        everything as it is where `found_inf` is 1, so the host need not know."""
        self.scaler.unscale_(self.optimizer)
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        # one device, one dtype: torch's own get_total_norm takes a third longer to look for more
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        if self.config.optim.clip_norm:
            nn.utils.clip_grads_with_norm_(self.parameters, self.config.optim.clip_norm, norm)
        if not self.scaler.is_enabled():        # else it sets both of these itself
            # read by the fused optimizers, not declared by their base class
            self.optimizer.grad_scale = None    # type: ignore[attr-defined]
            self.optimizer.found_inf = (        # type: ignore[attr-defined]
                norm.isfinite().logical_not().float())
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return norm


def codec_to_train(config: Config, skeleton: Skeleton) -> Codec:
    """`build_codec`, or UserError where optim.loss is none of what it encodes."""
    codec = build_codec(config, skeleton)
    build_objective(config.optim.loss, codec)
    return codec


def ensure_micro_batches(share: int, accumulate: int) -> None:
    """Raise UserError where a small data set leaves a batch that accumulation cannot cut."""
    if share % accumulate:
        raise UserError(f"optim.accumulate is {accumulate}, which does not divide the {share} "
                        f"persons that a process has in a batch; choose a divisor")
