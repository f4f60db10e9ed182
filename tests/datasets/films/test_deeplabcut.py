"""Projects of DeepLabCut: tables of one animal and of several, old and new, and what is wrong."""
import json

import cv2
import numpy as np
import pytest

import main
from configs.loader import load_config
from datasets.annotations.skeleton import load_skeleton
from datasets.films.deeplabcut import read_deeplabcut
from datasets.imports.write_coco import Notes
from utils.errors import UserError

JOINTS = ("nose", "leftear", "rightear")


def project(folder, table: str, video="walk"):
    """A project with three frames of a film; the folder of its labels."""
    place = folder / "labeled-data" / video
    place.mkdir(parents=True)
    for number in range(3):
        cv2.imwrite(str(place / f"img{number}.png"), np.full((60, 80, 3), 90, np.uint8))
    (folder / "config.yaml").write_text(
        "Task: mice\nbodyparts: [nose, leftear, rightear]\nskeleton:\n- [nose, leftear]\n"
        "- [nose, rightear]\n- [nose, tail]\n")
    (place / "CollectedData_me.csv").write_text(table)
    return place


def one_animal(new: bool) -> str:
    """A table as DeepLabCut writes it: the frame in one column, or since 2.2 in three."""
    more, cut = (",,", ",") if new else ("", "/")
    rows = [f"scorer{more},{','.join(['me'] * 6)}",
            f"bodyparts{more},{','.join(name for name in JOINTS for _ in 'xy')}",
            f"coords{more},{','.join('xy' * 3)}",
            f"labeled-data{cut}walk{cut}img0.png,10.25,20.5,30,40.125,,",
            f"labeled-data{cut}walk{cut}img1.png,1,2,3,4,5,6",
            f"labeled-data{cut}walk{cut}img2.png,,,,,,"]
    return "\n".join(rows) + "\n"


SEVERAL = "\n".join([
    "scorer,,,me,me,me,me,me,me,me,me", "individuals,,,a,a,a,a,b,b,single,single",
    "bodyparts,,,nose,nose,leftear,leftear,nose,nose,rightear,rightear",
    "coords,,,x,y,x,y,x,y,x,y", "labeled-data,walk,img0.png,10,20,30,40,50,30,,",
    "labeled-data,walk,img1.png,,,,,5,6,7,8"]) + "\n"


@pytest.fixture
def mouse(tmp_path):
    (tmp_path / "mouse.yaml").write_text("joints: [nose, left_ear, right_ear]")
    return load_skeleton(str(tmp_path / "mouse.yaml"))


@pytest.mark.parametrize("new", [False, True])
def test_a_table_of_one_animal(tmp_path, mouse, new):
    place, notes = project(tmp_path / "p", one_animal(new)), Notes()
    for source, name in ((tmp_path / "p", "walk/"), (tmp_path / "p" / "config.yaml", "walk/"),
                         (place / "CollectedData_me.csv", "")):
        images, root = read_deeplabcut(source, mouse, None, notes)
        assert [image.name for image in images] == [f"{name}img0.png", f"{name}img1.png"]
        assert all((root / image.name).is_file() for image in images)
        (first,), (second,) = images[0].persons, images[1].persons
        assert first.joints.tolist() == [[10.25, 20.5, 2], [30, 40.125, 2], [0, 0, 0]]
        assert second.joints[:, :2].tolist() == [[1, 2], [3, 4], [5, 6]] and first.box is None
    assert notes.counts == {"frames without a labelled joint left out": 3} and not notes.bad


def test_a_row_without_a_picture_is_named(tmp_path, mouse):
    notes = Notes()
    project(tmp_path / "p", one_animal(False) + ",1,2,3,4,5,6\n")
    images, _ = read_deeplabcut(tmp_path / "p", mouse, None, notes)
    assert len(images) == 2 and "a row that names no picture" in str(vars(notes))


def test_half_a_place_is_counted(tmp_path, mouse):
    notes = Notes()
    project(tmp_path / "p", one_animal(False).replace("1,2,3,4,5,6", "1,2,3,,,6"))
    images, _ = read_deeplabcut(tmp_path / "p", mouse, None, notes)
    assert (images[1].persons[0].joints[:, 2] > 0).tolist() == [True, False, False]
    assert notes.counts["joints with one number in the place of two left out"] == 2


def test_a_table_of_several_animals(tmp_path, mouse):
    """Unique bodyparts ("single") are an individual, too."""
    project(tmp_path / "p", SEVERAL)
    images, _ = read_deeplabcut(tmp_path / "p", mouse, None, Notes())
    assert [[person.joints.tolist() for person in image.persons] for image in images] == [
        [[[10, 20, 2], [30, 40, 2], [0, 0, 0]], [[50, 30, 2], [0, 0, 0], [0, 0, 0]]],
        [[[5, 6, 2], [0, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0], [7, 8, 2]]]]


def test_frames_in_another_folder(tmp_path, mouse):
    place, moved = project(tmp_path / "p", one_animal(True)), tmp_path / "frames"
    moved.mkdir()
    for path in place.glob("*.png"):
        path.rename(moved / path.name)
    notes = Notes()
    images, root = read_deeplabcut(tmp_path / "p", mouse, moved, notes)
    assert [image.name for image in images] == ["img0.png", "img1.png"] and root == moved
    assert not read_deeplabcut(tmp_path / "p", mouse, None, notes)[0]
    assert len(notes.bad) == 2 and "the picture labeled-data/walk/img0.png is not" in notes.bad[0]


def test_the_skeleton_comes_along(tmp_path):
    """A line to a joint that is not labelled is left out."""
    project(tmp_path / "p", one_animal(True))
    out, skeleton = tmp_path / "mice.json", tmp_path / "mice.yaml"
    assert main.main(["import", "--from", "deeplabcut", str(tmp_path / "p"), "--skeleton-out",
                      str(skeleton), "--category", "mouse", "--out", str(out)]) == 0
    content = json.loads(out.read_text())
    assert [row["num_keypoints"] for row in content["annotations"]] == [2, 3]
    assert content["categories"][0]["keypoints"] == list(JOINTS)
    assert load_skeleton(str(skeleton)).flip_pairs == ((1, 2),)
    assert load_skeleton(str(skeleton)).limbs == ((0, 1), (0, 2))


def test_init_knows_a_project(tmp_path):
    rng = np.random.default_rng(0)
    lines = one_animal(True).splitlines()[:3] + [
        f"labeled-data,walk,img{number}.png,{','.join(map(str, row))}"
        for number, row in enumerate(rng.uniform(5, 55, (12, 6)).round(2).tolist())]
    place = project(tmp_path / "p", "\n".join(lines))
    for number in range(12):
        cv2.imwrite(str(place / f"img{number}.png"), rng.integers(0, 255, (60, 80, 3), np.uint8))
    assert main.main(["init", str(tmp_path / "p"), "--out", str(tmp_path / "my.yaml")]) == 0
    assert load_config(tmp_path / "my.yaml").model.num_joints == 3


@pytest.mark.parametrize("text, message", [
    (one_animal(True).replace("coords,,,x,y,x,y,x,y", "coords,,,x,y,likelihood,x,y,likelihood"),
     "holds guesses of a network"),
    ("a,b\n1,2\n", "is no table of DeepLabCut: its first lines"),
    (one_animal(True).replace("10.25", "ten"), "img0.png has something that is no number"),
    (one_animal(True).replace("10.25,", ""), "img0.png has 5 numbers in the place of 6"),
    ('{"images": [], "annotations": [], "categories": []}', "use import --from coco")])
def test_what_is_no_table_is_refused(tmp_path, mouse, text, message):
    project(tmp_path / "p", text)
    with pytest.raises(UserError, match=message):
        read_deeplabcut(tmp_path / "p", mouse, None, Notes())


def test_other_refusals(tmp_path, mouse):
    project(tmp_path / "p", one_animal(True))
    path = tmp_path / "CollectedData_me.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n\0\xff")
    with pytest.raises(UserError, match="of DeepLabCut the CSV beside it"):
        read_deeplabcut(path, mouse, None, Notes())
    with pytest.raises(UserError, match="have no classes: leave --class out"):
        read_deeplabcut(tmp_path / "p", mouse, None, Notes(wanted="mouse"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"holds no CollectedData_\*.csv"):
        read_deeplabcut(tmp_path / "empty", mouse, None, Notes())
