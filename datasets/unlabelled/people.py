"""UnlabelledPeople: each of them as an easy view and a hard one, for a teacher and its student."""
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from configs.schema import Config
from datasets.annotations.annotated_sets import AnnotatedSet, concatenated
from datasets.annotations.skeleton import Skeleton
from datasets.crops.augment import View, strengthened
from datasets.crops.warp import view_matrix
from datasets.person_crops import PersonCrops
from datasets.sample import Sample
from datasets.unlabelled.boxes import read_unlabelled
from utils.errors import UserError
from utils.geometry import CropGeometry


@dataclass
class TwoViews(Sample):
    """The hard view of a person, and with it the easy one."""
    easy: Sample | None = None


class UnlabelledPeople(PersonCrops):
    """The people of data.unlabelled, of whom nothing is learned but by their pictures.

    `pair` gives two samples of a person: the easy one shows the box as it is, the hard one by
    `strengthened` augmentation. Where a file knows joints, the samples have them as those of
    labelled people do; they are there to be compared with (processors/unlabelled/teacher.py).
    """

    def __init__(self, config: Config, skeleton: Skeleton, steps_per_epoch: int = 1):
        """steps_per_epoch: of the run, whose last epochs may have weaker augmentation. Raises
        FileNotFoundError or UserError."""
        data, augment = config.data, strengthened(config.augment)
        sets = []
        for number, entry in enumerate(data.unlabelled):
            key, root = f"data.unlabelled[{number}]", Path(entry.img_root)
            sets.append(AnnotatedSet(Path(entry.boxes) if entry.boxes else root, root, skeleton,
                                     data.category, f"{key}.boxes", f"{key}.img_root", data.exif,
                                     data.bits))
        parts = [read_unlabelled(part, config.codec.alignment, config.detector.confidence,
                                 data.skip_broken) for part in sets]
        if data.debug:
            parts = [persons.select(slice(0, int(data.debug))) for persons in parts]
        super().__init__(
            parts[0] if len(parts) == 1 else concatenated(parts), sets, sets[0].ann_path, skeleton,
            CropGeometry(config.codec.input_size, config.codec.alignment), augment=augment,
            first_weak=((config.optim.epochs - augment.weak_epochs) * steps_per_epoch
                        if augment.weak_epochs else math.inf),
            seed=config.seed, skip_broken=data.skip_broken)
        if not len(self):
            raise UserError(f"data.unlabelled: nobody is left in {self.summary()}; give the folder "
                            f"of these pictures")

    def pair(self, step: int, index: int) -> list[Sample]:
        """The easy and the hard sample of a person in a step of the run; with skip_broken those of
        another person, marked as broken, where the picture cannot be used."""
        hard = self[(step, index)]
        assert isinstance(hard, TwoViews) and hard.easy
        return [replace(hard.easy, index=hard.index, broken=hard.broken), hard]

    def _sample(self, index: int, view: View, matrix: np.ndarray, draws: np.ndarray) -> TwoViews:
        hard = super()._sample(index, view, matrix, draws)
        plain = self.subject(index).view
        easy = super()._sample(index, plain, view_matrix(plain, self.geometry),
                               np.zeros_like(draws))
        return TwoViews(**vars(hard), easy=easy)
