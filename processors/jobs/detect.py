"""Detections of a whole set of images, for `val.boxes` or for others: `python main.py detect`."""
import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from configs.schema import Config
from datasets.crops.images import ImageError
from processors.detection.person_detector import (
    Detections,
    PersonDetector,
    Prepared,
    build_detector,
)
from processors.prediction.frame_files import films_of, write_frames
from processors.prediction.image_lists import Images, list_images
from processors.runtime.parallel import OneProcess, find_devices
from processors.runtime.stop import StopRequest
from processors.runtime.torch_errors import USE_CURES, torch_errors_named
from utils.errors import UserError
from utils.files import open_to_append
from utils.json_file import parse_json
from utils.log import LINE_SECONDS, bar, log, on_terminal, show_log
from utils.outputs import cannot_write, ensure_output, marked_json, write_output

PORTION = 32            # images that are detected, then written, at once
Reader = Callable[[], np.ndarray]       # of an image


@torch_errors_named(USE_CURES)
def detect(config: Config, images: str | Path, out: str | Path,
           img_root: str | Path | None = None, frames: Path | None = None,
           every: int = 10) -> list[dict]:
    """`detect_images` by the detector and on the first device of a Config. Of a film each
    `every`-th frame is written into the folder `frames` first, whose pictures are looked at."""
    show_log()
    ensure_output(Path(out), "detections", "--out", [images])       # a detector takes long to build
    films = films_of(str(images))
    if bool(films) != bool(frames):
        raise UserError(f"{images} is a film: give --frames FOLDER, where its frames become "
                        f"pictures to learn from" if films else
                        f"--frames is the folder for frames of a film, and {images} is none: leave "
                        f"it out, or give a film")
    if frames:
        if every < 1:
            raise UserError(f"--every is {every}: give a whole number from 1")
        write_frames(films, frames, every)
        images = frames
    detector = build_detector(config.detector, find_devices(config.gpus)[0])
    return detect_images(images, out, detector, img_root, workers=config.data.num_workers,
                         category=config.data.category, exif=config.data.exif,
                         bits=config.data.bits)


def detect_images(images: str | Path, out: str | Path, detector: PersonDetector,
                  img_root: str | Path | None = None, workers: int = 4,
                  category: str | int = "", exif: str = "default", bits: int = 0) -> list[dict]:
    """Find the people in many images and write them to `out` as a COCO results file.

    images: a COCO annotation file (then `img_root` is the folder of its images), or a folder,
    whose subfolders count. Image ids are those of the annotation file; in a folder the numbers
    that the files are called by, as in COCO, or else running numbers from 1 in the order of the
    names (then each row has `file_name`, too). workers: threads that read images. exif, bits: how
    they are read, see `read_image`.

    What is done stands in `{out}.part`; after a kill or Ctrl-C the same command goes on there
    and ends with the same file. Images that cannot be read are named and counted and have no
    rows. Returns the rows: image_id, category_id, bbox xywh in image pixels, score; `exif` where
    a picture has an EXIF orientation, "obey" or "ignore", as it was read.

    Raises UserError or FileNotFoundError where there is nothing to look at, where `{out}.part`
    is of another command, and where no image at all can be read.
    """
    out = Path(out)
    ensure_output(out, "detections", "--out", [images])
    listed = list_images(Path(images), Path(img_root) if img_root else None, category)
    if exif == "default" and not listed.stated:
        exif = "obey"       # nobody has labelled them: they are read as `predict` reads them
    log.info("detecting people in %d images; %s", len(listed.names), listed.about_ids)
    for note in listed.notes(exif):
        log.warning(note)
    part = Part(out.with_name(f"{out.name}.part"), {
        "images": hashlib.sha256(json.dumps(
            [listed.names, listed.ids, listed.stated, exif, bits]).encode()).hexdigest(),
        "detector": detector.identity()})
    _detect_rest(listed, detector, part, workers, exif, bits)
    rows = _rows(listed, part.found, exif)
    unreadable = [found for found in part.found if isinstance(found, str)]
    if len(unreadable) == len(listed.names):
        part.path.unlink()
        raise UserError(f"none of the {len(unreadable)} images can be read; first: "
                         f"{unreadable[0]}")
    write_output(out, marked_json(json.dumps(rows)).encode(), "--out")
    part.path.unlink()
    log.info("%d people in %d of %d images: %s", len(rows),
             len({row["image_id"] for row in rows}), len(listed.names), out)
    if unreadable:
        log.warning("%d images could not be read and have no detections: %s%s", len(unreadable),
                    "; ".join(unreadable[:10]), "; ..." if len(unreadable) > 10 else "")
    return rows


class Part:
    """What is done so far: JSON lines, first what it is of, then one for each portion.

    A portion is a list with an entry for each image: its people as [x, y, w, h, score], or the
    reason why it cannot be read.
    """

    def __init__(self, path: Path, of: dict[str, Any]):
        self.path, self.found = path, []
        header = f"{json.dumps(of)}\n".encode()
        text = path.read_bytes() if path.is_file() else b""
        lines = text[:text.rfind(b"\n") + 1].splitlines(keepends=True)   # a kill cuts the last
        if text and lines[:1] != [header]:
            raise UserError(f"{path} is what is left of a command with other images or another "
                             f"detector: run that one to its end, or remove the file")
        try:
            for line in lines[1:]:
                self.found += parse_json(line)
        except (ValueError, TypeError) as error:
            raise UserError(f"{path} is damaged ({error}): remove it to start over") from error
        write_output(path, b"".join(lines) or header, "--out")

    def add(self, portion: list) -> None:
        self.found += portion
        try:
            with open_to_append(self.path) as file:
                file.write(f"{json.dumps(portion)}\n".encode())
        except OSError as error:
            raise cannot_write(self.path, "--out", error) from error


def _detect_rest(listed: Images, detector: PersonDetector, part: Part, workers: int, exif: str,
                 bits: int) -> None:
    """Look at all images that `part` does not have; raises SystemExit after a signal."""
    done = len(part.found)
    if done:
        log.info("%d of them were done before: %s", done, part.path)
    readers = [partial(listed.read, number, exif, bits)
               for number in range(done, len(listed.names))]
    start = said = time.monotonic()
    with StopRequest(OneProcess(())) as stop, \
            bar(None, "detecting", total=len(listed.names)) as progress:
        progress.update(done)
        for portion in _portions(readers, detector, workers):
            part.add(portion)
            progress.update(len(portion))
            if stop.asked():
                stop.exit_run(part.path)
            now = time.monotonic()
            if not on_terminal() and now > said + LINE_SECONDS:
                said, count = now, len(part.found)
                log.info("%d of %d images, %.1f images/s", count, len(listed.names),
                         (count - done) / (now - start))


def _portions(readers: Sequence[Reader], detector: PersonDetector, workers: int) -> Iterator[list]:
    """The entries of `Part`, portion by portion.

    Portions begin at the same images after an interruption, too: which images go through the
    network together decides the last digits of its results.
    """
    ahead = _read_ahead(readers, detector, workers)
    for _ in range(0, len(readers), PORTION):
        images = list(islice(ahead, PORTION))
        people = iter(detector.find([image for image in images if not isinstance(image, str)]))
        yield [image if isinstance(image, str) else _plain(next(people)) for image in images]


def _read_ahead(readers: Sequence[Reader], detector: PersonDetector,
                workers: int) -> Iterator[Prepared | str]:
    """Images as the detector takes them, in order, read by threads while it works; the reason
    instead of those that cannot be read."""
    def load(read: Reader) -> Prepared | str:
        try:
            return detector.prepare(read())
        except ImageError as error:
            return str(error)

    waiting: deque = deque()
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        for read in readers:
            waiting.append(pool.submit(load, read))
            if len(waiting) > PORTION:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _plain(people: Detections) -> list[list[float]]:
    """[x, y, w, h, score] of each person, pixels to 1/100 and scores to five digits."""
    return [[*(round(float(number), 2) for number in box), round(float(score), 5)]
            for box, score in zip(people.boxes, people.scores, strict=True)]


def _rows(listed: Images, found: list, exif: str) -> list[dict]:
    rows = []
    for number, people in enumerate(found):
        if not people or isinstance(people, str):
            continue
        about = {"file_name": listed.names[number]} if listed.show_names else {}
        if read := listed.how_read(number, exif):
            about["exif"] = read
        rows += [{"image_id": listed.ids[number], "category_id": listed.category, "bbox": box,
                  "score": score, **about} for *box, score in people]
    return rows
