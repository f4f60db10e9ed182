"""Where `predict` puts its pictures and results: image files or an .mp4, and JSON lines."""
import json
import os
from itertools import chain, count
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np

from datasets.crops.images import SUFFIXES
from processors.prediction.frame_sources import Frame, ImageFiles, Video
from utils.errors import UserError
from utils.files import naming, open_new, temporary
from utils.outputs import (
    ensure_folder,
    ensure_output,
    ensure_replaceable,
    mark_video,
    marked,
    write_output,
)
from utils.rgb import encode_image

KEPT_SUFFIXES = (".jpg", ".jpeg", ".png")   # images of other kinds become JPEGs
CODEC = "mp4v"      # the one for .mp4 that OpenCV's wheels can write everywhere
MOST_REPEATS = 250  # of a camera's picture; a longer pause is cut out


class ImageWriter:
    """Pictures of the same names in a folder, or one picture in a file."""

    def __init__(self, source: ImageFiles, out: Path):
        one_file = out.suffix.lower() in (*SUFFIXES, ".mp4")
        if one_file and (len(source) > 1 or out.suffix.lower() not in KEPT_SUFFIXES):
            raise UserError(f"--out is {out}, but the source has {len(source)} image(s): give a "
                             f"folder, or for one image a .jpg or .png file")
        self.shown = out
        self.paths = [out] if one_file else [out / name for name in picture_names(source.names)]
        self.results_path = out.with_suffix(".jsonl") if one_file else out / "results.jsonl"
        inputs = {os.path.realpath(source.root / name) for name in source.names}
        _ensure_apart(self.paths, inputs)
        for path in self.paths:
            ensure_replaceable(path, "picture", "--out")
        ensure_output(self.results_path, "results in lines", "--out")

    def write(self, frame: Frame, picture: np.ndarray | None) -> None:
        if picture is None:
            return
        path = self.paths[frame.number]
        write_output(path, marked(encode_image(picture, path.suffix.lower())), "--out")

    def close(self) -> None:
        """Every picture is whole as soon as it is written."""


class VideoWriter:
    """One .mp4, as long as the source: a frame without a picture shows the one before it.

    It grows beside its place, in a temporary file, and takes it when it is whole.
    """

    def __init__(self, source: Video, out: Path):
        if out.suffix.lower() in (".avi", ".mkv", ".mov", ".webm", ".m4v", *SUFFIXES):
            raise UserError(f"--out is {out}, but a video is written as .mp4: give a name that "
                             f"ends so, or a folder")
        self.path = out if out.suffix.lower() == ".mp4" else out / f"{source.path.stem}.mp4"
        self.shown, self.results_path = self.path, self.path.with_suffix(".jsonl")
        part = temporary(self.path)
        self.part = part.with_name(f"{part.name}.mp4")      # OpenCV goes by the suffix
        self.source, self.size, self.frames = source, (0, 0), 0
        self.writer: cv2.VideoWriter | None = None
        self.last: np.ndarray | None = None
        _ensure_apart([self.path], {os.path.realpath(source.path)})
        ensure_output(self.path, "video", "--out")
        ensure_output(self.results_path, "results in lines", "--out")

    def write(self, frame: Frame, picture: np.ndarray | None) -> None:
        picture = self.last if picture is None else picture
        if picture is None:
            return      # the video begins with frames that cannot be read
        if self.writer is None:
            self.writer = self._open(*picture.shape[1::-1])
        if picture.shape[1::-1] != self.size:
            picture = cv2.resize(picture, self.size, interpolation=cv2.INTER_AREA)
        for _ in range(self._times(frame)):
            self.writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
            self.frames += 1
        self.last = picture

    def _times(self, frame: Frame) -> int:
        """How often to show a frame: once, or as long as the network kept a camera waiting."""
        if not self.source.is_camera:
            return 1 if self.last is not None else frame.number + 1     # also for the unread
        return int(np.clip(round(frame.seconds * self.source.fps) + 1 - self.frames, 1,
                           MOST_REPEATS))

    def _open(self, width: int, height: int) -> cv2.VideoWriter:
        # The codec wants even sizes: the last row or column of an odd picture is scaled away
        self.size = max(2, width - width % 2), max(2, height - height % 2)
        ensure_folder(self.part.parent, "--out")
        self.part.unlink(missing_ok=True)
        writer = cv2.VideoWriter(str(self.part), cv2.VideoWriter.fourcc(*CODEC),
                                 self.source.fps, self.size)
        if not writer.isOpened():
            raise OSError(f"the video {self.part} cannot be written by OpenCV "
                          f"({self.size[0]}x{self.size[1]} pixels, {CODEC}): give another --out")
        return writer

    def close(self) -> None:
        """Finish the file. Raises OSError if the disk did not take all of it."""
        if self.writer is None:
            return
        self.writer.release()
        self.writer = None
        check = cv2.VideoCapture(str(self.part))    # OpenCV does not tell of a full disk
        whole = check.isOpened() and check.get(cv2.CAP_PROP_FRAME_COUNT) == self.frames
        check.release()
        if not whole:
            raise OSError(f"the video {self.part} is not whole, maybe the disk is full: make room "
                          f"or give another --out")
        mark_video(self.part)
        os.replace(self.part, self.path)


class Results:
    """JSON lines, each on the disk as soon as it is known; a context manager."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> "Results":
        ensure_folder(self.path.parent, "--out")
        with naming(self.path):
            self.file: IO[bytes] = open_new(self.path)
        return self

    def __exit__(self, *_: Any) -> None:
        with naming(self.path):
            self.file.close()

    def add(self, line: dict[str, Any]) -> None:
        with naming(self.path):
            self.file.write(f"{json.dumps(line, allow_nan=False)}\n".encode())
            self.file.flush()


def writer_for(source: ImageFiles | Video, out: str | Path) -> ImageWriter | VideoWriter:
    """Raises UserError or OSError if `out` cannot take the pictures."""
    out = Path(out)
    return VideoWriter(source, out) if isinstance(source, Video) else ImageWriter(source, out)


def picture_names(names: list[str]) -> list[str]:
    """What to call the pictures of images: the same, where `KEPT_SUFFIXES` has the suffix, else
    with one of these behind it that no other picture has."""
    taken = {name for name in names if Path(name).suffix.lower() in KEPT_SUFFIXES}
    found = []
    for name in names:
        if name not in taken:
            endings = chain((".jpg", ".png"), (f".{number}.jpg" for number in count(2)))
            name = next(name + ending for ending in endings if name + ending not in taken)
            taken.add(name)
        found.append(name)
    return found


def _ensure_apart(paths: list[Path], inputs: set[str]) -> None:
    over = [path for path in paths if os.path.realpath(path) in inputs]
    if over:
        raise UserError(f"--out would overwrite the source {over[0]}: choose another folder")
