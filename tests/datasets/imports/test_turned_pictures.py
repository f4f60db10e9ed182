"""Labels that a tool made on upright pictures fit the pixels that training reads."""
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from datasets.annotations.skeleton import load_skeleton
from datasets.coco import MSCOCO
from processors.jobs.import_labels import import_annotations
from tests.turned_pictures import store_turned

SIZES = [(96, 64), (64, 96), (80, 80)]      # of the upright pictures
SKELETON = load_skeleton("mpii")
rng = np.random.default_rng(0)
JOINTS = [rng.uniform(0.2, 0.8, (16, 2)).round(3) for _ in SIZES]      # parts of the size


def pictures(folder: Path, orientation: int, sizes: list = SIZES) -> None:
    """The same upright pictures for every orientation."""
    folder.mkdir()
    for number, (width, height) in enumerate(sizes):
        small = np.random.default_rng(number).integers(0, 255, (5, 6, 3), dtype=np.uint8)
        path = folder / f"{number}.png"
        cv2.imwrite(str(path), cv2.resize(small, (width, height)))
        store_turned(path, orientation)


def places(number: int) -> list[list[float]]:
    return (JOINTS[number] * SIZES[number]).round(2).tolist()


def as_labelme(folder: Path) -> Path:
    for number, (width, height) in enumerate(SIZES):
        shapes = [{"label": name, "shape_type": "point", "points": [place], "flags": {}}
                  for name, place in zip(SKELETON.joint_names, places(number), strict=True)]
        (folder / "images" / f"{number}.json").write_text(json.dumps({
            "imagePath": f"{number}.png", "imageWidth": width, "imageHeight": height,
            "shapes": shapes}))
    return folder / "images"


def as_labelme_without_sizes(folder: Path) -> Path:
    for path in as_labelme(folder).glob("*.json"):
        content = json.loads(path.read_text())
        path.write_text(json.dumps(content | {"imageWidth": None, "imageHeight": None}))
    return folder / "images"


def as_cvat(folder: Path) -> Path:
    images = []
    for number, (width, height) in enumerate(SIZES):
        points = ";".join(f"{x},{y}" for x, y in places(number))
        images.append(f'<image id="{number}" name="{number}.png" width="{width}" height="{height}">'
                      f'<points label="person" points="{points}"/></image>')
    path = folder / "annotations.xml"
    path.write_text(f"<annotations>{''.join(images)}</annotations>")
    return path


def as_yolo(folder: Path) -> Path:
    (folder / "labels").mkdir()
    for number in range(len(SIZES)):
        joints = " ".join(f"{x} {y} 2" for x, y in JOINTS[number])
        (folder / "labels" / f"{number}.txt").write_text(f"0 0.5 0.5 0.9 0.9 {joints}\n")
    return folder


FORMS = {"labelme": ("labelme", as_labelme), "no_sizes": ("labelme", as_labelme_without_sizes),
         "cvat": ("cvat", as_cvat), "yolo": ("yolo", as_yolo)}


def samples(folder: Path, form: str, orientation: int, **settings) -> list:
    folder.mkdir()
    pictures(folder / "images", orientation)
    tool, write = FORMS[form]
    import_annotations(tool, write(folder), "mpii", folder / "out.json")
    dataset = MSCOCO(folder / "out.json", folder / "images", SKELETON, **settings)
    return [dataset[index] for index in range(len(dataset))]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("exif", ["default", "ignore", "obey"])
def test_training_reads_what_the_tool_has_shown(tmp_path, form, orientation, exif):
    control = samples(tmp_path / "control", form, 1)
    found = samples(tmp_path / "turned", form, orientation, exif=exif)
    assert len(found) == len(control) == 3
    for one, other in zip(found, control, strict=True):
        assert np.array_equal(one.crop, other.crop)
        assert np.array_equal(one.keypoints, other.keypoints)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_coco_file_is_read_as_its_sizes_prove_else_as_data_exif_says(tmp_path, orientation):
    control = samples(tmp_path / "control", "cvat", 1)
    (tmp_path / "turned").mkdir()
    pictures(tmp_path / "turned" / "images", orientation)
    rows = (tmp_path / "control" / "out.json").read_text()
    (tmp_path / "turned" / "coco.json").write_text(rows)
    for exif in ("default", "obey"):
        dataset = MSCOCO(tmp_path / "turned" / "coco.json", tmp_path / "turned" / "images",
                         SKELETON, exif=exif)
        same = [np.array_equal(dataset[index].crop, control[index].crop) for index in range(3)]
        proven = orientation == 1 or orientation > 4
        assert same == [exif == "obey" or proven] * 2 + [exif == "obey" or orientation == 1]
        count = {1: 0, 2: 3, 3: 3, 4: 3}.get(orientation, 1)
        note = f"{count} of 3 images have an EXIF orientation that their size leaves open and are"
        read = "upright" if exif == "obey" else "as stored"
        assert (f"{note} read {read} (data.exif: {exif}" in dataset.summary()) == bool(count)


def test_pictures_whose_size_proves_something_speak_for_the_others(tmp_path, caplog):
    """An old labelme shows pictures as stored: so say those that are turned by a quarter."""
    pictures(tmp_path / "images", 1)
    store_turned(tmp_path / "images" / "2.png", 3)
    as_labelme(tmp_path)
    for number in (0, 1):
        store_turned(tmp_path / "images" / f"{number}.png", 6)
        path = tmp_path / "images" / f"{number}.json"
        content = json.loads(path.read_text())
        sides = {"imageWidth": content["imageHeight"], "imageHeight": content["imageWidth"]}
        path.write_text(json.dumps(content | sides))
    (found,) = import_annotations("labelme", tmp_path / "images", "mpii", tmp_path / "out.json")
    assert [image.get("exif") for image in found["images"]] == [None, None, "ignore"]


@pytest.mark.parametrize("written", ["D:\\data\\0.png", "/home/me/data/0.png", "0.png"])
def test_a_path_of_another_computer_is_the_picture_beside_the_labels(tmp_path, written):
    pictures(tmp_path / "images", 1)
    path = as_labelme(tmp_path) / "0.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"imagePath": written}))
    (found,) = import_annotations("labelme", tmp_path / "images", "mpii", tmp_path / "out.json")
    assert [image["file_name"] for image in found["images"]] == ["0.png", "1.png", "2.png"]


@pytest.mark.parametrize("quarter, exif", [(0, ""), (2, "obey")])
def test_a_coco_file_that_says_nothing_leaves_it_to_the_setting(tmp_path, quarter, exif):
    pictures(tmp_path / "images", 1)
    import_annotations("cvat", as_cvat(tmp_path), "mpii", tmp_path / "source.json")
    store_turned(tmp_path / "images" / "2.png", 3)
    for number in range(quarter):
        store_turned(tmp_path / "images" / f"{number}.png", 6)
    (found,) = import_annotations("coco", tmp_path / "source.json", "mpii", tmp_path / "out.json")
    assert [image.get("exif") for image in found["images"]] == [None, None, exif]
