"""`python main.py rank`: its page and its lists, of labels and of images without labels."""
import csv
import json
import re
from pathlib import Path

import cv2
import pytest
import torch

import main
from configs.loader import config_to_dict, load_config
from datasets.annotations.skeleton import load_skeleton, skeleton_to_dict
from datasets.synthetic.data_set import ensure_synthetic
from nets import build_net
from nets.files.weights_file import FORMAT
from tests.processors.drawn_sets import drawn_words, folder_of


def save_net(folder: Path, settings: list[str]) -> Path:
    torch.manual_seed(0)
    config = load_config(main.QUICKSTART, settings)
    ensure_synthetic(config.data, seed=0)
    net = build_net(config.model, input_size=config.codec.input_size, split=config.codec.split)
    torch.save({"format": FORMAT, "ema": net.state_dict(), "config": config_to_dict(config),
                "skeleton": skeleton_to_dict(load_skeleton("coco"))},
               folder / "quickstart_best.pth")
    return folder / "quickstart_best.pth"


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> list[str]:
    """The settings of a set of drawn people and of a network that has not learned anything."""
    folder = tmp_path_factory.mktemp("rank")
    settings = drawn_words(folder, "data.synthetic_train=4", "data.synthetic_val=9",
                           "optim.amp=false")
    save_net(folder, settings)
    return settings


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_labels_of_both_sets_are_ranked_and_the_page_needs_nothing_else(words, tmp_path, capsys):
    assert main.main(["rank", *words, "--out", str(tmp_path / "found")]) == 0
    said, found = capsys.readouterr().out, tmp_path / "found"
    assert "90% ellipses hold" in said and "labels that are odd: " in said
    assert {path.name for path in found.iterdir()} == {"images.csv", "labels.csv", "rank.html"}
    labels = table(found / "labels.csv")
    persons = {split: json.loads((folder_of(words) / split / "people.json").read_bytes())
               for split in ("train", "val")}
    for split, content in persons.items():
        assert ({int(row["annotation"]) for row in labels if row["set"] == split}
                == {row["id"] for row in content["annotations"] if any(row["keypoints"][2::3])})
    scores = [float(row["oddness"]) for row in labels]
    assert scores == sorted(scores, reverse=True)
    assert [int(row["place"]) for row in labels] == list(range(1, len(labels) + 1))
    images = table(found / "images.csv")
    assert {row["image"] for row in images} == {
        image["file_name"] for image in persons["val"]["images"]}
    page = (found / "rank.html").read_text(encoding="utf-8")
    assert "http" not in page and page.count("data:image/jpeg;base64,") == len(images) + sum(
        bool(row["what"]) for row in labels)
    assert "Labels to look at" in page and "Hard validation images" in page
    assert not re.search(r"\bnan\b|None", re.sub(r"base64,[^\"]+", "", page))
    assert main.main(["rank", *words, "--labels", "val", "--out", str(found)]) == 0
    assert {row["set"] for row in table(found / "labels.csv")} == {"val"}


def test_images_without_labels_are_named_for_labelling(words, tmp_path, capsys):
    images, boxes = folder_of(words) / "train" / "images", tmp_path / "boxes.json"
    people = json.loads((folder_of(words) / "train" / "people.json").read_bytes())
    boxes.write_text(json.dumps([
        {"image_id": row["image_id"], "category_id": 1, "bbox": row["bbox"], "score": 0.9}
        for row in people["annotations"]]))
    out = tmp_path / "found"
    out.mkdir()
    (out / "labels.csv").write_text("place,oddness,oks,set,image,annotation,\n")    # older
    assert main.main(["rank", *words, "--images", str(images), "--boxes", str(boxes), "--next", "2",
                      "--out", str(out)]) == 0
    comment, *names = (out / "next.txt").read_text().splitlines()
    rows = table(out / "images.csv")
    assert comment.startswith("#") and len(names) == 2 and not (out / "labels.csv").exists()
    assert {row["image"] for row in rows if row["next"]} == set(names)
    assert names == [rows[1]["image"], rows[2]["image"]]   # the middle of four
    assert sum(int(row["people"]) for row in rows) == len(people["annotations"])
    assert all((images / name).is_file() for name in names)
    page = (out / "rank.html").read_text(encoding="utf-8")
    assert "Images to label next" in page and "Labels to look at" not in page
    assert page.count("data:image/jpeg;base64,") == 2       # no others under that title
    assert re.search(r"(nose|eye|ear|shoulder|elbow|wrist|hip|knee|ankle) within \d+ px", page)


def test_without_boxes_and_detector_each_image_is_one_person(words, tmp_path, caplog):
    broken = tmp_path / "frames"
    broken.mkdir()
    source = folder_of(words) / "val" / "images"
    for number, path in enumerate(sorted(source.iterdir())[:3]):
        cv2.imwrite(str(broken / f"{number}.jpg"), cv2.imread(str(path)))
    (broken / "9.jpg").write_bytes(b"no image")
    assert main.main(["rank", *words, "--images", str(broken), "--out", str(tmp_path / "o")]) == 0
    assert [row["people"] for row in table(tmp_path / "o" / "images.csv")] == ["1"] * 3


def test_what_cannot_be_is_one_sentence(words, tmp_path, capsys, monkeypatch):
    def refusal(*more):
        assert main.main(["rank", *words, *more]) == 2
        return capsys.readouterr().err

    out = ["--out", str(tmp_path / "o")]
    assert "--boxes are those of people in the images of --images" in refusal(
        "--boxes", "b.json", *out)
    assert "--labels none leaves nothing to look at" in refusal("--labels", "none", *out)
    assert "--next is 0" in refusal("--next", "0", *out)
    assert "labelled joints, and 40 are needed" in refusal("data.debug=1", "--labels", "val", *out)
    with monkeypatch.context() as patch:    # before the validation set is looked at
        patch.setattr("processors.ranking.rank.look_at_labelled", None)
        assert "--images is" in refusal("--images", str(tmp_path / "nowhere"), *out)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "labels.csv").write_text("mine")
    assert "labels.csv is there already" in refusal("--out", str(tmp_path / "taken"))


def test_vectors_have_no_peaks_to_look_at(words, tmp_path, capsys):
    weights = save_net(tmp_path, [*words, "model.head=simcc", "codec.kind=simcc",
                                  "optim.loss=simcc_kl"])
    assert main.main(["rank", *words, "--weights", str(weights), "--out",
                      str(tmp_path / "o")]) == 2
    assert "give those of a network with heatmaps" in capsys.readouterr().err
