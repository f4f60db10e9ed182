"""Frames of a film as pictures in a folder, to be looked at, labelled or learned from."""
from pathlib import Path

from processors.prediction.frame_sources import VIDEO_SUFFIXES, find_videos
from processors.prediction.video_source import Video
from utils.errors import UserError
from utils.log import log
from utils.outputs import write_frame
from utils.rgb import encode_image
from utils.shown import counted


def films_of(source: str) -> list[tuple[str, str]]:
    """A film, or the films of a folder or pattern that has no pictures, each with its name; none
    where there are pictures, or annotations of such."""
    path = Path(source)
    if path.is_file():
        return [(source, path.stem)] if path.suffix.lower() in VIDEO_SUFFIXES else []
    return find_videos(source)[0]


def write_frames(films: list[tuple[str, str]], folder: Path, every: int) -> int:
    """Write the first and then each `every`-th frame of films (path, name) as
    `folder/NAME_000120.jpg`, by its number from 0; returns how many there are.

    A picture of the same name stays if it is the same, and ends the command if it is another one.
    Raises UserError for what cannot be read or written, and where no frame can be decoded.
    """
    total = 0
    for source, name in films:
        video, written, broken = Video(source, name), 0, 0
        video.thin_out(every)
        for frame in video:
            if frame.pixels is None:
                broken += 1
                continue
            path = (folder / name).with_name(frame.name)
            write_frame(path, encode_image(frame.pixels), "--frames")
            written += 1
        log.info("%s: %s of %d written to %s%s", source, counted(written, "frame"), video.done,
                 folder, f", {broken} could not be decoded" if broken else "")
        for note in video.notes():
            log.warning(note)
        total += written
    if not total:
        raise UserError(f"no frame of {films[0][0]} can be decoded: copy it again or convert it")
    return total
