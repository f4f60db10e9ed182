"""The command predict: sources, what it writes, and what stays after signals and bad input."""
import json
import os
import signal
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import main
import processors.jobs.predict as predict_module
from processors.detection.person_detector import Detections
from processors.jobs.predict import predict_frames
from processors.pose_predictor import PosePredictor
from processors.prediction.frame_sources import open_source
from processors.prediction.frame_writers import Output, writers_for
from processors.prediction.person import Person
from tests.processors.prediction.videos import FPS, HEIGHT, WIDTH, played
from utils.errors import UserError


class Walker:
    """Stands for a detector: one person who walks two pixels a frame; a signal at a frame."""

    def __init__(self, signal_at=None):
        self.frames, self.signal_at = 0, signal_at

    def prepare(self, image):
        return image

    def find(self, images):
        found = []
        for _ in images:
            if self.frames == self.signal_at:
                os.kill(os.getpid(), signal.SIGTERM)
            found.append(Detections(np.float32([[5 + 2 * self.frames, 10, 20, 40]]),
                                    np.float32([1])))
            self.frames += 1
        return found


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "photos"
    (root / "more").mkdir(parents=True)
    for name in ("a.png", "b.jpg", "more/a.webp"):
        cv2.imwrite(str(root / name), np.full((30, 40, 3), 90, np.uint8))
    cv2.imwrite(str(root / "deep.png"), np.full((30, 40), 9000, np.uint16))
    cv2.imwrite(str(root / "alpha.png"), np.full((30, 40, 4), 90, np.uint8))
    return root


def run(source, out, model, detector=None, smooth=False, **output):
    frames, look = open_source(str(source)), Output(**output)
    predict_frames(frames, writers_for(frames, out, look),
                   PosePredictor(model, detector, flip_test=False), smooth, look)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_folder(folder, tmp_path, model, capfd):
    out = tmp_path / "new" / "out"
    run(folder, out, model)
    rows = lines(out / "results.jsonl")
    assert [row["image"] for row in rows] == ["a.png", "alpha.png", "b.jpg", "deep.png",
                                              "more/a.webp"]
    person, = rows[0]["people"]
    assert person["box"] == [0, 0, 40, 30] and np.shape(person["keypoints"]) == (17, 3)
    assert "id" not in person
    for name in ("a.png", "alpha.png", "b.jpg", "deep.png", "more/a.webp.jpg"):
        assert cv2.imread(str(out / name)).shape == (30, 40, 3)
    assert len(list(out.rglob("*.*"))) == 6     # no temporary file is left
    assert "WARN" not in capfd.readouterr().err     # OpenCV's, of settings a format does not have


def test_one_image_into_a_file_and_a_pattern(folder, tmp_path, model):
    run(folder / "a.png", tmp_path / "x" / "drawn.jpg", model, legend=True)
    assert cv2.imread(str(tmp_path / "x" / "drawn.jpg")).shape == (30, 40, 3)
    assert len(lines(tmp_path / "x" / "drawn.jsonl")) == 1
    run(f"{folder}/**/*.[wj]*", tmp_path / "y", model)
    assert [row["image"] for row in lines(tmp_path / "y" / "results.jsonl")] == [
        "b.jpg", "more/a.webp"]


def test_a_phones_picture_is_turned_upright(tmp_path):
    path, exif = tmp_path / "phone.jpg", Image.Exif()
    exif[0x0112] = 6        # orientation: to be turned by 90 degrees
    Image.new("RGB", (80, 30)).save(path, exif=exif)
    frame, = open_source(str(path))
    assert frame.pixels.shape == (80, 30, 3)


def test_broken_images_are_said_and_the_others_are_done(folder, tmp_path, model, monkeypatch):
    said = []
    monkeypatch.setattr(predict_module.log, "warning", lambda text, *words: said.append(
        text % words))
    (folder / "b.jpg").write_bytes(b"no image")
    run(folder, tmp_path / "out", model)
    rows = lines(tmp_path / "out" / "results.jsonl")
    assert "b.jpg" in rows[2]["error"] and "people" not in rows[2]
    assert len(said) == 1 and said[0].startswith("1 of them could not be read: image")
    assert (tmp_path / "out" / "deep.png").exists() and not (tmp_path / "out" / "b.jpg").exists()
    with pytest.raises(ValueError, match="none of the 1 pictures can be read; first: .*b.jpg"):
        run(folder / "b.jpg", tmp_path / "out2", model)


@pytest.mark.parametrize("smooth", [False, True])
def test_a_video(video, tmp_path, model, smooth):
    run(video, tmp_path / "out", model, Walker(), smooth=smooth, legend=True)
    path = tmp_path / "out" / "walk.mp4"
    frames = played(path)
    assert len(frames) == 20 and frames[0].shape == (HEIGHT, WIDTH, 3)
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS) == pytest.approx(FPS)
    rows = lines(path.with_suffix(".jsonl"))
    assert [row["frame"] for row in rows] == list(range(20))
    assert rows[5]["seconds"] == pytest.approx(5 / FPS)
    assert {person.get("id", 0) for row in rows for person in row["people"]} <= {1, None}
    assert all(len(row["people"]) == 1 for row in rows)
    assert not list(path.parent.glob("*.part*"))


def test_who_has_no_id_yet_is_not_drawn_in_a_video(model):
    """Or those seen for a moment, with a low score, would flicker."""
    frame, predictor = np.zeros((60, 80, 3), np.uint8), PosePredictor(model)
    new = Person(np.full((17, 2), 30, np.float32), np.ones(17, np.float32),
                 np.float32([10, 10, 40, 40]), 0.1)
    for person, is_video, drawn in ((new, True, False), (new, False, True),
                                    (replace(new, id=1), True, True)):
        picture = predict_module._picture(frame, [person], predictor, is_video, Output())
        assert picture.any() == drawn


def test_odd_sizes_and_a_name_for_the_video(tmp_path, model):
    path = tmp_path / "odd.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (51, 33))
    for _ in range(3):
        writer.write(np.zeros((33, 51, 3), np.uint8))
    writer.release()
    run(path, tmp_path / "x.mp4", model)
    assert [frame.shape for frame in played(tmp_path / "x.mp4")] == [(32, 50, 3)] * 3


def test_a_signal_leaves_a_playable_video(video, tmp_path, model):
    walker = Walker(signal_at=11)
    with pytest.raises(SystemExit) as stopped:
        run(video, tmp_path / "out", model, walker)
    assert stopped.value.code == 128 + signal.SIGTERM
    assert walker.frames == 11      # it does not wait for those that are being looked at
    assert len(lines(tmp_path / "out" / "walk.jsonl")) == 8     # the portion before
    assert len(played(tmp_path / "out" / "walk.mp4")) == 8


def test_a_signal_before_the_first_frames_names_no_file(video, tmp_path, model, monkeypatch):
    said = []
    monkeypatch.setattr(predict_module.log, "info", lambda text, *_: said.append(text))
    with pytest.raises(SystemExit):
        run(video, tmp_path / "out", model, Walker(signal_at=2))
    assert said == ["stopped by a signal before anything was predicted"]
    assert not (tmp_path / "out" / "walk.mp4").exists()


def test_an_error_leaves_what_was_written(video, tmp_path, model):
    class Failing(Walker):
        def find(self, images):
            if self.frames >= 8:
                raise ValueError("the detector is broken")
            return super().find(images)

    with pytest.raises(ValueError, match="the detector is broken"):
        run(video, tmp_path / "out", model, Failing())
    assert len(lines(tmp_path / "out" / "walk.jsonl")) == 8
    assert len(played(tmp_path / "out" / "walk.mp4")) == 8


def test_frames_that_cannot_be_decoded_are_counted(video, tmp_path, model, monkeypatch):
    class Torn:
        """A capture whose frames 0 and 7 are damaged and which ends 3 frames early."""

        def __init__(self, source):
            self.real, self.number = cv2_capture(source), -1

        def grab(self):
            self.number += 1
            return self.number < 17 and self.real.grab()

        def retrieve(self):
            done, pixels = self.real.retrieve()
            return (False, None) if self.number in (0, 7) else (done, pixels)

        def __getattr__(self, name):
            return getattr(self.real, name)

    cv2_capture, said = cv2.VideoCapture, []
    monkeypatch.setattr(predict_module.log, "warning", lambda text, *words: said.append(
        text % words if words else text))
    with monkeypatch.context() as patch:
        patch.setattr(cv2, "VideoCapture", Torn)
        frames = open_source(str(video))
        writer = writers_for(frames, tmp_path / "out")
    predict_frames(frames, writer, PosePredictor(model, Walker(), flip_test=False))
    assert said[0].startswith("2 of them could not be read: frame 0 cannot be decoded; frame 7")
    assert "counts 20 frames and gave 17" in said[1]
    rows = lines(tmp_path / "out" / "walk.jsonl")
    assert len(rows) == 17 and [row["frame"] for row in rows if "error" in row] == [0, 7]
    assert len(played(tmp_path / "out" / "walk.mp4")) == 17


# ---- the command line --------------------------------------------------------------------------

def refusal(words, capsys) -> str:
    assert main.main([str(word) for word in words]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1, err
    return err


def test_bad_input_is_one_sentence(folder, video, weights, tmp_path, capsys):
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty").mkdir()
    out, rest = tmp_path / "out", ("--weights", weights, "--out", tmp_path / "out")
    for words, source, *more in [
            ("does not exist: give an image", tmp_path / "none.jpg", *rest),
            ("no video that OpenCV can read", tmp_path / "text.mp4", *rest),
            ("holds no images", tmp_path / "empty", *rest),
            ("no image file fits", tmp_path / "*.gif", *rest),
            ("there is no camera 97", "97", *rest),
            ("no weights file", folder, "--weights", tmp_path / "no.pth", "--out", out),
            ("would overwrite the source", folder, "--weights", weights, "--out", folder),
            ("would be overwritten, which", video, "--weights", weights, "--out", video.parent),
            ("give a folder", folder, "--weights", weights, "--out", tmp_path / "x.jpg"),
            ("is written as .mp4", video, "--weights", weights, "--out", tmp_path / "x.avi"),
            ("walk.mp4 is a file, and a folder is to be there", folder, "--weights", weights,
             "--out", video / "x"),
            ("--smooth is for videos", folder, *rest, "--smooth"),
            ("no.pt", folder, *rest, f"detector.weights={tmp_path}/no.pt"),
            ("no YOLOv5 network", folder, *rest, f"detector.weights={weights}"),
            ("no key modl", folder, *rest, "modl.name=x"),
            ("needs a source before its settings", "seed=1", *rest)]:
        assert words in refusal(["predict", source, *more], capsys)
    assert not list(out.glob("*")) and played(video)


@pytest.mark.parametrize("name", ["b.png", "results.jsonl"])
def test_pictures_and_results_of_others_stay(folder, weights, tmp_path, capsys, name):
    """A copy of the images as --out, for instance; what predict made it makes again."""
    out = tmp_path / "out"
    words = ["predict", folder, "--weights", weights, "--out", out, "gpus=", "val.flip_test=false"]
    for _ in range(2):
        assert main.main([str(word) for word in words]) == 0
    picture = sorted(path for path in out.rglob("*") if path.is_file())[0]
    foreign = picture if name == "b.png" else out / name
    foreign.write_bytes(b"my own picture")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert f"{foreign} is there already" in refusal(words, capsys)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_nothing_is_written_through_links(video, model, tmp_path):
    """results.jsonl, the video and what it grows in."""
    out, victim = tmp_path / "out", tmp_path / "victim"
    out.mkdir()
    victim.write_bytes(b"")
    for name in ("walk.jsonl", "walk.mp4", f"walk.mp4.{os.getpid()}.simplepose.tmp.mp4"):
        (out / name).symlink_to(victim)
    frames = open_source(str(video))
    for name in ("walk.mp4", "walk.jsonl"):
        with pytest.raises(UserError, match=f"--out: .*/{name} is a link, and nothing is written"):
            writers_for(frames, out)
        (out / name).unlink()
    predictor = PosePredictor(model, Walker(), flip_test=False)
    predict_frames(frames, writers_for(frames, out), predictor)
    assert victim.read_bytes() == b""
    assert len(lines(out / "walk.jsonl")) == len(played(out / "walk.mp4")) == 20
    assert sorted(path.name for path in out.iterdir()) == ["walk.jsonl", "walk.mp4"]
    frames = open_source(str(video))
    writers_for(frames, out)         # both are ours


def test_the_device_is_the_first_of_gpus_whatever_the_batch(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(predict_module, "find_devices", lambda gpus: asked.append(gpus) or gpus)
    yaml = tmp_path / "net.yaml"
    yaml.write_text("gpus: [2, 0]\ndata: {batch_size: 5}\n")
    assert predict_module.choose_device(["gpus=0,1,2"]) == 0
    assert predict_module.choose_device(["seed=1"], yaml) == 2
    assert predict_module.choose_device(["gpus=1"], yaml) == 1
    assert asked == [(0, 1, 2), (2, 0), (1,)]
    for count in range(1, 20):
        words = [f"gpus={','.join(map(str, range(count)))}"] + [f"gpus={[*range(count)]}"]
        assert [predict_module.choose_device([word]) for word in words] == [0, 0]


def test_a_start_that_fails_leaves_no_folder(folder, weights, tmp_path, monkeypatch):
    out = tmp_path / "out" / "deeper"
    words = ["predict", str(folder), "--weights", str(weights), "--out", str(out), "gpus="]
    assert main.main([*words, "model.num_joints=3"]) == 2
    assert not out.parent.exists()
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(PosePredictor, "each", full)
    with pytest.raises(ValueError, match="GPU is out of memory .* gpus= to compute on the CPU"):
        predict_module.predict(str(folder), weights, out, overrides=["gpus="])


def test_the_command_from_end_to_end(folder, weights, tmp_path):
    out = tmp_path / "out"
    assert main.main(["predict", str(folder), "--weights", str(weights), "--out", str(out),
                      "val.flip_test=false", "gpus="]) == 0
    assert len(lines(out / "results.jsonl")) == 5


@pytest.mark.slow
def test_the_basketball_video_with_both_real_networks(shared, tmp_path):
    """Two players; one of them is hidden for two seconds and comes back as somebody new."""
    pytest.importorskip("onnxruntime")
    data = shared / "data"
    yaml = tmp_path / "net.yaml"
    yaml.write_text("codec: {input_size: [192, 256], sigma: 2}\n"
                    f"detector: {{weights: {data}/weights/yolov5n.pt}}\n")
    assert main.main(["predict", f"{data}/videos/basketball_mmaction2.mp4", "--weights",
                      f"{data}/weights/ultralight_simplepose_256x192.onnx", "--config", str(yaml),
                      "--out", str(tmp_path), "--smooth", "val.flip_test=false"]) == 0
    rows = lines(tmp_path / "basketball_mmaction2.jsonl")
    assert len(rows) == len(played(tmp_path / "basketball_mmaction2.mp4")) == 300
    seen = [person["id"] for row in rows for person in row["people"] if person["id"]]
    common = sorted(set(seen), key=seen.count)[-3:]
    assert len(seen) > 450 and len(set(seen)) <= 5
    assert sum(seen.count(number) for number in common) > 0.95 * len(seen)
