"""PersonCrops: persons of tables as samples, each cut out of its image by one warp."""
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from torch.utils.data import Dataset

from configs.schema import AugmentConfig
from datasets.annotations.annotated_sets import AnnotatedSet
from datasets.annotations.persons import PersonTable
from datasets.annotations.skeleton import Skeleton, joint_map
from datasets.crops.augment import WHOLE, Subject, View, draw_view, sample_generator, weakened
from datasets.crops.colour_params import draw_colour_params
from datasets.crops.crop_pack import CropPack, pack_settings
from datasets.crops.image_files import missing_files, spelled_otherwise
from datasets.crops.image_header import count_open, how_read
from datasets.crops.images import ImageError, read_image
from datasets.crops.warp import map_joints, on_piece, view_matrix, warp
from datasets.sample import Sample
from utils.codecs.visibility_codec import ABSENT
from utils.errors import UserError
from utils.geometry import CropGeometry, padded_area
from utils.shown import counted, shortened

MOST_TRIED = 100    # other persons in the place of one whose image is broken


class PersonCrops(Dataset):
    """One person a sample. `dataset[(epoch, index)]` is always the same sample: augmentation draws
    from a generator seeded by (seed, epoch, index). `dataset[index]` is that of epoch 0. Persons
    of one image are neighbours, and the last image stays decoded, so reading in order decodes each
    once.
    """

    def __init__(self, persons: PersonTable, sets: Sequence[AnnotatedSet], source: Path,
                 skeleton: Skeleton, geometry: CropGeometry, *,
                 augment: AugmentConfig | None = None, first_weak: float = math.inf,
                 seed: int = 0, pack: CropPack | None = None, skip_broken: bool = False,
                 check_files: bool = True):
        """
        persons: in the images of `sets`. source: the file that the first set's persons are of.
        augment: None shows every person as its box says. first_weak: epoch from which augmentation
        is weaker. pack, skip_broken, check_files: as of MSCOCO. Raises FileNotFoundError or
        UserError.
        """
        self.sets, self.source = list(sets), source
        self.skeleton, self.geometry = skeleton, geometry
        self.augment, self.seed, self._first_weak = augment, seed, first_weak
        if augment:
            self._weak = weakened(augment)
        self.pack, self.skip_broken = pack, skip_broken
        if pack:
            persons = self._with_crops(pack, persons)
        elif check_files:
            persons = self._with_files(persons)
        self.persons, self._boxes_of = persons, dict(persons.boxes_of.tolist())
        if check_files and not pack:
            persons.notes.update(self._orientations(self.sets[0].exif))
        self.center, self.scale = geometry.center_scale(persons.boxes)
        self.labels: np.ndarray | None = None       # (N, K), see `visibility_labels`
        self.forget_image()
        self._looked_at = np.zeros(len(persons.image_ids), bool)   # by this process
        self._joint_order = np.array(skeleton.flip_order)

    def _with_crops(self, pack: CropPack, persons: PersonTable) -> PersonTable:
        """Persons whose crops are in the pack, which must fit the settings. Without skip_broken
        all must have one; with it persons to judge stay whose image was broken, as without a pack,
        but not those whose image was missing."""
        pack.check_settings(pack_settings(self.geometry, self.augment, self.sets[0]))
        rows = pack.rows(persons, self.ann_paths())
        records = pack.records[rows[:, WHOLE]]
        broken = records["bytes"] == 0
        what = "persons whose image was missing or broken when the pack was made"
        if broken.any() and not self.skip_broken:
            raise UserError(f"{pack} has no pixels of {broken.sum()} {what}: mend the images "
                            f"and pack again, or set data.skip_broken to true")
        if pack.finished:
            broken, what = records["width"] == 0, what.replace(" or broken", "")
        self._pack_rows = rows[~broken]
        return persons.without(broken, f"{what} left out")

    def _with_files(self, persons: PersonTable) -> PersonTable:
        """Persons whose image file exists. Without skip_broken all must."""
        gone_images, hints = np.zeros(len(persons.image_ids), bool), ""
        for number, part in enumerate(self.sets):
            mine = persons.sets == number
            names = persons.file_names[mine]
            gone_images[mine] = missing = self._missing(part, names)
            hints += spelled_otherwise(part.img_root, names[missing].tolist())
        return persons.without(gone_images[persons.image_rows],
                               f"persons whose image file is missing left out{hints}")

    def _orientations(self, exif: str) -> dict[str, int]:
        """The note on images whose EXIF orientation only `exif` decides, if there are any."""
        rows = np.flatnonzero(self.persons.exif == "").tolist()
        count, looked = count_open([(self.path(row), self.stated_size(row)) for row in rows])
        read = "upright" if exif == "obey" else "as stored"
        return {f"of {looked} images have an EXIF orientation that their size leaves open and are "
                f"read {read} (data.exif: {exif}; see docs/own_data.md)": count} if count else {}

    def _missing(self, part: AnnotatedSet, names: np.ndarray) -> np.ndarray:
        """Whether each image of a set is missing, (M,) bool."""
        if not part.img_root.is_dir():
            raise FileNotFoundError(f"{part.root_key}: the folder {part.img_root} does not exist; "
                                    f"correct the path")
        missing = missing_files(part.img_root, names.tolist())
        if missing and not self.skip_broken:
            source = self.source if part is self.sets[0] else part.ann_path
            raise FileNotFoundError(
                f"{part.root_key}: {len(missing)} of {len(names)} images of {source} are not in "
                f"{part.img_root}, first {', '.join(map(shortened, missing[:3]))}"
                f"{spelled_otherwise(part.img_root, missing)}; add them, correct the folder, or "
                f"set data.skip_broken to true")
        return np.isin(names, missing)

    def __len__(self) -> int:
        return len(self.persons)

    def __getitem__(self, key: int | tuple[int, int]) -> Sample:
        """Sample number `index`, or (epoch, index).

        Raises ImageError naming the file of an image that cannot be used. With skip_broken
        that image gives a sample marked as broken: with augmentation another person's of the same
        epoch, always the same one, and otherwise a black one with nothing visible.
        """
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: list[int | tuple[int, int]]) -> list[Sample]:
        """The samples of a batch; a DataLoader asks for them all at once.

        All is drawn before the first image is read: decoding leaves nothing in the CPU's caches,
        and drawing then takes five times as long.
        """
        pairs = [key if isinstance(key, tuple) else (0, key) for key in keys]
        plans = [self._plan(pair) for pair in pairs]
        return [self._usable(epoch, plan) for (epoch, _), plan in zip(pairs, plans, strict=True)]

    def subject(self, index: int) -> Subject:
        """Who a sample shows, without augmentation."""
        persons = self.persons
        return Subject(persons.boxes[index], View(self.center[index], self.scale[index]),
                       persons.keypoints[index], persons.visibility[index],
                       persons.image_sizes[persons.image_rows[index]])

    def _plan(self, key: tuple[int, int]) -> tuple[int, View, np.ndarray, np.ndarray]:
        """Of a sample: index, view, the view's matrix, and the numbers for the colours."""
        epoch, index = key
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        index = int(index)
        if self.augment is None:
            view, draws = View(self.center[index], self.scale[index]), np.empty(0, np.float32)
        else:
            rng = sample_generator(self.seed, epoch, index)
            weak = epoch >= self._first_weak
            view = draw_view(rng, self.subject(index), self.skeleton, self.geometry,
                             self._weak if weak else self.augment)
            draws = draw_colour_params(rng, self.augment.weak if weak else 1.0)
        return index, view, view_matrix(view, self.geometry), draws

    def _usable(self, epoch: int, plan: tuple[int, View, np.ndarray, np.ndarray]) -> Sample:
        """The sample of a plan, or with skip_broken what there is in its place."""
        index = plan[0]
        try:
            return self._sample(*plan)
        except ImageError as error:
            if not self.skip_broken:
                raise ImageError(f"{error} (data.skip_broken=true goes on without it)") from error
            if self.augment is None:
                return self._black_sample(index)
            return replace(self._other_sample(epoch, index, error), index=index, broken=True)

    def _other_sample(self, epoch: int, index: int, error: ImageError) -> Sample:
        """Another person's sample of the epoch: a black one would go into the statistics of batch
        norms and the mean of the loss. The choice depends on seed, epoch and index alone."""
        rng = sample_generator(self.seed, epoch, index)
        others = rng.sample(range(len(self)), min(len(self), MOST_TRIED))
        for other in others:
            try:
                return self._sample(*self._plan((epoch, other)))
            except ImageError:
                continue
        raise ImageError(f"{error}; nor can those of {len(others)} other persons that were tried "
                         f"in its place be used: see to data.train_img_root")

    def _sample(self, index: int, view: View, matrix: np.ndarray, draws: np.ndarray) -> Sample:
        visible = self.persons.visibility[index] > 0
        keypoints, placed = map_joints(self.persons.keypoints[index], matrix)
        visible &= placed
        if view.flip:   # the matrix has mirrored the places, left and right change their names
            visible, keypoints = visible[self._joint_order], keypoints[self._joint_order]
        visibility = visible.astype(np.float32)
        if self.labels is not None:
            labels = self.labels[index, self._joint_order] if view.flip else self.labels[index]
            visibility = np.where(visible, labels, labels.clip(max=ABSENT)).astype(np.float32)
        to_image = (cv2.invertAffineTransform(matrix) if len(matrix) == 2
                    else np.full((2, 3), np.nan))       # no affine leads back from a tilted view
        return Sample(
            crop=self._crop(index, view, matrix),
            keypoints=(keypoints * visible[:, None]).astype(np.float32),
            visibility=visibility,
            to_image=to_image.astype(np.float32), **self._facts(index, view.scale), index=index,
            draws=draws)

    def _crop(self, index: int, view: View, matrix: np.ndarray) -> np.ndarray:
        """The view, cut out of its image or of a packed piece, or as it is in a pack."""
        size = self.geometry.input_size
        if self.pack is None:
            return warp(self.image(int(self.persons.image_rows[index])), matrix, size)
        row = int(self._pack_rows[index, view.part])
        pixels = self.pack.read(row)
        if self.pack.finished:
            return pixels.copy()
        return warp(pixels, on_piece(matrix, self.pack.origins[row], self.pack.steps[row]), size)

    def _black_sample(self, index: int) -> Sample:
        width, height = self.geometry.input_size
        joints = self.skeleton.num_joints
        return Sample(crop=np.zeros((height, width, 3), np.uint8),
                      keypoints=np.zeros((joints, 2), np.float32),
                      visibility=np.zeros(joints, np.float32),
                      to_image=np.eye(2, 3, dtype=np.float32),
                      **self._facts(index, self.scale[index]), index=index, broken=True)

    def _facts(self, index: int, scale: np.ndarray) -> dict:
        return {"image_id": int(self.persons.image_ids[self.persons.image_rows[index]]),
                "area": float(padded_area(scale)),
                "box_score": float(self.persons.scores[index])}

    def forget_image(self) -> None:
        """Decode anew even if the last image is asked for again."""
        self._last_row, self._last_image = -1, np.empty(0, np.uint8)

    def image(self, row: int) -> np.ndarray:
        """Decoded image of a row of `persons.image_ids`, (H, W, 3) uint8 RGB.

        Raises ImageError.
        """
        if row != self._last_row:
            part, path = self.sets[self.persons.sets[row]], self.path(row)
            stated = self.stated_size(row)
            exif = str(self.persons.exif[row]) or part.exif
            image = read_image(path, stated=stated, bits=part.bits, exif=exif,
                               look_for_cut=not self._looked_at[row])
            self._looked_at[row] = True
            seen = self._boxes_of.get(int(self.persons.image_ids[row]))
            if seen is not None and how_read(path, stated, exif) == ("obey", "ignore")[seen]:
                names = ("stored", "upright")
                raise ImageError(f"image {path} has its boxes in {self.source} in the "
                                 f"{names[seen]} pixels, and the {names[1 - seen]} ones are read "
                                 f"here: run detect with the annotation file and this data.exif")
            if image.shape[1::-1] != stated:
                raise ImageError(f"image {path} has {image.shape[1]}x{image.shape[0]} pixels but "
                                 f"{part.ann_path} says {stated[0]}x{stated[1]}: its joints "
                                 f"would be in the wrong places")
            self._last_row, self._last_image = row, image
        return self._last_image

    def stated_size(self, row: int) -> tuple[int, int]:
        """(width, height) of a row of `persons.image_ids`, as the annotations say."""
        width, height = self.persons.image_sizes[row].tolist()
        return width, height

    def image_path(self, index: int) -> Path:
        """File of a sample."""
        return self.path(int(self.persons.image_rows[index]))

    def picture(self, index: int) -> str:
        """What a sample is cut from, in words."""
        path = self.image_path(index)
        return f"image {path}" if self.pack is None else f"crop of {path} in {self.pack}"

    def path(self, row: int) -> Path:
        """File of a row of `persons.image_ids`. An absolute name, or one with `..`, is taken as it
        is: nothing but an image is ever read there, and nothing written."""
        return self.sets[self.persons.sets[row]].img_root / self.persons.file_names[row]

    def ann_paths(self) -> str:
        """The files that the persons are of, all sets', for messages."""
        return " + ".join(map(str, [self.source, *(part.ann_path for part in self.sets[1:])]))

    def summary(self) -> str:
        """What is in the data set and what was left out, one line."""
        notes = "".join(f"; {count} {what}" for what, count in self.persons.notes.items())
        crops = f"; crops from {self.pack.summary()}" if self.pack else ""
        parts = []
        for number, part in enumerate(self.sets):
            mine = self.persons.sets == number
            shared = sum(place >= 0 for place in joint_map(part.skeleton, self.skeleton))
            joints = (f" ({part.skeleton.name}, {shared} of {self.skeleton.num_joints} "
                      f"joints)" if part.skeleton.joint_names != self.skeleton.joint_names else "")
            parts.append(f"{part.ann_path if number else self.source}{joints}: "
                         f"{counted(mine[self.persons.image_rows].sum(), 'person')} in "
                         f"{counted(mine.sum(), 'image')}")
        return " + ".join(parts) + notes + crops
