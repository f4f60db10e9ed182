"""Where `predict` puts its pictures: image files, an .mp4, or nowhere; and what it writes."""
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

import numpy as np

from datasets.crops.image_files import SUFFIXES
from processors.prediction.frame import Frame
from processors.prediction.frame_sources import ImageFiles
from processors.prediction.results import FORMS, OpenPoseFiles, Results
from processors.prediction.video_source import Video
from processors.prediction.video_writer import VideoWriter
from utils.errors import UserError
from utils.outputs import ensure_replaceable, marked, write_output
from utils.rgb import encode_image

KEPT_SUFFIXES = (".jpg", ".jpeg", ".png")   # images of other kinds become JPEGs


@dataclass(frozen=True)
class Output:
    """What is written of a source, and how it looks."""
    form: str = "jsonl"         # of the results, a key of FORMS
    pictures: bool = True
    codec: str = ""             # of a video, see VideoWriter
    legend: bool = False
    threshold: float = 0.3      # joints with a lower score are not drawn
    line_width: float = 0.0     # pixels; 0: by the size of the person
    labels: str = ""            # labels of this form in the place of all that
    every: int = 30             # of a video, the frames that are labelled


PLAIN = Output()


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
        self.results_base = out.with_suffix("") if one_file else out / "results"
        inputs = {os.path.realpath(source.root / name) for name in source.names}
        for path in self.paths:
            if os.path.realpath(path) in inputs:
                raise UserError(f"--out would overwrite the source {path}: choose another folder")
            ensure_replaceable(path, "picture", "--out")

    def write(self, frame: Frame, picture: np.ndarray | None) -> None:
        if picture is None:
            return
        path = self.paths[frame.number]
        write_output(path, marked(encode_image(picture, path.suffix.lower())), "--out")

    def close(self) -> None:
        """Every picture is whole as soon as it is written."""


class NoPictures:
    """Results only: in a folder, or in a file with the suffix of their form."""
    notes: Sequence[str] = ()

    def __init__(self, source: ImageFiles | Video, out: Path, form: str):
        suffix = getattr(FORMS[form], "suffix", "")
        alone = out.suffix.lower() in (".json", ".jsonl", ".csv", ".mp4", *SUFFIXES)
        if alone and out.suffix != suffix:
            raise UserError(f"--out is {out}, but results in the form {form} alone go into a folder"
                            + f" or a file that ends in {suffix}" * bool(suffix))
        name = source.name if isinstance(source, Video) else "results"
        self.shown, self.results_base = out, out.with_suffix("") if alone else out / name

    def write(self, frame: Frame, picture: np.ndarray | None) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def place_beside(source: str, frames: ImageFiles | Video | None, output: Output) -> Path:
    """Where what is made of a source goes, where nobody says it: `photo_pose.jpg` beside
    `photo.jpg`, `photos_pose/` beside `photos/`; labels to their pictures.

    frames: of the source, None for a folder or pattern of videos. Raises UserError for a source
    beside which there is no place, such as a camera.
    """
    path = Path(source)
    if output.labels and isinstance(frames, ImageFiles):
        return frames.root
    if output.labels and path.is_file():
        return path.with_name(f"{path.stem}_frames")
    if path.is_file():
        suffix = path.suffix.lower() if path.suffix.lower() in KEPT_SUFFIXES else ".jpg"
        if isinstance(frames, Video):
            suffix = ".mp4"
        if not output.pictures:
            suffix = getattr(FORMS[output.form], "suffix", "")
        return path.with_name(f"{path.stem}_pose{suffix}")
    root = (frames.root if isinstance(frames, ImageFiles) else path).resolve()
    if not root.is_dir() or not root.name:
        raise UserError(f"there is no place beside {source} where the results could go: give --out")
    return root.with_name(f"{root.name}_pose")


Writer = ImageWriter | VideoWriter | NoPictures


def writers_for(source: ImageFiles | Video, out: str | Path, output: Output = PLAIN,
                inputs: Sequence[str | Path] = ()) -> tuple[Writer, Results | OpenPoseFiles]:
    """Where pictures and results go. Raises UserError or OSError if `out` cannot take them.

    inputs: files that are read besides the source.
    """
    out = Path(out)
    if not output.pictures:
        writer: Writer = NoPictures(source, out, output.form)
    elif isinstance(source, Video):
        writer = VideoWriter(source, out, output.codec)
    else:
        writer = ImageWriter(source, out)
    return writer, FORMS[output.form](writer.results_base, source, inputs)


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
