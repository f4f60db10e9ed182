"""YOLO labels as Ultralytics and Roboflow lay them out: trees, data.yaml, classes, orders."""
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

import main
from datasets.annotations.skeleton import load_skeleton, skeleton_from_dict
from datasets.imports.write_coco import Notes
from datasets.imports.yolo import read_yolo
from utils.errors import UserError

BIRD = skeleton_from_dict({"name": "bird", "joints": ["beak", "left_wing", "right_wing"],
                           "flip_pairs": [["left_wing", "right_wing"]]}, "bird.yaml")
LINE = "{} 0.5 0.5 0.5 0.5 0.25 0.25 2 0.5 0.5 1 0 0 0\n"
YAML = """train: ../train/images
val: ../valid/images
test: ../test/images

kpt_shape: [3, 3]
flip_idx: [0, 2, 1]
nc: 2
names: ['bird', 'kite']
roboflow:
  url: https://universe.roboflow.com/x
"""


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((20, 40, 3), np.uint8))


def roboflow(folder: Path, images: str = "images", labels: str = "labels") -> Path:
    """Two birds of the training set, one of the validation set, one of the test set."""
    for number, split in enumerate(("train", "train", "valid", "test")):
        picture(folder / split / images / f"{number}_jpg.rf.c0ffee.jpg")
        label = folder / split / labels / f"{number}_jpg.rf.c0ffee.txt"
        label.parent.mkdir(exist_ok=True)
        label.write_text(LINE.format(0))
    (folder / "data.yaml").write_text(YAML)
    (folder / "README.roboflow.txt").write_text("exported via roboflow")
    return folder


def ultralytics(folder: Path) -> Path:
    for number, split in enumerate(("train", "train", "val")):
        picture(folder / "images" / split / f"{number}.png")
        label = folder / "labels" / split / f"{number}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text(LINE.format(0))
    (folder / "data.yaml").write_text(
        "path: bird-pose\ntrain: images/train\nval: images/val\ntest:\nkpt_shape: [3, 3]\n"
        "flip_idx: [0, 2, 1]\nnames:\n  0: bird\n")
    return folder


def read(source, skeleton=BIRD, root=None, wanted=""):
    notes = Notes(wanted=wanted)
    images, root = read_yolo(source, skeleton, root, notes)
    assert all((root / image.name).is_file() for image in images)
    return images, root, notes


@pytest.mark.parametrize("tree, top", [(roboflow, 4), (ultralytics, 3)])
@pytest.mark.parametrize("source", ["", "data.yaml"])
def test_a_tree_by_its_top_or_its_yaml(tmp_path, tree, top, source):
    images, root, notes = read(tree(tmp_path) / source)
    assert [image.split for image in images] == ["train", "train", "val", "test"][:top] or (
        sorted(image.split for image in images) == sorted(["train", "train", "val", "test"][:top]))
    assert root == (tmp_path if tree is roboflow else tmp_path / "images")
    assert not notes.bad and not notes.remarks and notes.classes == {"bird": top}
    assert images[0].persons[0].joints.tolist() == [[10, 5, 2], [20, 10, 1], [0, 0, 0]]


@pytest.mark.parametrize("source", ["train", "train/labels"])
def test_one_folder_of_a_tree_knows_the_yaml_above(tmp_path, source):
    images, root, notes = read(roboflow(tmp_path) / source)
    assert len(images) == 2 and notes.classes == {"bird": 2}
    assert root == tmp_path / "train" / "images"


def test_folders_in_capitals(tmp_path):
    assert len(read(roboflow(tmp_path, "Images", "Labels"))[0]) == 4


def test_pictures_may_be_called_like_lists(tmp_path):
    picture(tmp_path / "images" / "test.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "test.txt").write_text(LINE.format(0))
    (tmp_path / "train.txt").write_text("images/test.png\n")
    images, _, notes = read(tmp_path)
    assert [image.name for image in images] == ["test.png"] and not notes.bad


def test_labels_that_are_no_file_are_left_out_with_a_sentence(tmp_path):
    """A pipe would be waited for; a file without a line stands for nobody."""
    label = ultralytics(tmp_path) / "labels" / "val" / "2.txt"
    label.unlink()
    label.symlink_to("/dev/null")
    images, _, notes = read(tmp_path)
    assert len(images) == 2 and "labels/val/2.txt cannot be read" in " ".join(map(str, notes.bad))


def test_lists_of_pictures(tmp_path):
    ultralytics(tmp_path)
    (tmp_path / "train.txt").write_text("./images/train/0.png\n./images/train/1.png\n")
    (tmp_path / "my.yaml").write_text("train: train.txt\nvalidation: [images/val, images/train]\n"
                                      "names: {0: bird}\n")
    images, root, _ = read(tmp_path / "my.yaml")
    assert [(image.name, image.split) for image in images] == [
        ("train/0.png", "train"), ("train/1.png", "train"), ("val/2.png", "val")]


def test_a_yaml_in_a_folder_of_its_own(tmp_path):
    ultralytics(tmp_path)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "data.yaml").write_text("train: ../images/train\nnames: [bird]\n")
    assert len(read(tmp_path / "conf" / "data.yaml")[0]) == 2


def test_images_given_by_hand(tmp_path):
    roboflow(tmp_path / "a")
    for split in ("train", "valid", "test"):
        (tmp_path / "a" / split / "images").rename(tmp_path / f"{split}_pictures")
    (tmp_path / "b").mkdir()
    for split in ("train", "valid", "test"):
        (tmp_path / f"{split}_pictures").rename(tmp_path / "b" / split_name(split))
    images, _, notes = read(tmp_path / "a", root=tmp_path / "b")
    assert [image.name for image in images] == [
        "test/3_jpg.rf.c0ffee.jpg", "train/0_jpg.rf.c0ffee.jpg", "train/1_jpg.rf.c0ffee.jpg",
        "val/2_jpg.rf.c0ffee.jpg"]


def split_name(split):
    return {"valid": "val"}.get(split, split)


# ---- splits on the command line

def run(tmp_path, *options):
    (tmp_path / "bird.yaml").write_text(
        "joints: [beak, left_wing, right_wing]\nflip_pairs: [[left_wing, right_wing]]")
    assert main.main(["import", "--from", "yolo", str(tmp_path / "set"), "--skeleton",
                      str(tmp_path / "bird.yaml"), "--out", str(tmp_path / "out.json"),
                      *options]) == 0
    return [image["file_name"][:5] for image in json.loads(
        (tmp_path / "out.json").read_text())["images"]]


def test_val_is_the_val_split_and_the_test_set_is_no_training(tmp_path, capsys, caplog):
    roboflow(tmp_path / "set")
    assert run(tmp_path, "--val", str(tmp_path / "val.json")) == ["train", "train"]
    val = json.loads((tmp_path / "val.json").read_text())
    assert [image["file_name"][:5] for image in val["images"]] == ["valid"]
    assert "1 images of other splits than train and val left out" in caplog.text + str(
        capsys.readouterr())


@pytest.mark.parametrize("split, found", [("train", ["train"] * 2), ("val", ["valid"]),
                                          ("Valid", ["valid"]), ("test", ["test/"])])
def test_one_split(tmp_path, split, found):
    roboflow(tmp_path / "set")
    assert run(tmp_path, "--split", split) == found


def test_all_splits_are_said_and_one_that_is_not_there_is_named(tmp_path, capsys, caplog):
    roboflow(tmp_path / "set")
    assert len(run(tmp_path)) == 4
    said = caplog.text + str(capsys.readouterr())
    assert "all splits are taken" in said and "train (2)" in said
    assert main.main(["import", "--from", "yolo", str(tmp_path / "set"), "--skeleton",
                      str(tmp_path / "bird.yaml"), "--out", str(tmp_path / "out.json"),
                      "--split", "dev"]) == 2
    assert "no images of the split dev (--split); its splits are: test, train, val" in (
        capsys.readouterr().err)


def test_a_tree_without_a_val_split_keeps_the_test_set_out(tmp_path, caplog, capsys):
    roboflow(tmp_path / "set")
    (tmp_path / "set" / "valid").rename(tmp_path / "gone")
    for number in range(4, 9):
        picture(tmp_path / "set" / "train" / "images" / f"{number}.jpg")
        (tmp_path / "set" / "train" / "labels" / f"{number}.txt").write_text(LINE.format(0))
    assert run(tmp_path, "--val", str(tmp_path / "val.json")) == ["train"] * 6
    val = json.loads((tmp_path / "val.json").read_text())["images"]
    assert [image["file_name"] for image in val] == ["train/images/8.jpg"]
    assert "1 images of the split test left out" in caplog.text + str(capsys.readouterr())


# ---- classes

@pytest.mark.parametrize("wanted", ["kite", "1"])
def test_lines_of_another_class_are_left_out_whatever_they_hold(tmp_path, wanted):
    """A box only, an outline, joints of another number."""
    label = roboflow(tmp_path) / "train" / "labels" / "0_jpg.rf.c0ffee.txt"
    label.write_text(LINE.format(1) + LINE.format(0) + "0 .5 .5 .2 .2\n0 .1 .1 .2 .2 .3 .1\n")
    images, _, notes = read(tmp_path / "train", wanted=wanted)
    assert [len(image.persons) for image in images] == [1, 0] and not notes.bad
    assert notes.counts == {"persons of the class 'bird' left out (--class)": 4}


def test_a_line_with_a_box_only_does_not_cost_the_image(tmp_path):
    label = roboflow(tmp_path) / "train" / "labels" / "0_jpg.rf.c0ffee.txt"
    label.write_text(LINE.format(0) + "1 .5 .5 .2 .4\n")
    images, _, notes = read(tmp_path / "train")
    assert not notes.bad and notes.classes == {"bird": 2, "kite": 1}
    assert images[0].persons[1].box == pytest.approx([16, 6, 8, 8])
    assert not images[0].persons[1].joints.any()


def test_a_class_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="no class dog .* one of bird, kite"):
        read(roboflow(tmp_path), wanted="dog")


def test_names_of_classes_txt(tmp_path):
    ultralytics(tmp_path)
    (tmp_path / "data.yaml").unlink()
    (tmp_path / "labels" / "classes.txt").write_text("bird\nkite\n")
    assert len(read(tmp_path, wanted="bird")[0][0].persons) == 1


# ---- data.yaml and the skeleton

@pytest.mark.parametrize("line, part", [
    ("kpt_shape: [2, 3]", "data.yaml has 2 joints and the skeleton bird 3"),
    ("kpt_shape: [3, 4]", r"kpt_shape is \[3, 4\]"),
    ("kpt_shape: 3", "kpt_shape is 3"), ("kpt_shape: [3, 3]\nflip_idx: [0, 2]", "flip_idx is"),
    ("kpt_shape: [3, 3]\nflip_idx: [0, 0, 1]", "flip_idx is")])
def test_a_yaml_that_does_not_fit_is_refused(tmp_path, line, part):
    roboflow(tmp_path)
    (tmp_path / "data.yaml").write_text(f"names: [bird]\n{line}\n")
    with pytest.raises(UserError, match=part):
        read(tmp_path)


def test_the_second_number_of_kpt_shape_is_how_many_a_joint_has(tmp_path):
    """Six numbers may be three joints of two, or two of three."""
    roboflow(tmp_path)
    line = "0 0.5 0.5 0.5 0.5 0.25 0.25 0 0.5 0.5 0\n"
    for path in tmp_path.rglob("labels/*.txt"):
        path.write_text(line)
    (tmp_path / "data.yaml").write_text("names: [bird]\nkpt_shape: [3, 2]\n")
    joints = read(tmp_path)[0][0].persons[0].joints
    assert joints[:, 2].tolist() == [2, 2, 2] and joints[1].tolist() == [0, 10, 2]
    (tmp_path / "data.yaml").write_text("names: [bird]\nkpt_shape: [3, 3]\n")
    notes = Notes()
    assert not any(image.persons for image in read_yolo(tmp_path, BIRD, None, notes)[0])
    assert len(notes.bad) == 4 and "needs 14" in notes.bad[0]


def test_joints_with_names_are_taken_by_them(tmp_path):
    roboflow(tmp_path)
    (tmp_path / "data.yaml").write_text(
        "names: [bird]\nkpt_shape: [3, 3]\nkpt_names:\n  0: [left_wing, right_wing, beak]\n")
    images, _, notes = read(tmp_path)
    assert images[0].persons[0].joints.tolist() == [[0, 0, 0], [10, 5, 2], [20, 10, 1]]
    assert "3 of its 3 joints are taken, by their names" in notes.remarks[0]


def test_the_first_joints_of_a_longer_list_are_taken_and_said(tmp_path):
    two = skeleton_from_dict({"joints": ["beak", "wing"]}, "two")
    images, _, notes = read(roboflow(tmp_path), skeleton=two)
    assert images[0].persons[0].joints.tolist() == [[10, 5, 2], [20, 10, 1]]
    assert "the first 2 of its 3 joints are taken in their order" in notes.remarks[0]


def test_flip_idx_that_contradicts_the_skeleton_is_said(tmp_path):
    roboflow(tmp_path)
    text = (tmp_path / "data.yaml").read_text()
    (tmp_path / "data.yaml").write_text(text.replace("[0, 2, 1]", "[1, 0, 2]"))
    assert "mirrors other joints than flip_pairs of the skeleton bird" in read(
        tmp_path)[2].remarks[0]
    assert load_skeleton("coco").flip_order[1] == 2


# ---- what is not there -------------------------------------------------------------------------

@pytest.mark.parametrize("by", [".", "data.yaml", "train.txt"])
def test_pictures_without_a_label_file_show_nobody_and_are_counted(tmp_path, by):
    folder = ultralytics(tmp_path)
    picture(folder / "images/train/empty.jpg")
    if by == "train.txt":
        names = ("0.png", "1.png", "empty.jpg")
        (folder / by).write_text("".join(f"./images/train/{name}\n" for name in names))
        (folder / "data.yaml").write_text("train: train.txt\nval: images/val\nkpt_shape: [3, 3]\n")
    notes = Notes()
    images, _ = read_yolo(folder / by.replace("train.txt", "data.yaml"), BIRD, None, notes)
    assert [(image.split, len(image.persons)) for image in images
            if image.name.endswith("empty.jpg")] == [("train", 0)]
    assert len(images) == 4
    assert notes.counts["pictures without a label file taken as showing nobody"] == 1


def test_pictures_without_a_label_file_in_a_folder_of_their_own_are_taken_once(tmp_path):
    folder = roboflow(tmp_path / "labels")
    for split in ("train", "valid", "test"):
        for path in (folder / split / "images").iterdir():
            picture(tmp_path / "all" / path.name)
            path.unlink()
    picture(tmp_path / "all" / "empty.jpg")
    images, _ = read_yolo(folder, BIRD, tmp_path / "all", Notes())
    assert [image.name for image in images].count("empty.jpg") == 1 and len(images) == 5


def test_a_description_of_another_name_is_read(tmp_path):
    folder = roboflow(tmp_path)
    said = YAML + "kpt_names:\n  0: [right_wing, left_wing, beak]\n"
    (folder / "data.yaml").rename(folder / "pose-dataset.yaml").write_text(said)
    (folder / "yolo11-pose.yaml").write_text("nc: 1\nkpt_shape: [17, 3]\nbackbone: []\n")
    (folder / "odd.yaml").write_text("{")
    images, _ = read_yolo(folder, BIRD, None, Notes())
    assert images[0].persons[0].joints[:, 2].tolist() == [0, 1, 2]
    (folder / "other.yml").write_text(YAML)
    with pytest.raises(UserError, match="other.yml, pose-dataset.yaml: give one of them"):
        read_yolo(folder, BIRD, None, Notes())


def test_a_split_that_is_not_there_is_told_and_the_others_are_taken(tmp_path):
    folder, notes = roboflow(tmp_path), Notes()
    (folder / "test").rename(tmp_path / "elsewhere")
    images, _ = read_yolo(folder / "data.yaml", BIRD, None, notes)
    assert len(images) == 3 and "test is ../test/images, and " in notes.remarks[0]
    for split in ("train", "valid"):
        (folder / split).rename(tmp_path / f"no_{split}")
    with pytest.raises(FileNotFoundError, match="train is ../train/images"):
        read_yolo(folder / "data.yaml", BIRD, None, Notes())


def test_what_may_as_well_be_polygons_is_told(tmp_path):
    for shape, told in (("", True), ("kpt_shape: [3, 2]\n", False)):
        folder, notes = ultralytics(tmp_path / f"told_{told}"), Notes()
        (folder / "data.yaml").write_text("train: images/train\nnames: [bird]\n" + shape)
        for path in (folder / "labels" / "train").iterdir():
            path.write_text("0 0.5 0.5 0.5 0.5 0.25 0.25 0.5 0.5 0.3 0.3\n")
        read_yolo(folder / "data.yaml", BIRD, None, notes)
        assert any("polygons" in sentence for sentence in notes.remarks) == told


@pytest.mark.parametrize("form", ["", "data.yaml"])
@pytest.mark.parametrize("folder", ["labels/train", "labels/train/sub"])
def test_labels_that_may_not_be_listed_stop_an_import(form, folder, tmp_path, closed):
    source = ultralytics(tmp_path / "bird-pose")
    (source / folder).mkdir(exist_ok=True)
    closed(source / folder)
    with pytest.raises(PermissionError, match=f"Permission denied: .*/{folder}'"):
        read(source / form)
