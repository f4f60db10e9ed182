"""Where `predict` puts its pictures and results: image files or an .mp4, and JSON lines."""
import json
import os
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path
from typing import IO, Any

import numpy as np

from datasets.crops.image_files import SUFFIXES
from processors.prediction.frame import Frame
from processors.prediction.frame_sources import ImageFiles
from processors.prediction.video_source import Video
from processors.prediction.video_writer import VideoWriter
from utils.errors import UserError
from utils.files import naming, open_new
from utils.outputs import ensure_folder, ensure_output, ensure_replaceable, marked, write_output
from utils.rgb import encode_image

KEPT_SUFFIXES = (".jpg", ".jpeg", ".png")   # images of other kinds become JPEGs


class ImageWriter:
    """Pictures of the same names in a folder, or one picture in a file."""
    notes: Sequence[str] = ()

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


def writer_for(source: ImageFiles | Video, out: str | Path, codec: str = "",
               ) -> ImageWriter | VideoWriter:
    """Raises UserError or OSError if `out` cannot take the pictures."""
    out = Path(out)
    return VideoWriter(source, out, codec) if isinstance(source, Video) else ImageWriter(
        source, out)


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
