"""COCO: a data set of persons with keypoints, in the layout of the COCO keypoint task."""
import math
from collections.abc import Sequence
from pathlib import Path

from configs.schema import AugmentConfig, Config, ExtraSet
from datasets.annotations.annotated_sets import AnnotatedSet, extra_sets, read_sets
from datasets.annotations.readers import read_detections
from datasets.annotations.skeleton import Skeleton
from datasets.crops.crop_pack import TRAIN, VAL, CropPack
from datasets.person_crops import PersonCrops
from datasets.visibility_labels import visibility_labels
from utils.errors import UserError
from utils.geometry import CropGeometry


class MSCOCO(PersonCrops):
    """The persons of annotation files; samples are made as PersonCrops says."""

    def __init__(self, ann_path: str | Path, img_root: str | Path, skeleton: Skeleton, *,
                 input_size: tuple[int, int] = (192, 256), alignment: str = "hrnet",
                 augment: AugmentConfig | None = None, epochs: float = math.inf, seed: int = 0,
                 pack: str | Path = "", detections: str | Path | None = None,
                 box_score: float = 0.0, debug: int = 0, skip_broken: bool = False,
                 check_files: bool = True, split: str = "train", category: str | int = "",
                 extra: Sequence[ExtraSet] = (), exif: str = "default", bits: int = 0):
        """
        input_size: of the crop, (width, height). alignment: pixel convention of boxes and warp.
        augment: None shows every person as its box says. epochs: of the run, whose last ones may
        have weaker augmentation. pack: a crop pack to read instead of the images, which need not
        be there then; without augment one of finished crops. detections: COCO results file whose
        boxes replace the annotated ones if their score is at least box_score. debug: use only the
        first so many persons.
        skip_broken: persons whose image is missing are left out, for those whose image turns out
        unreadable there is another sample (see `__getitem__`). check_files: look for missing
        images at once. split: "train" or "val", for the names of settings in messages. category:
        see `category_ids`. extra: more annotation files whose persons come after these. exif,
        bits: how images are read, see `read_image`.

        Raises FileNotFoundError or UserError, one sentence with file and setting; also where no
        annotated person is left to use. No detection left is a data set of nobody.
        """
        ann_key, root_key = f"data.{split}_ann_path", f"data.{split}_img_root"
        self.ann_path, self.img_root = Path(ann_path), Path(img_root)
        sets = [AnnotatedSet(self.ann_path, self.img_root, skeleton, category, ann_key, root_key,
                             exif, bits), *extra_sets(extra, skeleton, category, exif, bits)]
        if detections is None:
            persons = read_sets(sets, skeleton, alignment, debug)
        else:
            persons = read_detections(detections, ann_path, skeleton, box_score, ann_key, category)
            persons = persons.select(slice(0, int(debug))) if debug else persons
        super().__init__(
            persons, sets, self.ann_path if detections is None else Path(detections), skeleton,
            CropGeometry(input_size, alignment), augment=augment, seed=seed,
            first_weak=epochs - augment.weak_epochs if augment else math.inf,
            pack=CropPack(pack, TRAIN if augment else VAL) if pack else None,
            skip_broken=skip_broken, check_files=check_files)
        if detections is None and not len(self.persons):
            raise UserError(f"{ann_key}: no person is left to use in {self.summary()}")


def train_set(config: Config, skeleton: Skeleton, check_files: bool = True) -> MSCOCO:
    """The persons that a Config trains on, augmented as it says. Raises as MSCOCO does."""
    data, codec = config.data, config.codec
    dataset = MSCOCO(
        data.train_ann_path, data.train_img_root, skeleton, input_size=codec.input_size,
        alignment=codec.alignment, augment=config.augment, epochs=config.optim.epochs,
        seed=config.seed, pack=data.train_pack, debug=data.debug, skip_broken=data.skip_broken,
        check_files=check_files, category=data.category, extra=data.extra_sets, exif=data.exif,
        bits=data.bits)
    if config.model.visibility:
        dataset.labels = visibility_labels(dataset.persons, dataset.sets, skeleton)
    return dataset


def val_set(config: Config, skeleton: Skeleton, check_files: bool = True) -> MSCOCO:
    """The persons that a Config is judged on, in the boxes it says. Raises as MSCOCO does."""
    data, codec, val = config.data, config.codec, config.val
    return MSCOCO(data.val_ann_path, data.val_img_root, skeleton, input_size=codec.input_size,
                  alignment=codec.alignment, box_score=val.box_score, debug=data.debug,
                  detections=None if val.ground_truth_boxes else val.boxes, pack=data.val_pack,
                  skip_broken=data.skip_broken, check_files=check_files, split="val",
                  category=data.category, exif=data.exif, bits=data.bits)
