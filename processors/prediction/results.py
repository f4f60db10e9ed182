"""Results of `predict` in the forms that others read: JSON lines, COCO, OpenPose, CSV.

Numbers are rounded to 1/100 pixel, scores to four digits. What is found is on the disk as soon as
it is known; frames that cannot be read have a line in the JSON lines only.
"""
import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import IO, Any

import numpy as np

from datasets.annotations.category import PERSON
from datasets.annotations.skeleton import Skeleton
from processors.prediction.frame import Frame
from processors.prediction.frame_sources import ImageFiles
from processors.prediction.person import Person
from processors.prediction.video_source import Video
from utils.files import naming, open_new
from utils.outputs import (
    ensure_folder,
    ensure_output,
    ensure_replaceable,
    marked_json,
    write_output,
)

Source = ImageFiles | Video


class Results:
    """One file of rows. A form says what its file is called, and what stands in it."""
    suffix, kind = ".jsonl", "results in lines"     # kind: of utils/outputs.py
    between, end = "\n", "\n"

    def __init__(self, base: Path, source: Source, inputs: Sequence[str | Path] = ()):
        """base: the path without its suffix. Raises UserError or OSError where it cannot be
        written, such as over one of the inputs."""
        self.source, self.rows, self.begun = source, 0, False
        self.path = base.with_name(f"{base.name}{self.suffix}")
        ensure_output(self.path, self.kind, "--out", inputs)

    @contextmanager
    def opened(self, skeleton: Skeleton, category: str | int = "") -> Iterator["Results"]:
        """The file from its head to its end; frames are added within. There is none if the first
        one is refused, as by a detector. category: data.category, which no form here tells."""
        made = [folder for folder in self.path.parents if not folder.exists()]
        ensure_folder(self.path.parent, "--out")
        with naming(self.path):
            self.file: IO[bytes] = open_new(self.path)
        try:
            self._write(self.head(skeleton.joint_names))
            yield self
            self.begun = True
        finally:
            self._write(self.end if self.rows else self.end.lstrip("\n"))
            with naming(self.path):
                self.file.close()
            if not self.begun:
                self.path.unlink(missing_ok=True)
                for folder in made:
                    with suppress(OSError):     # something else is there
                        folder.rmdir()

    def add(self, frame: Frame, people: list[Person]) -> None:
        self.begun = True
        for row in self.lines(frame, people):
            self._write(f"{self.between if self.rows else ''}{row}")
            self.rows += 1

    def _write(self, text: str) -> None:
        with naming(self.path):
            self.file.write(text.encode())
            self.file.flush()

    def head(self, joint_names: Sequence[str]) -> str:
        return ""

    def lines(self, frame: Frame, people: list[Person]) -> Iterator[str]:
        """A JSON object for each frame, also for those that cannot be read."""
        line: dict[str, Any] = ({"frame": frame.number, "seconds": round(frame.seconds, 4)}
                                if self.source.is_video else {"image": frame.name})
        if frame.pixels is None:
            line["error"] = frame.error
        else:
            line["people"] = [{
                **({"id": person.id} if self.source.is_timed else {}),
                "box": _rounded(person.box, 2), "score": _rounded(person.score, 4),
                "keypoints": _joints(person).tolist(), **_visibility(person)}
                for person in people]
        text = json.dumps(line, allow_nan=False)
        yield text if self.rows else marked_json(text)


class CocoResults(Results):
    """A list of COCO's keypoint results. image_id is the number in the file name, a running number
    where not every name is another number, and in videos the number of the frame."""
    suffix, kind, between, end = ".json", "keypoint results", ",\n", "\n]\n"

    def head(self, joint_names: Sequence[str]) -> str:
        return marked_json("[\n")

    def lines(self, frame: Frame, people: list[Person]) -> Iterator[str]:
        about = {} if self.source.is_video else {"file_name": frame.name}
        image_id = frame.number if isinstance(self.source, Video) else self.source.ids[frame.number]
        for person in people:
            yield json.dumps({
                "image_id": image_id, "category_id": PERSON,
                "keypoints": _joints(person).ravel().tolist(),
                "score": _rounded(person.score, 4), "bbox": _rounded(person.box, 2),
                **({"id": person.id} if person.id is not None else {}), **_visibility(person),
                **about}, allow_nan=False)


class CsvTable(Results):
    """A row for each person: where, who, box, and three columns for each joint."""
    suffix, kind = ".csv", "table of results"
    columns = ("image", "frame", "seconds", "person", "score", "x", "y", "width", "height")

    def head(self, joint_names: Sequence[str]) -> str:
        joints = [f"{name}_{part}" for name in joint_names for part in ("x", "y", "score")]
        return f"{_csv([*self.columns, *joints])}\n"

    def lines(self, frame: Frame, people: list[Person]) -> Iterator[str]:
        for person in people:
            yield _csv([frame.name, frame.number, round(frame.seconds, 4),
                        "" if person.id is None else person.id, _rounded(person.score, 4),
                        *_rounded(person.box, 2), *_joints(person).ravel().tolist()])


class OpenPoseFiles:
    """A folder with a file for each frame, as OpenPose's --write_json makes it. The joints are
    those of the skeleton, in its order."""
    kind = "OpenPose file"

    def __init__(self, base: Path, source: Source, inputs: Sequence[str | Path] = ()):
        self.path, self.source = base.with_name(f"{base.name}_openpose"), source
        self.old = sorted(self.path.rglob("*_keypoints.json"))
        for path in self.old:
            ensure_replaceable(path, self.kind, "--out")
        ensure_output(self.path / "x_keypoints.json", self.kind, "--out")
        names = [] if isinstance(source, Video) else source.names
        self.count = Counter(_stem(name) for name in names)

    @contextmanager
    def opened(self, skeleton: Skeleton, category: str | int = "") -> Iterator["OpenPoseFiles"]:
        for path in self.old:       # of frames that may not come again
            path.unlink(missing_ok=True)
        yield self

    def add(self, frame: Frame, people: list[Person]) -> None:
        if frame.pixels is None:
            return
        if isinstance(self.source, Video):
            name = f"{Path(self.source.name).name}_{frame.number:012d}"
        else:       # a.jpg and a.png are told apart
            name = _stem(frame.name) if self.count[_stem(frame.name)] == 1 else frame.name
        text = json.dumps({"version": 1.3, "generator": "SimplePose", "people": [{
            "person_id": [-1 if person.id is None else person.id],
            "pose_keypoints_2d": _joints(person).ravel().tolist()} for person in people]},
            allow_nan=False)
        write_output(self.path / f"{name}_keypoints.json", text.encode(), "--out")


FORMS: dict[str, type[Results] | type[OpenPoseFiles]] = {
    "jsonl": Results, "coco": CocoResults, "csv": CsvTable, "openpose": OpenPoseFiles}
TELL_VISIBILITY = ("jsonl", "coco")     # the others have columns that are fixed


def _stem(name: str) -> str:
    return str(Path(name).with_suffix(""))


def _joints(person: Person) -> np.ndarray:
    """(K, 3) x, y, score, rounded."""
    return np.column_stack([np.round(person.keypoints.astype(np.float64), 2),
                            np.round(person.scores.astype(np.float64), 4)])


def _visibility(person: Person) -> dict[str, list[list[float]]]:
    """(K, 3) of networks that tell it."""
    return {} if person.visibility is None else {"visibility": _rounded(person.visibility, 4)}


def _rounded(numbers: Any, digits: int) -> Any:
    return np.round(np.asarray(numbers, np.float64), digits).tolist()


def _csv(values: Sequence[Any]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()
