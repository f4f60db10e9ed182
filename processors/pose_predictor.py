"""PosePredictor: people and their joints in images, in one call."""
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from configs.schema import DetectorConfig
from datasets.crops.augment import View
from datasets.crops.images import read_image
from datasets.crops.warp import view_matrix, warp_averaged
from datasets.sample import Batch, Sample, collate
from processors.detection.person_detector import Detections, PersonDetector, build_detector
from processors.models.inference import Decoding, predict
from processors.models.load_pose_model import load_pose_model
from processors.models.pose_model import PoseModel
from processors.models.pose_ranking import SCORE_RULES, OddAnswers, rank_poses
from processors.prediction.device_crops import device_crops
from processors.prediction.person import Person
from utils.draw import draw_people
from utils.errors import UserError
from utils.geometry import padded_area
from utils.rgb import as_rgb

IMAGES_AT_ONCE = 16
PEOPLE_AT_ONCE = 64

Image = str | Path | np.ndarray


class PosePredictor:
    """`PosePredictor("weights/x_best.pth", detector="weights/yolov5s.pt")("photo.jpg")`.

    weights: a checkpoint of this project, an .onnx file it exported or the name of published
    weights (`python main.py weights`), which say all that is needed, or weights of others with the
    YAML of their network in `config`; or a PoseModel.
    detector: a file of YOLOv5 weights or a name, a DetectorConfig, or a detector that is built
    already.
    device: such as "cuda:1"; the first GPU if there is one, else the CPU, if not given.
    flip_test: average with the mirror image, twice the work; if not given, as the settings say.
    overrides: settings such as "codec.decoder=quarter".
    Raises FileNotFoundError or UserError in one sentence for files that cannot be used.
    """

    def __init__(self, weights: str | Path | PoseModel,
                 detector: str | Path | DetectorConfig | PersonDetector | None = None, *,
                 config: str | Path | None = None, device: torch.device | str | None = None,
                 flip_test: bool | None = None, overrides: Sequence[str] = ()):
        if not isinstance(weights, PoseModel):
            device = device or ("cuda" if torch.cuda.is_available() else "cpu")
            weights = load_pose_model(weights, device, config, overrides)
        self.model = weights
        if isinstance(detector, str | Path):
            detector = DetectorConfig(weights=str(detector))
        if isinstance(detector, DetectorConfig):
            detector = build_detector(detector, weights.device)
        self.detector = detector
        self.flip_test = weights.config.val.flip_test if flip_test is None else flip_test

    @property
    def skeleton(self):
        """Names of the joints, their order, and the limbs between them."""
        return self.model.skeleton

    def __call__(self, images: Image | Sequence[Image], boxes: Sequence | None = None,
                 ) -> list[Person] | list[list[Person]]:
        """The people of an image, best first; of a list of images, a list of such lists.

        images: paths, or arrays (H, W, 3) uint8 RGB; grey, RGBA, 16 bits (see `data.bits`) and
        PIL's images will do. Files, also those that PIL has opened, are turned as their EXIF
        orientation says. boxes: (N, 4) xywh in image pixels,
        for a list of images a list of such: then there is one person for each box, in their
        order. Without boxes the detector finds the people and double poses are suppressed as in
        evaluation. Without a detector as well, the whole image is taken as the box of one person.

        Raises ImageError, a ValueError, for a file that cannot be read; ValueError for other
        arrays and wrong boxes.
        """
        if (not isinstance(images, list | tuple)
                and np.ndim(images) < 4):   # type: ignore[arg-type]  # it is 0 for a path
            return self.each([images], None if boxes is None else [boxes])[0]
        return self.each(images, boxes)

    def each(self, images: Any, boxes: Sequence | None = None) -> list[list[Person]]:
        """The people of each of several images, a list or (B, H, W, 3); see `__call__`. Boxes that
        are Detections count as the detector's, with their scores."""
        if boxes is not None and len(boxes) != len(images):
            raise UserError(f"there are boxes for {len(boxes)} images, but {len(images)} images: "
                             f"give one array of boxes (N, 4) for each image")
        found = []
        for first in range(0, len(images), IMAGES_AT_ONCE):
            part = slice(first, first + IMAGES_AT_ONCE)
            found += self._predict([self._pixels(image) for image in images[part]],
                                   None if boxes is None else boxes[part])
        return found

    def find(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """The boxes that the detector finds in images (H, W, 3) uint8 RGB, as `each` takes them."""
        assert self.detector is not None
        return people_in(images, None, self.detector)

    def draw(self, image: Image, people: Sequence[Person], threshold: float = 0.3,
             line_width: float = 0.0) -> np.ndarray:
        """A copy of the image, (H, W, 3) uint8 RGB, with the skeletons of people on it. Joints
        with a score below `threshold` are left out. line_width: pixels; 0: by their size. Where
        the network tells visibility, absent joints are left out, too, and hidden ones hollow."""
        joints = self.skeleton.num_joints
        seen = [person.visibility for person in people if person.visibility is not None]
        return draw_people(
            self._pixels(image),
            np.reshape([person.keypoints for person in people], (-1, joints, 2)),
            np.reshape([person.scores for person in people], (-1, joints)),
            self.skeleton.limbs, self.skeleton.joint_names, threshold, self.skeleton.limb_colours,
            line_width, [*self.skeleton.parts.values()],
            np.argmax(seen, axis=2) if len(seen) == len(people) > 0 else None)

    def _pixels(self, image: Image) -> np.ndarray:
        bits = self.model.config.data.bits
        return (read_image(image, exif="obey", bits=bits) if isinstance(image, str | Path)
                else as_rgb(image, bits))

    def _predict(self, images: list[np.ndarray], boxes: Sequence | None) -> list[list[Person]]:
        """The people of images that are in memory together."""
        people = people_in(images, boxes, self.detector)
        poses = predict(self.model.network, batches_of(images, people, self.model),
                        {"": Decoding(self.model.codec, self.flip_test)}, self.skeleton.flip_order,
                        self.model.input_format, self.model.device, self.model.dtype)[""]
        found: list[list[Person]] = [[] for _ in images]
        all_boxes = np.concatenate([group.boxes for group in people])
        val = self.model.config.val
        detected = (self.detector is not None if boxes is None
                    else all(isinstance(rows, Detections) for rows in boxes))
        if detected:
            rows, scores = rank_poses(poses, val, self.skeleton.sigmas, detected)
        else:       # people who were asked for all stay
            if odd := int(np.count_nonzero(~poses.finite())):
                raise OddAnswers(odd, len(poses))
            rows, scores = np.arange(len(poses)), SCORE_RULES[val.score_rule](poses, val, detected)
        for row, score in zip(rows, scores, strict=True):
            found[poses.image_ids[row]].append(Person(
                poses.keypoints[row], poses.joint_scores[row], all_boxes[row], float(score),
                visibility=poses.visibility[row] if len(poses.visibility) else None))
        return found


def people_in(images: Sequence[np.ndarray], boxes: Sequence | None,
              detector: PersonDetector | None) -> list[Detections]:
    """Who is to be looked at in images (H, W, 3) uint8 RGB: those of `boxes`, as `each` takes them,
    else whom the detector finds, else each image as one person."""
    if boxes is not None:
        return [rows if isinstance(rows, Detections) else _given(rows, image)
                for rows, image in zip(boxes, images, strict=True)]
    if detector is not None:
        return detector.find([detector.prepare(image) for image in images])
    return [_given([(0, 0, *image.shape[1::-1])], image) for image in images]


def batches_of(images: Sequence[np.ndarray], people: Sequence[Detections], model: PoseModel,
               ) -> Iterator[Batch]:
    """Everybody, one after the other, however many an image has; image ids are places in
    `images`. Crops are cut where the network computes."""
    everybody = ((number, box, score) for number, group in enumerate(people)
                 for box, score in zip(group.boxes, group.scores, strict=True))
    while part := list(islice(everybody, PEOPLE_AT_ONCE)):
        views = [View(*model.codec.geometry.center_scale(box)) for _, box, _ in part]
        matrices = [view_matrix(view, model.codec.geometry) for view in views]
        batch = collate([_sample(number, view, matrix, float(score), model.skeleton.num_joints)
                         for (number, _, score), view, matrix in zip(part, views, matrices,
                                                                     strict=True)])
        yield replace(batch, crop=_crops(images, batch.image_id.tolist(), matrices, model))


def _crops(images: Sequence[np.ndarray], numbers: Sequence[int], matrices: Sequence[np.ndarray],
           model: PoseModel) -> torch.Tensor:
    """(N, H, W, 3) uint8. numbers: the image of each, one behind the other."""
    size = model.codec.input_size
    if model.device.type == "cpu":
        return torch.from_numpy(np.stack([
            warp_averaged(images[number], matrix, size)
            for number, matrix in zip(numbers, matrices, strict=True)]))
    return torch.cat([
        device_crops(images[number], [matrix for _, matrix in group], size, model.device)
        for number, group in groupby(zip(numbers, matrices, strict=True), key=itemgetter(0))])


def _sample(number: int, view: View, matrix: np.ndarray, score: float, joints: int) -> Sample:
    """A person of an image, still without the crop."""
    return Sample(
        crop=np.empty(0, np.uint8),
        keypoints=np.zeros((joints, 2), np.float32), visibility=np.zeros(joints, np.float32),
        to_image=cv2.invertAffineTransform(matrix).astype(np.float32), index=0,
        image_id=number, area=float(padded_area(view.scale)), box_score=score)


def _given(boxes: Sequence, image: np.ndarray) -> Detections:
    """Boxes of the caller, checked, with the score 1."""
    rows = np.asarray(boxes, np.float32)
    if not rows.size:
        rows = rows.reshape(0, 4)
    if rows.ndim != 2 or rows.shape[1] != 4 or not np.isfinite(rows).all() or (
            rows[:, 2:] <= 0).any():
        raise UserError(f"the boxes of an image of {image.shape[1]}x{image.shape[0]} pixels are "
                         f"{rows.tolist()}: give (N, 4) numbers, x, y, width and height in "
                         f"pixels, with a width and height above 0")
    return Detections(rows, np.ones(len(rows), np.float32))
