"""The people of a file by the beginning of their pictures' names."""
import json

import pytest

from benchmarks.parts import MOST_PARTS, main, part_of, write_parts


@pytest.mark.parametrize("name, part", [
    ("coco_000000000659.jpg", "coco"), ("train/mpii_1_2.jpg", "mpii"), ("000659.jpg", "all"),
    ("two_parts/000659.jpg", "all")])
def test_a_part_is_what_stands_before_the_first_line(name, part):
    assert part_of(name) == part


def test_each_part_has_its_images_with_all_labels(folder, tmp_path):
    labels = folder / "annotations" / "person_keypoints_val.json"
    whole = json.loads(labels.read_text())
    assert main([str(folder), str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "train_a.json", "train_b.json", "val_a.json", "val_b.json"]
    parts = [json.loads((tmp_path / "out" / f"val_{part}.json").read_text()) for part in "ab"]
    assert [image["file_name"] for image in parts[0]["images"]] == ["a_1.jpg", "a_3.jpg"]
    people = [person for part in parts for person in part["annotations"]]
    assert sorted(person["id"] for person in people) == sorted(
        person["id"] for person in whole["annotations"])
    for part in parts:
        assert part["categories"] == whole["categories"]
        assert {person["image_id"] for person in part["annotations"]} == {
            image["id"] for image in part["images"]}


def test_names_that_all_differ_are_one_part(tmp_path, capsys):
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps({"categories": [], "annotations": [], "images": [
        {"id": number, "file_name": f"{number}_0.jpg"} for number in range(MOST_PARTS + 1)]}))
    paths = write_parts(labels, tmp_path, "val")
    assert paths == {"all": tmp_path / "val_all.json"}
    assert len(json.loads(paths["all"].read_text())["images"]) == MOST_PARTS + 1
    assert "begin in 9 ways: they are one part" in capsys.readouterr().out
