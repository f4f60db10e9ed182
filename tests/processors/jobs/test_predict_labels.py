"""`predict --labels`: the command, and the loop predict, correct, import, train."""
import json
import re

import pytest

import main
from datasets.annotations.skeleton import load_skeleton
from processors.prediction.frame_sources import open_source
from tests.processors.labelling.corrections import corrected
from tests.processors.labelling.drawn_people import (
    FORMS,
    NAMES,
    assert_alike,
    draw_pictures,
    labels_in,
    source_of,
)
from tests.processors.pose_checkpoints import small_config, write_checkpoint
from tests.processors.prediction.videos import write_video


def predict(weights, *words) -> int:
    return main.main(["predict", *map(str, words), "--weights", str(weights), "gpus=",
                      "val.flip_test=false"])


def boxes_of(root, path):
    """A file of boxes: one in each picture, two in the second."""
    names = open_source(str(root)).names
    path.write_text(json.dumps([
        {"image_id": number, "file_name": name, "category_id": 1, "score": 0.9,
         "bbox": [10 + 50 * place, 10, 40, 70]} for number, name in enumerate(names)
        for place in range(1 + (name == "a b.png")) if name != "empty.png"]))
    return path


@pytest.mark.parametrize("form", FORMS)
def test_the_loop_predict_correct_import_train(form, weights, tmp_path, capsys):
    """Pictures that nobody has labelled end as steps of training, word by word as docs/own_data.md
    has it."""
    root = draw_pictures(tmp_path / "photos")
    boxes = boxes_of(root, tmp_path / "boxes.json")
    assert predict(weights, root, "--labels", form, "--boxes", boxes, "--threshold", 0) == 0
    read = ["import", "--from", form, str(source_of(form, root)), "--skeleton", "coco", "--out"]
    assert main.main([*read, str(tmp_path / "before.json")]) == 0
    labels = labels_in(json.loads((tmp_path / "before.json").read_text()))
    assert [len(labels[name]) for name in NAMES] == [1, 2, 1, 0]
    wanted = corrected(form, root, load_skeleton("coco"), labels)
    assert main.main([*read, str(tmp_path / "after.json")]) == 0
    assert_alike(labels_in(json.loads((tmp_path / "after.json").read_text())), wanted, 0.011)
    values = {f"data.{part}_{key}": place for part in ("train", "val")
              for key, place in (("ann_path", tmp_path / "after.json"), ("img_root", root))}
    values |= {"data.synthetic_train": 0, "data.synthetic_val": 0, "data.batch_size": 2,
               "data.num_workers": 0, "optim.epochs": 1, "optim.warmup_epochs": 0,
               "val.weight_path": tmp_path / "weights", "codec.input_size": [64, 96]}
    assert main.main(["train", "configs/quickstart.yaml",
                      *(f"{key}={value}" for key, value in values.items())]) == 0
    assert (tmp_path / "weights" / "quickstart_last.pth").is_file()


def test_labels_of_a_folder_of_videos(weights, tmp_path):
    games = tmp_path / "games"
    (games / "b").mkdir(parents=True)
    write_video(games / "a.mp4", 4), write_video(games / "b" / "c.mkv", 3)
    assert predict(weights, games, "--labels", "coco", "--every", 2, "--out", tmp_path / "out") == 0
    names = sorted(path.relative_to(tmp_path / "out").as_posix()
                   for path in (tmp_path / "out").rglob("*.*"))
    assert names == ["a.json", "a_000000.jpg", "a_000002.jpg", "b/c.json", "b/c_000000.jpg",
                     "b/c_000002.jpg"]
    content = json.loads((tmp_path / "out" / "b" / "c.json").read_text())
    assert [row["file_name"] for row in content["images"]] == ["c_000000.jpg", "c_000002.jpg"]


def test_labels_of_a_video_go_beside_it_and_nothing_is_drawn(weights, tmp_path, capsys):
    write_video(tmp_path / "walk.mp4", 3)
    assert predict(weights, tmp_path / "walk.mp4", "--labels", "yolo") == 0
    assert sorted(path.name for path in (tmp_path / "walk_frames").iterdir()) == [
        "data.yaml", "walk_000000.jpg", "walk_000000.txt"]
    assert not list(tmp_path.glob("*.jsonl"))
    assert re.search(r"1 person in 1 frame, .*: the pictures in .*walk_frames and their labels",
                     capsys.readouterr().out)


def test_a_picture_that_cannot_be_read_has_no_label(weights, tmp_path):
    root = draw_pictures(tmp_path / "photos", ["1.png"])
    (root / "2.png").write_bytes(b"no picture")
    assert predict(weights, root, "--labels", "labelme") == 0
    assert sorted(path.name for path in root.iterdir()) == ["1.json", "1.png", "2.png"]


def test_the_class_is_that_of_the_settings(tmp_path):
    weights = write_checkpoint(tmp_path / "x.pth", small_config())
    root = draw_pictures(tmp_path / "photos", ["1.png"])
    assert predict(weights, root, "--labels", "labelme", "data.category=dancer") == 0
    assert json.loads((root / "1.json").read_text())["shapes"][0]["label"] == "dancer"


def test_words_that_do_not_go_with_labels(weights, tmp_path, capsys):
    root = draw_pictures(tmp_path / "photos", ["1.png"])
    for words, text in (
            (("--labels", "cvat", "--smooth", "--format", "csv"), "leave --format, --smooth out"),
            (("--every", 3), "--every belongs to --labels"),
            (("--labels", "cvat", "--every", -1), "--every is -1; write 1 for all frames"),
            (("--labels", "coco", "--out", root / "1.png" / "x"), "1.png is a file")):
        assert predict(weights, root, *words) == 2
        assert text in capsys.readouterr().err
    assert predict(weights, "http://127.0.0.1:9/a.jpg", "--labels", "coco", "--out", tmp_path) == 2
    assert "want the pictures at hand" in capsys.readouterr().err
    assert [path.name for path in root.iterdir()] == ["1.png"]
