"""The command predict from end to end: several videos, sequences, given boxes, other results."""
import csv
import http.server
import json
import shutil
import threading

import cv2
import numpy as np
import pytest

import main
import processors.jobs.predict as predict_module
from tests.processors.prediction.videos import played, write_video
from tests.turned_pictures import store_turned
from utils.errors import UserError


@pytest.fixture
def predict(weights, tmp_path, monkeypatch):
    """Runs the command; gives its status, and the folder of what it wrote."""
    said = []
    monkeypatch.setattr(predict_module.log, "warning", lambda text, *words: said.append(
        text % words if words else text))

    def run(source, *words, out="out"):
        run.said = said
        status = main.main(["predict", str(source), "--weights", str(weights), "--out",
                            str(tmp_path / out), "gpus=", "val.flip_test=false",
                            *map(str, words)])
        return status, tmp_path / out
    return run


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / "photos"
    root.mkdir()
    for number in (1, 2, 10):
        cv2.imwrite(str(root / f"{number}.png"), np.full((60, 80, 3), 90, np.uint8))
    return root


def files(folder) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_folder_of_videos(predict, tmp_path):
    games = tmp_path / "games"
    (games / "b").mkdir(parents=True)
    write_video(games / "a.mp4", 4)
    write_video(games / "b" / "c.mkv", 3)
    (games / "bad.mov").write_bytes(b"no video")
    (games / "t.txt").write_bytes(b"text")
    status, out = predict(games)
    assert status == 0 and files(out) == ["a.jsonl", "a.mp4", "b/c.jsonl", "b/c.mp4"]
    assert len(played(out / "b" / "c.mp4")) == 3
    assert any("bad.mov is no image" in line for line in predict.said)
    assert "skipped beside the videos: 1 .txt" in predict.said
    assert sum("coded as mp4v" in line for line in predict.said) <= 1   # 0 if H.264 can be written
    assert predict(games, out="one.mp4")[0] == 2 and predict(games, "--fps", 3)[0] == 2
    (games / "a.mp4").unlink(), (games / "b" / "c.mkv").unlink()
    assert predict(games, out="none")[0] == 2


def test_people_of_a_sequence_have_ids_and_calm_joints(predict, photos, capsys):
    status, out = predict(photos, "--fps", 10, "--smooth")
    assert status == 0
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert [row["image"] for row in rows] == ["1.png", "2.png", "10.png"]
    assert all("id" in row["people"][0] for row in rows)
    assert files(out) == ["1.png", "10.png", "2.png", "results.jsonl"]
    assert predict(photos, "--smooth", out="more")[0] == 2
    assert "write --fps N for images" in capsys.readouterr().err


def test_results_do_not_take_the_place_of_the_boxes_they_come_from(predict, photos, tmp_path,
                                                                   capsys):
    words = [photos, "--no-pictures", "--format", "coco"]
    status, out = predict(*words)
    before = (out / "results.json").read_bytes()
    words += ["--boxes", out / "results.json"]
    assert status == 0 and predict(*words)[0] == 2
    assert "results.json would be overwritten, which the command reads" in capsys.readouterr().err
    assert (out / "results.json").read_bytes() == before
    assert predict(*words, out="new")[0] == 0


def test_boxes_of_a_file_and_numbers_only(predict, photos, tmp_path):
    boxes = tmp_path / "det.json"
    boxes.write_text(json.dumps([
        {"image_id": number, "category_id": 1, "bbox": [5, 5, 30, 40], "score": score}
        for number, score in ((2, 0.9), (10, 0.6), (10, 0.1))]))
    status, out = predict(photos, "--boxes", boxes, "--no-pictures", "--format", "coco")
    assert status == 0 and files(out) == ["results.json"]
    rows = json.loads((out / "results.json").read_text())
    assert [(row["image_id"], row["bbox"]) for row in rows] == [(10, [5, 5, 30, 40]),
                                                                (2, [5, 5, 30, 40])]
    assert not any("no detector is given" in line for line in predict.said)


def test_pictures_are_read_as_the_file_of_the_boxes_was_made(predict, photos, tmp_path):
    """By detect, of pictures as stored; without boxes they are upright."""
    store_turned(photos / "2.png", 6)
    boxes = tmp_path / "det.json"
    boxes.write_text(json.dumps([{"image_id": 2, "category_id": 1, "bbox": [5, 5, 30, 40],
                                  "score": 0.9, "exif": "ignore"}]))
    assert predict(photos, "--boxes", boxes)[0] == predict(photos, out="plain")[0] == 0
    shapes = [cv2.imread(str(tmp_path / out / "2.png")).shape for out in ("out", "plain")]
    assert shapes == [(80, 60, 3), (60, 80, 3)]


def test_boxes_of_frames_behind_the_last_are_said(predict, tmp_path):
    video, boxes = write_video(tmp_path / "a.mp4", 4), tmp_path / "det.json"
    boxes.write_text(json.dumps([{"image_id": number, "category_id": 1, "bbox": [5, 5, 30, 40],
                                  "score": 0.9} for number in (1, 2, 3, 4)]))
    assert predict(video, "--boxes", boxes)[0] == 0
    assert any("1 boxes are of frames behind the last, 3" in line for line in predict.said)


def test_a_detector_that_refuses_the_first_picture_leaves_no_file(predict, photos, monkeypatch):
    def refuse(*_):
        raise UserError("the detector gives nonsense")
    monkeypatch.setattr(predict_module.PosePredictor, "each", refuse)
    status, out = predict(photos, out="new/out")
    assert status == 2 and not out.parent.exists()


@pytest.fixture
def server(tmp_path):
    """Gives the files of a folder, without ranges; its address. What is live has no length."""
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *words):
            super().__init__(*words, directory=str(tmp_path))

        def send_header(self, name, value):
            if not (name == "Content-Length" and "live" in self.path):
                super().send_header(name, str(2 * int(value)) if name == "Content-Length"
                                    and "cut" in self.path else value)

        def log_message(self, *_):
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_file_at_an_address_is_a_file(predict, tmp_path, server, capsys):
    """A picture is turned, and a cut video and the loss of sound are said."""
    cv2.imwrite(str(tmp_path / "phone.png"), np.full((60, 80, 3), 90, np.uint8))
    store_turned(tmp_path / "phone.png", 6)
    write_video(tmp_path / "a b.mp4", 20)
    data = write_video(tmp_path / "sound.avi", 20, "MJPG").read_bytes()
    (tmp_path / "sound.avi").write_bytes(data[:len(data) * 7 // 10] + b"auds")
    assert predict(f"{server}/phone.png?size=1")[0] == 0
    assert cv2.imread(str(tmp_path / "out" / "phone.png")).shape == (60, 80, 3)
    for address in (f"{server}/a%20b.mp4", f"file://{tmp_path}/a%20b.mp4"):
        assert predict(address, out="b")[0] == 0
    assert [len(played(path)) for path in sorted((tmp_path / "b").glob("*.mp4"))] == [20, 20]
    assert all("no detector" in line or "coded as mp4v" in line for line in predict.said)
    assert predict(f"{server}/sound.avi", out="c")[0] == 0
    assert any("sound.avi was cut off" in line for line in predict.said)
    assert any("the sound is not in" in line for line in predict.said)
    shutil.copy(tmp_path / "a b.mp4", tmp_path / "cut.mp4")
    assert predict(f"{server}/cut.mp4", out="d")[0] == 2
    assert "/cut.mp4 broke off at" in capsys.readouterr().err


def test_what_has_no_length_is_a_stream(predict, tmp_path, server):
    write_video(tmp_path / "live.mkv", 5)
    assert predict(f"{server}/live.mkv")[0] == 0
    assert any("live.mp4 has no sound, for that of streams" in line for line in predict.said)


def test_an_address_without_a_place_for_the_results_is_refused_before_it_is_fetched(monkeypatch,
                                                                                   capsys):
    monkeypatch.setattr(predict_module, "at_hand", None)
    assert main.main(["predict", "http://127.0.0.1:9/a.mp4"]) == 2
    assert "there is no place beside http://127.0.0.1:9/a.mp4" in capsys.readouterr().err


def test_a_table_of_a_video_in_a_file(predict, tmp_path):
    video = write_video(tmp_path / "a.mp4", 4)
    status, out = predict(video, "--no-pictures", "--format", "csv", out="table.csv")
    rows = list(csv.DictReader(out.open()))
    assert status == 0 and [row["frame"] for row in rows] == ["0", "1", "2", "3"]
    assert rows[1]["seconds"] == "0.08" and "left_ankle_score" in rows[0]


def test_the_threshold_and_width_of_what_is_drawn(predict, photos, monkeypatch):
    asked = []
    monkeypatch.setattr(predict_module.PosePredictor, "draw", lambda self, pixels, people, *look: (
        asked.append(look) or pixels))
    assert predict(photos / "1.png")[0] == 0
    assert predict(photos / "1.png", "--threshold", 0.7, "--line-width", 9)[0] == 0
    assert asked == [(0.3, 0.0), (0.7, 9.0)]


def test_words_that_cannot_be_meant(predict, photos, capsys):
    for words, text in (
            (("--threshold", 2), "--threshold is 2.0; it must lie between 0 and 1"),
            (("--fps", -1), "--fps is -1.0"), (("--line-width", "nan"), "--line-width is nan"),
            (("--boxes", photos / "none.json"), "none.json (--boxes) does not exist")):
        assert predict(photos, *words)[0] == 2
        assert text in capsys.readouterr().err
    assert predict("http://127.0.0.1:9/live?a=b")[0] == 2
    assert "http://127.0.0.1:9/live?a=b gives no pictures" in capsys.readouterr().err
    assert predict("data.category=x")[0] == 2
    assert "needs a source before its settings" in capsys.readouterr().err
