"""People: those that a network has looked at, of a labelled set or of a folder of images."""
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from configs.schema import Config, DetectorConfig
from datasets.annotations.skeleton import Skeleton
from datasets.broken_images import name_broken
from datasets.coco import MSCOCO
from datasets.loaders import val_loader
from processors.detection.person_detector import build_detector
from processors.models.pose_model import PoseModel
from processors.pose_predictor import batches_of, people_in
from processors.prediction.frame_sources import ImageFiles, open_source
from processors.prediction.given_boxes import GivenBoxes, read_boxes
from processors.prediction.overlap import in_portions
from processors.ranking.looks import Looks, concatenated, look
from utils.errors import UserError
from utils.log import bar, log
from utils.oks import AREA_OF_BOX
from utils.shown import counted, first_few


@dataclass(frozen=True)
class People:
    """N people in M images, in image pixels; labels are zeros where nobody has labelled."""
    source: str                             # in words: a file of labels, or a folder
    looks: Looks
    boxes: np.ndarray                       # (N, 4) float64, xywh
    images: np.ndarray                      # (N,) int64, number of the image of each
    names: list[str]                        # of the M images, relative to their folder
    read: Callable[[int], np.ndarray]       # the pixels of an image; raises ImageError
    labels: np.ndarray                      # (N, K, 2) float64
    labelled: np.ndarray                    # (N, K) bool
    ids: np.ndarray                         # (N,) int64, of the annotation; -1 without one

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def areas(self) -> np.ndarray:
        """(N,) what OKS measures distances against, by the box alone: labels may be wrong, and
        those without labels have no other."""
        return AREA_OF_BOX * self.boxes[:, 2] * self.boxes[:, 3]

    def take(self, rows: np.ndarray) -> "People":
        """Those at these indices, or of this mask."""
        return replace(self, looks=self.looks.take(rows), **{
            name: getattr(self, name)[rows] for name in ("boxes", "images", "labels", "labelled",
                                                         "ids")})


def labelled_set(config: Config, skeleton: Skeleton, split: str) -> MSCOCO:
    """Everybody that a Config trains on or is judged by (split: train | val), as the labels' boxes
    say, without augmentation and from the images themselves. Raises as MSCOCO does."""
    data = config.data
    return MSCOCO(getattr(data, f"{split}_ann_path"), getattr(data, f"{split}_img_root"), skeleton,
                  input_size=config.codec.input_size, alignment=config.codec.alignment,
                  debug=data.debug, skip_broken=data.skip_broken, split=split,
                  category=data.category, extra=data.extra_sets if split == "train" else (),
                  exif=data.exif, bits=data.bits)


def look_at_labelled(model: PoseModel, dataset: MSCOCO) -> People:
    """The people of a `labelled_set`; those whose image is broken are named and left out."""
    config, named = model.config, set[Path]()
    loader = val_loader(dataset, config.data, batch_size=config.val.batch_size,
                        pin_memory=model.device.type == "cuda")

    def batches():
        for batch in bar(loader, "looking"):
            name_broken(batch, dataset, named)
            yield batch

    looks = look(model, batches())
    persons, rows = dataset.persons, looks.index
    everybody = People(
        source=dataset.ann_paths(), looks=looks, boxes=persons.boxes[rows].astype(np.float64),
        images=persons.image_rows[rows].astype(np.int64), names=persons.file_names.tolist(),
        read=dataset.image, labels=persons.keypoints[rows].astype(np.float64),
        labelled=persons.visibility[rows] > 0, ids=persons.ids[rows])
    return everybody.take(~looks.broken)


def open_folder(config: Config, folder: Path, boxes: Path | None,
                ) -> tuple[ImageFiles, GivenBoxes | None]:
    """The images of a folder and the boxes of a file, for look_at_folder. Raises UserError or
    FileNotFoundError."""
    if not folder.exists():
        raise FileNotFoundError(f"--images is {folder}, which does not exist: name the folder of "
                                f"the images to look at")
    frames = open_source(str(folder))
    if not isinstance(frames, ImageFiles):
        raise UserError(f"--images is {folder}, and a folder of images is wanted: write the frames "
                        f"of a video into one, as ffmpeg does, every tenth will do")
    frames = replace(frames, bits=config.data.bits)
    if not boxes:
        return frames, None
    given = read_boxes(boxes, frames, config.data.category, config.detector.confidence,
                       config.data.exif)
    return replace(frames, stated=given.stated), given


def look_at_folder(model: PoseModel, frames: ImageFiles, given: GivenBoxes | None) -> People:
    """The people of images, by the boxes of a file or of the detector of the settings; without
    either each image is one person. Raises UserError."""
    detector = model.config.detector
    if not given and detector == DetectorConfig():
        log.warning("no detector is given, so each picture is taken as one person: "
                    "detector.weights=yolov5s.pt, detector.type=torchvision or --boxes tells who "
                    "is where")
    finder = (None if given or detector == DetectorConfig()
              else build_detector(detector, model.device))
    looks, found, images, errors, empty = list[Looks](), [], list[int](), list[str](), 0
    for portion in in_portions(bar(frames, "looking", total=len(frames)), frames.at_once):
        errors += [frame.error for frame in portion if frame.pixels is None]
        there = [frame for frame in portion if frame.pixels is not None]
        pixels = [frame.pixels for frame in there if frame.pixels is not None]
        if not there:
            continue
        people = people_in(pixels, [given.of(frame) for frame in there] if given else None, finder)
        empty += sum(not len(group.boxes) for group in people)
        if any(len(group.boxes) for group in people):
            looks.append(look(model, batches_of(pixels, people, model)))
            found += [group.boxes for group in people]
            images += [frame.number for frame, group in zip(there, people, strict=True)
                       for _ in group.boxes]
    for note in frames.notes():
        log.warning("%s", note)
    if errors:
        log.warning("%s cannot be read: %s", counted(len(errors), "image"), first_few(errors))
    if empty:
        log.warning("%s without anybody found are left out", counted(empty, "image"))
    if not looks:
        raise UserError(f"nobody is found in {frames.root}: see to the detector, or give --boxes")
    count, joints = len(images), model.skeleton.num_joints
    return People(
        source=str(frames.root), looks=concatenated(looks),
        boxes=np.concatenate(found).astype(np.float64), images=np.array(images, np.int64),
        names=frames.names, read=frames.read, labels=np.zeros((count, joints, 2)),
        labelled=np.zeros((count, joints), bool), ids=np.full(count, -1))
