"""The command predict beside its threads: the same results, the same errors, live pictures."""
import json
import os
import shutil
import signal
import threading
import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

import main
import processors.jobs.predict as predict_module
from processors.detection.person_detector import Detections
from processors.jobs.predict import predict_frames
from processors.pose_predictor import PosePredictor
from processors.pose_tracking.video_people import VideoPeople
from processors.prediction.frame import Frame
from processors.prediction.frame_sources import open_source
from processors.prediction.frame_writers import ImageWriter, writers_for
from processors.prediction.video_source import Video
from processors.runtime.parallel import OneProcess
from processors.runtime.stop import StopRequest
from tests.processors.prediction.videos import played, set_durations, write_video

ROUNDED = 0.011     # pixels: results have hundredths


class Crowd:
    """Stands for a detector: 0 to 3 people by the brightness of a frame."""

    def prepare(self, image):
        return image

    def find(self, images):
        counts = [int(image.mean()) // 12 % 4 for image in images]
        return [Detections(np.float32([[5 + 25 * i, 10, 20, 40] for i in range(count)]
                                      ).reshape(-1, 4), np.full(count, 0.9, np.float32))
                for count in counts]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_results_are_those_of_one_frame_at_a_time(tmp_path, model):
    """Frames, ids, smoothing and people, but for the last bits that the batch's size changes."""
    video = str(write_video(tmp_path / "walk.mp4", 10))
    predictor, frames = PosePredictor(model, Crowd(), flip_test=False), open_source(video)
    predict_frames(frames, writers_for(frames, tmp_path / "out"), predictor, smooth=True)
    rows, tracked = lines(tmp_path / "out" / "walk.jsonl"), VideoPeople(predictor.skeleton, True)
    for row, frame in zip(rows, open_source(video), strict=True):
        people = tracked.update(predictor(frame.pixels), frame.seconds)
        assert row["frame"] == frame.number
        assert row["seconds"] == pytest.approx(frame.seconds, abs=1e-4)
        assert [person["id"] for person in row["people"]] == [person.id for person in people]
        for found, person in zip(row["people"], people, strict=True):
            joints = np.array(found["keypoints"])
            assert np.abs(joints[:, :2] - person.keypoints).max() < ROUNDED
            assert np.abs(joints[:, 2] - person.scores).max() < 1e-3
    assert len({len(row["people"]) for row in rows}) == 4


@pytest.mark.parametrize("at_once, device, threads", [
    (1, "cuda", (True, True, True)), (4, "cpu", (False, True, True)),
    (4, "cuda", (False, False, True))])
def test_who_works_in_the_main_thread(at_once, device, threads):
    """Reading, the detector, the pose network. Nothing reads ahead of a live picture."""
    in_main: dict[str, set[bool]] = {}

    def here(name):
        in_main.setdefault(name, set()).add(
            threading.current_thread() is threading.main_thread())

    class Source:
        def __init__(self):
            self.at_once, self.read = at_once, 0

        def __iter__(self):
            for number in range(9):
                here("reading")
                self.read += 1
                yield Frame(number, 0.0, "", None if number == 4 else np.zeros((4, 4, 3), np.uint8))

    def find(images):
        here("detector")
        return ["found"] * len(images)

    def each(images, boxes):
        here("pose")
        assert boxes == (["found"] * len(images) if images else None)
        return [["a person"]] * len(images)

    source = Source()
    predictor = SimpleNamespace(model=SimpleNamespace(device=torch.device(device)), detector=True,
                                find=find, each=each)
    before, numbers = threading.active_count(), []
    for portion in predict_module._predicted(source, predictor, StopRequest(OneProcess(())), None):
        for frame, people in portion:
            assert people == ([] if frame.number == 4 else ["a person"])
            numbers.append(frame.number)
        assert at_once > 1 or source.read == len(numbers)
    assert numbers == list(range(9)) and threading.active_count() == before
    assert [in_main[name] for name in ("reading", "detector", "pose")] == [
        {one} for one in threads]


def test_a_full_disk_is_an_error_and_what_was_written_stays(tmp_path, model, monkeypatch):
    folder, real = tmp_path / "photos", ImageWriter.write
    folder.mkdir()
    for number in range(40):
        cv2.imwrite(str(folder / f"{number:02}.jpg"), np.full((30, 40, 3), number, np.uint8))

    def full(self, frame, picture):
        if frame.number == 5:
            raise OSError("No space left on device")
        real(self, frame, picture)

    monkeypatch.setattr(ImageWriter, "write", full)
    frames, before = open_source(str(folder)), threading.active_count()
    with pytest.raises(OSError, match="No space left"):
        predict_frames(frames, writers_for(frames, tmp_path / "out"),
                       PosePredictor(model, flip_test=False))
    assert len(lines(tmp_path / "out" / "results.jsonl")) == 6
    assert len(list((tmp_path / "out").glob("*.jpg"))) == 5
    assert threading.active_count() == before


def test_the_rate_of_a_video_does_not_depend_on_how_far_it_is_read(tmp_path):
    """The reader is ahead of the writer, which asks for it at the first picture."""
    path = write_video(tmp_path / "walk.mp4", 20)
    set_durations(path, [(12, 0.08), (8, 0.02)])
    video = Video(str(path))
    rates = [video.rate for frame in video if frame.number >= video.at_once - 1]
    assert len(rates) == 13 and len(set(rates)) == 1


def test_the_number_of_frames_tells_what_is_worth_measuring(weights, tmp_path, monkeypatch):
    asked, video = [], write_video(tmp_path / "walk.mp4", 7)
    monkeypatch.setattr(predict_module, "made_fast",
                        lambda model, *rest: asked.append(rest) or model)
    words = ["predict", str(video), "--weights", str(weights), "--out", str(tmp_path / "out"),
             "gpus=", "val.flip_test=false"]
    assert main.main([*words, "--no-pictures", "--engine", "eager", "optim.amp=false"]) == 0
    assert asked.pop() == ("eager", ["val.flip_test=false", "optim.amp=false"], 7)
    assert main.main([*words, "--labels", "coco", "--every", "3"]) == 0
    assert asked.pop() == ("", ["val.flip_test=false"], 3)
    (tmp_path / "videos").mkdir()
    for name in "ab":
        shutil.copy(video, tmp_path / "videos" / f"{name}.mp4")
    words[1], words[5] = str(tmp_path / "videos"), str(tmp_path / "of videos")
    assert main.main([*words, "--no-pictures"]) == 0 and asked.pop()[-1] == 14
    assert main.main([*words, "--labels", "coco", "--every", "3"]) == 0 and asked.pop()[-1] == 6
    (tmp_path / "videos" / "c.mp4").write_bytes(b"no video")      # what is not known is not many
    assert main.main([*words, "--no-pictures"]) == 0 and asked.pop()[-1] == 0


def test_an_error_of_the_last_write_is_not_lost_by_a_signal(video, tmp_path, model, monkeypatch):
    """A full disk, told while the frames behind are predicted."""
    class Signalled(Crowd):
        calls = 0

        def find(self, images):
            self.calls += 1
            if self.calls == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().find(images)

    def full(*_):
        time.sleep(0.2)
        raise OSError("No space left on device")

    frames = open_source(str(video))
    writers = writers_for(frames, tmp_path / "out")
    monkeypatch.setattr(type(writers[1]), "add", full)
    with pytest.raises(OSError, match="No space left"):
        predict_frames(frames, writers, PosePredictor(model, Signalled(), flip_test=False))


def test_pictures_are_written_in_the_order_of_their_frames(video, tmp_path, model):
    class Nobody(Crowd):
        def find(self, images):
            return super().find([np.zeros((1, 1))] * len(images))

    frames = open_source(str(video))
    predict_frames(frames, writers_for(frames, tmp_path / "out"), PosePredictor(model, Nobody()))
    means = [np.median(picture) for picture in played(tmp_path / "out" / "walk.mp4")]
    assert len(means) == 20 and (np.diff(means) > 0).all()
