"""Label files: where predictions go as labels, in the place of results and drawn pictures.

They lie where the tool looks for them, and the import: those of labelme and YOLO at their pictures,
those of CVAT and COCO in one file in the folder of the pictures. No file that is there is replaced,
also none of this project, for somebody may have corrected it: pictures that have a label file are
left out, and a file for all must not be there.
"""
import glob
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from datasets.annotations.skeleton import Skeleton
from datasets.crops.image_header import how_read
from datasets.exports.labelled import LabelledImage
from processors.labelling.labelled_person import category_of, labelled_person
from processors.prediction.frame import Frame
from processors.prediction.frame_sources import ImageFiles
from processors.prediction.person import Person
from processors.prediction.video_source import Video
from utils.errors import UserError
from utils.outputs import ensure_output, ensure_writable, write_frame, write_output
from utils.rgb import encode_image
from utils.shown import first_few


class LabelFiles:
    """The labels of the pictures of a source. Frames of a video become pictures beside them."""
    suffix = ".json"
    path = ""       # where the labels are, for people

    def __init__(self, source: ImageFiles | Video, out: Path, threshold: float):
        """out: a folder. threshold: of `labelled_person`. Raises UserError or OSError where a place
        is taken."""
        self.source, self.threshold = source, threshold
        self.is_film = isinstance(source, Video)
        self.folder = (out / source.name).parent if isinstance(source, Video) else out
        self.pictures = self.folder if isinstance(source, Video) else source.root
        self.shown = f"the pictures in {self.pictures}"
        self.left = Counter[str]()
        if isinstance(source, Video):
            begin = glob.escape(str(self.folder / Path(source.name).name))
            for path in glob.glob(f"{begin}_*.jpg"):
                ensure_output(Path(path), "picture", "--out")

    @property
    def notes(self) -> list[str]:
        return [f"{count} {what}" for what, count in self.left.items() if count]

    def write(self, frame: Frame, picture: np.ndarray | None) -> None:
        """Nothing: the tool draws."""

    def close(self) -> None:
        """Nothing: see `opened`."""

    @contextmanager
    def opened(self, skeleton: Skeleton, category: str | int = "") -> Iterator["LabelFiles"]:
        """Frames are added within. category: data.category. Raises UserError where labels that are
        there cannot go together with the skeleton."""
        self.skeleton, self.category = skeleton, category_of(category, skeleton)
        self.begin()
        try:
            yield self
        finally:
            self.end()

    def add(self, frame: Frame, people: list[Person]) -> None:
        if frame.pixels is None or not self.takes(frame.name):
            return
        size = frame.pixels.shape[1], frame.pixels.shape[0]
        found = [labelled_person(person, size, self.threshold) for person in people]
        self.left["people outside of their picture left out"] += found.count(None)
        number = frame.number if isinstance(self.source, Video) else self.source.ids[frame.number]
        if self.is_film:
            write_frame(self.pictures / frame.name, encode_image(frame.pixels), "--out")
        self.put(LabelledImage(frame.name, size, [one for one in found if one], number))

    def takes(self, name: str) -> bool:
        """Whether the picture is to be labelled; counts why not."""
        return True

    def begin(self) -> None:
        """What is to be done before the first label."""

    def put(self, image: LabelledImage) -> None:
        """Take the labels of a picture."""
        raise NotImplementedError

    def end(self) -> None:
        """Write what waits to be written."""


class FilePerPicture(LabelFiles):
    """A label file for each picture."""

    def __init__(self, source: ImageFiles | Video, out: Path, threshold: float):
        super().__init__(source, out, threshold)
        self.path = f"their labels, {self.place('x.jpg').with_name(f'*{self.suffix}')}"
        self.written: set[Path] = set()
        ensure_writable(self.place("x.jpg"), "--out")

    def place(self, name: str) -> Path:
        """The label file of a picture."""
        return (self.folder / name).with_suffix(self.suffix)

    def takes(self, name: str) -> bool:
        place = self.place(name)
        if place in self.written:
            self.left["pictures left out that differ in their ending only from another one, whose "
                      "label file would be theirs, too (rename them)"] += 1
        elif os.path.lexists(place):
            self.left["pictures left out that have labels already"] += 1
        return not os.path.lexists(place)

    def put(self, image: LabelledImage) -> None:
        place = self.place(image.name)
        write_output(place, self.content(image), "--out")
        self.written.add(place)

    def content(self, image: LabelledImage) -> bytes:
        """Of the file of a picture."""
        raise NotImplementedError


class FileForAll(LabelFiles):
    """One file, which is written at the end, also of a run that was stopped."""

    def __init__(self, source: ImageFiles | Video, out: Path, threshold: float):
        is_file = out.suffix.lower() == self.suffix
        super().__init__(source, out.parent if is_file else out, threshold)
        name = Path(source.name).name if isinstance(source, Video) else "annotations"
        self.file = out if is_file else self.folder / f"{name}{self.suffix}"
        self.path = f"their labels, {self.file}"
        self.images: list[LabelledImage] = []
        ensure_free(self.file)

    def put(self, image: LabelledImage) -> None:
        self.images.append(image)

    def end(self) -> None:
        if self.images:
            write_output(self.file, self.content(), "--out")

    def content(self) -> bytes:
        """Of the file."""
        raise NotImplementedError


def ensure_free(path: Path) -> None:
    """Raise UserError where something lies at the place of a file that people correct, and OSError
    where it cannot be written."""
    if os.path.lexists(path):
        raise UserError(f"--out: {path} is there already and may have been corrected, so it stays "
                        f"as it is: move it away, or give another name")
    ensure_writable(path, "--out")


def without_labelled(source: ImageFiles, files: LabelFiles) -> ImageFiles:
    """The pictures that can be labelled, and are not yet. Raises UserError if none is left."""
    names = [name for name in source.names if files.takes(name)]
    if not names:
        raise UserError(f"no picture of {source.root} is left to label: {'; '.join(files.notes)}; "
                        f"give other ones, or another folder for the labels by --out")
    files.source = left = replace(source, names=names)
    return left


def ensure_upright(source: ImageFiles) -> None:
    """Raise UserError for pictures that the boxes of a file want read as they are stored:
    labelling tools turn them."""
    stored = [name for name, (size, exif) in zip(source.names, source.stated, strict=False)
              if how_read(source.root / name, size, exif) == "ignore"]
    if stored:
        raise UserError(f"--boxes: {len(stored)} pictures with an EXIF orientation are read as "
                        f"stored, as their boxes were made ({first_few(stored)}), and labelling "
                        f"tools turn them: make the boxes by detect of the folder")
