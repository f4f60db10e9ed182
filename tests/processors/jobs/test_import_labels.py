"""A data set of nine joints, made by hand in each form, trains and evaluates without new code."""
import json
import re
import xml.etree.ElementTree as ET

import cv2
import numpy as np
import pytest
import torch

import main
from processors.pose_predictor import PosePredictor
from processors.training import pose_processor
from tests.runs.small_run import small_net

JOINTS = ("tip", "left_corner", "right_corner", "centre", "tail", "left_loop", "right_loop",
          "left_bow", "right_bow")
SHAPE = np.array([[0, -3], [-2, 0], [2, 0], [0, 0], [0, 3], [-1, 4], [1, 4], [-1, 2], [1, 2]])
SIZE = (160, 120)
KITES = {"a.png": [(50, 60, 9)], "b.png": [(40, 50, 8), (115, 60, 10)], "c.png": [(90, 55, 11)],
         "d.png": [(70, 60, 12)]}         # file -> centres and scales


def kite(x: float, y: float, scale: float) -> tuple[np.ndarray, list[float]]:
    """Joints (9, 3), of which the last is hidden and the last but one not labelled; and a box."""
    joints = np.column_stack([SHAPE * scale + [x, y], np.full(9, 2.0)])
    joints[7], joints[8, 2] = 0, 1
    return joints, [x - 2.5 * scale, y - 3.5 * scale, 5 * scale, 8 * scale]


@pytest.fixture
def folder(tmp_path):
    """A skeleton file and the pictures."""
    pairs = "".join(f"  - [left_{part}, right_{part}]\n" for part in ("corner", "loop", "bow"))
    (tmp_path / "kite.yaml").write_text(
        f"joints: [{', '.join(JOINTS)}]\nflip_pairs:\n{pairs}limbs:\n  - [tip, centre]\n"
        f"  - [centre, tail, [255, 0, 0]]\n")
    (tmp_path / "images").mkdir()
    for name, kites in KITES.items():
        image = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
        for place in kites:
            for number, (x, y, _) in enumerate(kite(*place)[0].tolist()):
                cv2.circle(image, (round(x), round(y)), 3, (25 * number, 250 - 20 * number, 9), -1)
        cv2.imwrite(str(tmp_path / "images" / name), image)
    return tmp_path


def labelme(folder):
    labels = folder / "images"
    for name, kites in KITES.items():
        shapes = []
        for group, place in enumerate(kites):
            joints, (x, y, w, h) = kite(*place)
            shapes += [{"label": joint, "shape_type": "point", "points": [[px, py]],
                        "group_id": group, "flags": {"occluded": v == 1}}
                       for joint, (px, py, v) in zip(JOINTS, joints.tolist(), strict=True) if v]
            shapes.append({"label": "kite", "shape_type": "rectangle", "group_id": group,
                           "points": [[x + w, y], [x, y + h]], "flags": {}})
        (labels / name).with_suffix(".json").write_text(json.dumps({
            "imagePath": name, "imageWidth": SIZE[0], "imageHeight": SIZE[1], "imageData": None,
            "shapes": shapes}))
    return [str(labels)]


def cvat(folder, skeletons=True, numbers=False):
    root = ET.Element("annotations")
    for number, (name, kites) in enumerate(KITES.items()):
        image = ET.SubElement(root, "image", id=str(number), name=name, width=str(SIZE[0]),
                              height=str(SIZE[1]))
        for group, place in enumerate(kites, 1):
            joints, (x, y, w, h) = kite(*place)
            ET.SubElement(image, "box", label="kite", xtl=str(x), ytl=str(y), xbr=str(x + w),
                          ybr=str(y + h), group_id=str(group))
            parent = image
            if skeletons:
                parent = ET.SubElement(image, "skeleton", label="kite", group_id=str(group))
            for place, (joint, (px, py, v)) in enumerate(zip(JOINTS, joints.tolist(),
                                                             strict=True), 1):
                if v or skeletons:
                    ET.SubElement(parent, "points", label=str(place) if numbers else joint,
                                  outside=str(int(v == 0)), occluded=str(int(v == 1)),
                                  points=f"{px},{py}", **({} if skeletons else {
                                      "group_id": str(group)}))
    ET.ElementTree(root).write(folder / "annotations.xml")
    return [str(folder / "annotations.xml")]


def yolo(folder):
    (folder / "labels").mkdir()
    for name, kites in KITES.items():
        lines = []
        for place in kites:
            joints, (x, y, w, h) = kite(*place)
            box = np.array([x + w / 2, y + h / 2, w, h]) / [*SIZE, *SIZE]
            table = joints / [*SIZE, 1]
            lines.append(" ".join(["0", *(f"{value:.7f}" for value in (*box, *table.ravel()))]))
        (folder / "labels" / name).with_suffix(".txt").write_text("\n".join(lines) + "\n")
    return [str(folder)]


FORMS = {"labelme": labelme, "cvat": cvat, "yolo": yolo}


def run_import(folder, form, words, *options):
    return main.main(["import", "--from", form, *words, "--skeleton", str(folder / "kite.yaml"),
                      "--out", str(folder / "kites.json"), "--category", "kite", *options])


def settings(folder):
    values = {"data.skeleton": folder / "kite.yaml", "model.num_joints": 9,
              "data.synthetic_train": 0, "data.synthetic_val": 0, "data.batch_size": 2,
              "data.num_workers": 0, "data.category": "kite", "optim.amp": False,
              "codec.input_size": [64, 64], "optim.epochs": 1, "optim.milestones": [1],
              "optim.warmup_epochs": 0, "augment.weak_epochs": 0,
              "val.weight_path": folder / "weights", "optim.ema": 0, "model.type":
              "pose_resnet_dconv", "model.name": "resnet18", "model.pretrained": False}
    values |= {f"data.{split}_{key}": folder / file for split in ("train", "val")
               for key, file in (("ann_path", "kites.json"), ("img_root", "images"))}
    return ["configs/quickstart.yaml", *(f"{key}={value}" for key, value in values.items())]


@pytest.mark.parametrize("form", FORMS)
def test_nine_joints_of_each_form_train_and_are_judged(folder, form, monkeypatch):
    assert run_import(folder, form, FORMS[form](folder)) == 0
    content = json.loads((folder / "kites.json").read_text())
    assert [row["file_name"] for row in content["images"]] == sorted(KITES)
    truth = [kite(*place) for kites in KITES.values() for place in kites]
    assert len(content["annotations"]) == len(truth) == 5
    for row, (joints, box) in zip(content["annotations"], truth, strict=True):
        np.testing.assert_allclose(np.reshape(row["keypoints"], (9, 3)), joints, atol=2e-3)
        np.testing.assert_allclose(row["bbox"], box, atol=2e-3)
        assert row["num_keypoints"] == 8 and row["area"] == pytest.approx(0.53 * box[2] * box[3])
    assert content["categories"][0]["name"] == "kite"
    monkeypatch.setattr(pose_processor, "build_net", small_net)
    assert main.main(["train", *settings(folder)]) == 0
    state = torch.load(folder / "weights" / "quickstart_last.pth", weights_only=True)
    assert state["step"] == 2 and state["best"]["AP"] >= 0
    results = json.loads((folder / "weights" / "quickstart_results.json").read_text())
    assert {len(row["keypoints"]) for row in results} == {27}


def test_nine_joints_evaluate_and_predict(folder, capsys):
    assert run_import(folder, "cvat", cvat(folder)) == 0
    assert main.main(["train", *settings(folder)]) == 0
    assert main.main(["evaluate", *settings(folder)]) == 0
    assert main.main(["evaluate", *settings(folder), "data.category=dog"]) == 2
    assert "no category 'dog': set data.category to one of kite (1)" in capsys.readouterr().err
    predictor = PosePredictor(folder / "weights" / "quickstart_best.pth")
    image = cv2.imread(str(folder / "images" / "a.png"))[..., ::-1]
    people = predictor(image, boxes=[kite(*KITES["a.png"][0])[1]])
    assert people[0].keypoints.shape == (9, 2)


@pytest.mark.parametrize("options", [{"numbers": True}, {"skeletons": False}])
def test_other_ways_to_draw_in_cvat(folder, options):
    assert run_import(folder, "cvat", cvat(folder)) == 0
    good = (folder / "kites.json").read_text()
    assert run_import(folder, "cvat", cvat(folder, **options)) == 0
    assert json.loads((folder / "kites.json").read_text()) == json.loads(good)


@pytest.mark.parametrize("words, options, part", [
    (["nowhere"], [], "nowhere does not exist"),
    (["kite.yaml"], ["--images", "none"], "folder of images none"),
])
def test_what_is_not_there_is_named(folder, monkeypatch, capsys, words, options, part):
    monkeypatch.chdir(folder)
    assert run_import(folder, "cvat", words, *options) == 2
    assert part in capsys.readouterr().err


# ---- a validation set kept apart

def test_the_last_fifth_is_kept_for_validation(folder):
    """Seven images: six for training, one for validation, in the order of their names."""
    words = labelme(folder)
    for name in ("e.png", "f.png", "g.png"):
        content = json.loads((folder / "images" / "d.json").read_text()) | {"imagePath": name}
        (folder / "images" / name).with_suffix(".json").write_text(json.dumps(content))
        cv2.imwrite(str(folder / "images" / name), cv2.imread(str(folder / "images" / "d.png")))
    assert run_import(folder, "labelme", words, "--val", str(folder / "val.json")) == 0
    train, val = (json.loads((folder / name).read_text()) for name in ("kites.json", "val.json"))
    assert [row["file_name"] for row in train["images"]] == [f"{c}.png" for c in "abcdef"]
    assert [row["file_name"] for row in val["images"]] == ["g.png"]
    assert [row["image_id"] for row in val["annotations"]] == [val["images"][0]["id"]]
    assert train["categories"] == val["categories"]


@pytest.mark.parametrize("val, part", [("val.json", "4 annotated images, too few to keep a fifth"),
                                       ("kites.json", "--out and --val are both"),
                                       ("images", "--val: .*images is a folder")])
def test_a_validation_set_that_cannot_be(folder, capsys, val, part):
    assert run_import(folder, "labelme", labelme(folder), "--val", str(folder / val)) == 2
    assert re.search(part, capsys.readouterr().err)
    assert not (folder / "kites.json").exists()


def test_a_file_that_cannot_be_written_is_named(folder, capsys):
    words = ["import", "--from", "labelme", *labelme(folder), "--skeleton",
             str(folder / "kite.yaml"), "--out", str(folder / "kite.yaml" / "kites.json")]
    assert main.main(words) == 2
    assert "kite.yaml is a file, and a folder is to be there" in capsys.readouterr().err


@pytest.mark.parametrize("name, content", [("images/a.png", None), ("mine.json", '{"images": []}'),
                                           ("notes.txt", "mine"), ("mine.json", "[]")])
@pytest.mark.parametrize("option", ["--out", "--val"])
def test_nothing_of_others_is_replaced(folder, capsys, name, content, option):
    """Not a picture that is read, and no file that came from elsewhere, JSON or not."""
    words, path = labelme(folder), folder / name
    if content:
        path.write_text(content)
    before = path.read_bytes()
    other = [] if option == "--out" else ["--val", str(path)]
    assert main.main(["import", "--from", "labelme", *words, "--skeleton",
                      str(folder / "kite.yaml"), "--out",
                      str(folder / "kites.json" if other else path), *other]) == 2
    assert f"{option}: {path} is there already" in capsys.readouterr().err
    assert path.read_bytes() == before and not (folder / "kites.json").exists()


@pytest.mark.parametrize("option", ["--out", "--val"])
def test_a_file_that_is_read_in_a_folder_is_not_replaced(folder, capsys, option):
    """Though an import before has made it."""
    assert run_import(folder, "labelme", labelme(folder)) == 0
    path = folder / "images" / "_annotations.coco.json"
    (folder / "kites.json").rename(path)
    before = path.read_bytes()
    words = ["--out", str(folder / "kites.json"), option, str(path)]
    assert run_import(folder, "coco", [str(folder / "images")], *words) == 2
    assert f"{option}: {path} would be overwritten" in capsys.readouterr().err
    assert path.read_bytes() == before and not (folder / "kites.json").exists()


@pytest.mark.parametrize("option", ["--out", "--val"])
@pytest.mark.parametrize("target", ["elsewhere.json", "nowhere.json"])
def test_a_link_is_neither_replaced_nor_written_through(folder, capsys, option, target):
    words = labelme(folder)
    assert run_import(folder, "labelme", words) == 0
    (folder / "kites.json").rename(folder / "elsewhere.json")
    before = (folder / "elsewhere.json").read_bytes()
    (folder / "link.json").symlink_to(target)
    assert run_import(folder, "labelme", words, option, str(folder / "link.json")) == 2
    assert f"{option}: {folder / 'link.json'} is a link, and nothing" in capsys.readouterr().err
    assert (folder / "link.json").is_symlink() and not (folder / "nowhere.json").exists()
    assert (folder / "elsewhere.json").read_bytes() == before


@pytest.mark.parametrize("one, other", [("--out", "--val"), ("--out", "--skeleton-out"),
                                        ("--val", "--skeleton-out")])
@pytest.mark.parametrize("spelling", ["{}/same", "{}/images/../same", "{}/way/same", "{}/link"])
def test_two_outputs_of_one_name_are_refused(folder, capsys, one, other, spelling):
    (folder / "way").symlink_to(folder)
    (folder / "link").symlink_to("same")
    before = {*folder.rglob("*")}
    outputs = {"--out": f"{folder}/a", one: f"{folder}/same", other: spelling.format(folder)}
    skeleton = [] if "--skeleton-out" in outputs else ["--skeleton", str(folder / "kite.yaml")]
    assert main.main(["import", "--from", "labelme", *labelme(folder), *skeleton, *(
        word for pair in outputs.items() for word in pair)]) == 2
    assert f"{one} and {other} are both" in capsys.readouterr().err
    assert {*folder.rglob("*")} - before <= {*(folder / "images").rglob("*")}
