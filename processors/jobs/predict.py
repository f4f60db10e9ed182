"""Skeletons on images, videos and camera pictures: `python main.py predict SOURCE`."""
import re
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from configs.loader import load_config, with_overrides
from configs.schema import Config, DetectorConfig
from nets.zoo.free_weights import free_detector, free_pose
from processors.engines.fastest import made_fast
from processors.jobs.at_hand import at_hand
from processors.labelling.forms import label_files
from processors.labelling.label_files import LabelFiles, ensure_upright
from processors.models.load_pose_model import load_pose_model
from processors.pose_predictor import PosePredictor
from processors.pose_tracking.video_people import VideoPeople
from processors.prediction.frame import Frame
from processors.prediction.frame_sources import ImageFiles, find_videos, open_source
from processors.prediction.frame_writers import PLAIN, Output, Writer, place_beside, writers_for
from processors.prediction.given_boxes import GivenBoxes, read_boxes
from processors.prediction.overlap import ahead, behind, in_portions
from processors.prediction.person import Person
from processors.prediction.results import TELL_VISIBILITY, OpenPoseFiles, Results
from processors.prediction.video_source import Video, is_address, stated_frames
from processors.prediction.video_writer import VideoWriter
from processors.runtime.parallel import OneProcess, find_devices
from processors.runtime.stop import Stopped, StopRequest
from processors.runtime.torch_errors import USE_CURES, torch_errors_named
from utils.draw import COLOURS, write_text
from utils.errors import UserError
from utils.log import LINE_SECONDS, bar, log, on_terminal, show_log

Outputs = tuple[Writer | LabelFiles, Results | OpenPoseFiles | LabelFiles]
NAMED_ERRORS = 5


@torch_errors_named(USE_CURES)
def predict(source: str, weights: str | Path | None = None, out: str | Path | None = None,
            config: str | Path | None = None, overrides: Sequence[str] = (), smooth: bool = False,
            fps: float = 0.0, boxes: str | Path | None = None,
            engine: str = "", output: dict[str, Any] | None = None) -> None:
    """`predict_frames` of a source, or of each video of a folder, by a file of weights, and by the
    boxes of a file or the detector of the settings, if they name one.

    weights: published ones that are free, and a detector with them, if not given. out: beside the
    source if not given. fps: images are a sequence of so many a second. engine: a key of ENGINES;
    if not given the fastest, where the source is long. output: of an Output. The device is that of
    gpus=..., else the first GPU if there is one, else the CPU. Raises UserError, FileNotFoundError
    or OSError before anything is written.
    """
    show_log()
    look = Output(**output or {})
    if look.labels and re.match("(?i)https?://", source):
        raise UserError(f"{source} is labelled in no tool, which want the pictures at hand: fetch "
                        f"it, and give the file")
    if is_address(source) and not source.lower().startswith("file:") and not out:
        place_beside(source, None, look)    # there is none, which is said before it is fetched
    with at_hand(source) as place:
        _predict(place, weights, out, config, overrides, smooth, fps, boxes, engine, look)


def _predict(source: str, weights: str | Path | None, out: str | Path | None,
             config: str | Path | None, overrides: Sequence[str], smooth: bool, fps: float,
             boxes: str | Path | None, engine: str, look: Output) -> None:
    """`predict` of a source that is at hand."""
    videos, skipped = find_videos(source)
    if videos:
        _ensure_for_videos(source, len(videos), out or "", fps, boxes)
    frames = None if videos else open_source(source, fps)
    if smooth and frames is not None and not frames.is_timed:
        raise UserError(f"--smooth is for videos and cameras, and {source} is none: leave it out, "
                        f"or write --fps N for images that follow each other")
    out = out or place_beside(source, frames, look)
    if frames is not None:
        frames, writers = _outputs(frames, out, look, [boxes] if boxes else [])
    others = [word for word in overrides if not word.startswith("gpus=")]
    model = load_pose_model(weights or _free_pose(), choose_device(overrides, config), config,
                            others)
    if model.config.model.visibility and look.form not in TELL_VISIBILITY:
        log.info("results in the form %s have no place for the visibility of joints, which stands "
                 "in those of %s", look.form, " and ".join(TELL_VISIBILITY))
    counts = [len(frames)] if frames is not None else [
        -(-stated_frames(path) // (look.every if look.labels else 1)) for path, _ in videos]
    model = made_fast(model, engine, others, sum(counts) if min(counts) else 0)
    if isinstance(frames, ImageFiles):
        frames = replace(frames, bits=model.config.data.bits)
    detector, given = model.config.detector, None
    if boxes and frames is not None:
        given = read_boxes(boxes, frames, model.config.data.category, detector.confidence,
                           model.config.data.exif)
        if isinstance(frames, ImageFiles):
            frames = replace(frames, stated=given.stated)
            if look.labels:
                ensure_upright(frames)
    elif not weights and detector == DetectorConfig():
        detector = _free_detector()
    elif detector == DetectorConfig():
        log.warning("no detector is given, so each picture is taken as one person: "
                    "detector.weights=yolov5s.pt or detector.type=torchvision finds people")
    predictor = PosePredictor(model, None if given or detector == DetectorConfig() else detector)
    if frames is not None:
        predict_frames(frames, writers, predictor, smooth, look, given)
        return
    failed = []
    for path, name in videos:       # one that cannot be read leaves the others alone
        try:
            frames = open_source(path, name=name)
            frames, writers = _outputs(frames, out, look)
            predict_frames(frames, writers, predictor, smooth, look)
            used = writers[0].codec if isinstance(writers[0], VideoWriter) else ""
            if used and not look.codec:     # the others need neither trial nor note
                look = replace(look, codec=used)
                log.info("the other videos are coded as %s, too", used)
        except UserError as error:
            failed.append(str(error))
            log.warning("%s", error)
    if skipped:
        log.warning("skipped beside the videos: %s", skipped)
    if len(failed) == len(videos):
        raise UserError(f"none of the {len(videos)} videos can be read; first: {failed[0]}")


def _outputs(frames: ImageFiles | Video, out: str | Path, look: Output,
             inputs: Sequence[str | Path] = ()) -> tuple[ImageFiles | Video, Outputs]:
    """What is to be looked at, and where the outcome goes. Raises UserError or OSError."""
    if not look.labels:
        return frames, writers_for(frames, out, look, inputs)
    files, frames = label_files(look.labels, frames, out, look.threshold, look.every)
    return frames, (files, files)


def _ensure_for_videos(source: str, count: int, out: str | Path, fps: float,
                       boxes: str | Path | None) -> None:
    """Raise UserError for what cannot be asked of several videos."""
    if fps or boxes:
        raise UserError(f"{source} has {count} videos, and --fps is for images and --boxes for one "
                        f"source: leave them out, or give one of the videos")
    if Path(out).suffix.lower() in (".mp4", ".json", ".jsonl", ".csv", ".xml"):
        raise UserError(f"--out is {out}, but {source} has {count} videos: give a folder")


def _free_pose() -> str:
    row = free_pose()
    log.info("no --weights are given: %s, under %s, finds the joints (%s)", row.name, row.licence,
             row.shown_ap)
    return row.name


def _free_detector() -> DetectorConfig:
    if row := free_detector():
        log.info("no detector is given: %s, under %s, finds the people (%s)", row.name,
                 row.licence, row.shown_ap)
        return DetectorConfig(weights=row.name)
    log.warning("each picture is taken as one person, its whole area as the box")
    return DetectorConfig()


def choose_device(overrides: Sequence[str], config: str | Path | None = None) -> torch.device:
    """The first of gpus=... or of the YAML's gpus, else the first GPU if there is one."""
    given = [word for word in overrides if word.startswith("gpus=")]
    if given:
        return find_devices(with_overrides(Config(), given, "the command line",
                                           one_device=True).gpus)[0]
    if config and (gpus := load_config(config, overrides, one_device=True).gpus):
        return find_devices(gpus)[0]
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def predict_frames(frames: ImageFiles | Video, writers: Outputs, predictor: PosePredictor,
                   smooth: bool = False, look: Output = PLAIN,
                   boxes: GivenBoxes | None = None) -> None:
    """Predict all frames; write the pictures and the results of each.

    Frames that cannot be read are counted and named, and have a JSON line with the reason. After
    Ctrl-C or SIGTERM, which does not wait for those that are being predicted, and after an error,
    what is written is whole: a video ends there. Raises UserError if no frame at all can be read,
    and Stopped (SystemExit) after a signal.
    """
    writer, results = writers
    with StopRequest(OneProcess(())) as stop, \
            results.opened(predictor.skeleton, predictor.model.config.data.category), \
            bar(None, "predicting", total=len(frames) or None) as progress:
        progress.unit = " frames"
        record = _Record(frames, writers, predictor, smooth, look, progress)
        try:
            with behind() as later, suppress(Stopped), \
                    closing(_predicted(frames, predictor, stop, boxes)) as portions:
                for portion in stop.watched(portions):
                    later(record.write, portion)
        finally:
            writer.close()
    done, people_count, errors = record.done, record.people, record.errors
    if stop.signal is not None and not done:
        log.info("stopped by a signal before anything was predicted")
        raise Stopped(128 + stop.signal)
    if done and len(errors) == done:
        raise UserError(f"none of the {done} pictures can be read; first: {errors[0]}")
    log.info("%d %s in %d %s%s, %.1f frames/s: %s and %s", people_count,
             "person" if people_count == 1 else "people", done,
             "frame" if frames.is_video else "image", "s" * (done != 1),
             done / (time.monotonic() - record.start), writer.shown, results.path)
    if errors:
        log.warning("%d of them could not be read: %s%s", len(errors),
                    "; ".join(errors[:NAMED_ERRORS]), "; ..." * (len(errors) > NAMED_ERRORS))
    of_boxes = boxes.notes(done) if boxes and stop.signal is None else []
    for note in [*frames.notes(), *writer.notes, *of_boxes]:
        log.warning(note)
    if stop.signal is not None:
        log.info("stopped by a signal; what is written until then is whole")
        raise Stopped(128 + stop.signal)


class _Record:
    """What is written of the frames, in their order, and counted."""

    def __init__(self, frames: ImageFiles | Video, writers: Outputs, predictor: PosePredictor,
                 smooth: bool, look: Output, progress: tqdm):
        self.frames, self.predictor, self.look = frames, predictor, look
        self.writer, self.results = writers
        self.tracked = VideoPeople(predictor.skeleton, smooth) if frames.is_timed else None
        self.progress, self.done, self.people, self.errors = progress, 0, 0, list[str]()
        self.said = self.start = time.monotonic()

    def write(self, portion: list[tuple[Frame, list[Person]]]) -> None:
        """The pictures and the results of frames with their people."""
        for frame, people in portion:
            if frame.pixels is None:
                self.errors.append(frame.error)
            elif self.tracked:
                people = self.tracked.update(people, frame.seconds)
            self.results.add(frame, people)
            self.writer.write(frame, _picture(frame.pixels, people, self.predictor,
                                              self.frames.is_timed, self.look)
                              if self.look.pictures and frame.pixels is not None else None)
            self.done, self.people = self.done + 1, self.people + len(people)
            self.progress.update()
            if not on_terminal() and time.monotonic() > self.said + LINE_SECONDS:
                self.said, count = time.monotonic(), len(self.frames)
                log.info("%d%s frames, %.1f frames/s", self.done, f" of {count}" * bool(count),
                         self.done / (self.said - self.start))


def _predicted(frames: ImageFiles | Video, predictor: PosePredictor, stop: StopRequest,
               boxes: GivenBoxes | None) -> Generator[
        list[tuple[Frame, list[Person]]], None, None]:
    """Frames with their people, some together for speed, until the end.

    The next ones are read in a thread meanwhile, but for live pictures, and on a GPU the detector
    looks for people in them in another.
    """
    def found(portion: list[Frame]) -> tuple[list[Frame], list[np.ndarray], list | None]:
        pixels = [frame.pixels for frame in portion if frame.pixels is not None]
        if boxes:
            return portion, pixels, [boxes.of(frame) for frame in portion
                                     if frame.pixels is not None]
        # without a detector each frame is a person
        return portion, pixels, predictor.find(pixels) if predictor.detector and pixels else None

    with ExitStack() as threads:
        read = takewhile(lambda _: not stop.asked(), frames)    # by the thread that reads ahead
        portions = in_portions(read, frames.at_once)
        if frames.at_once > 1:
            portions = threads.enter_context(ahead(portions))
        with_boxes: Iterator[tuple[list[Frame], list[np.ndarray], list | None]]
        with_boxes = map(found, portions)
        if frames.at_once > 1 and predictor.model.device.type == "cuda":
            with_boxes = threads.enter_context(ahead(with_boxes))
        for portion, pixels, given in with_boxes:
            people = iter(predictor.each(pixels, given))
            yield [(frame, [] if frame.pixels is None else next(people)) for frame in portion]


def _picture(pixels: np.ndarray, people: list[Person], predictor: PosePredictor, is_timed: bool,
             look: Output) -> np.ndarray:
    """Frame with skeletons. In a video those who have no id yet would only flicker."""
    shown = [person for person in people if person.id is not None or not is_timed]
    picture = predictor.draw(pixels, shown, look.threshold, look.line_width)
    if not look.legend:
        return picture
    labels = [f"{'' if person.id is None else f'{person.id}: '}{person.score:.2f}"
              for person in shown]
    return _with_legend(picture, np.array([person.box for person in shown]), labels)


def _with_legend(image: np.ndarray, boxes: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Write labels at the upper left corners of boxes (N, 4) xywh, and the key of the colours in
    the lower left corner, on a copy of `image` (H, W, 3) uint8 RGB."""
    canvas = np.ascontiguousarray(image).copy()
    scale = max(0.35, min(canvas.shape[:2]) / 1000)
    for (x, y), label in zip(np.asarray(boxes).reshape(-1, 4)[:, :2], labels, strict=True):
        write_text(canvas, label, x, y, scale)
    bottom = canvas.shape[0]
    for side in ("right", "left"):
        bottom -= write_text(canvas, f"{side} side", 0, bottom, scale, COLOURS[side])
    return canvas
