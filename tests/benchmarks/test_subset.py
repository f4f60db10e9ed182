"""Some people of a COCO file, as a set of fewer labels would have been."""
import json

import pytest

from benchmarks.subset import main


@pytest.fixture
def labels(tmp_path):
    """Ten images of three people with joints and a crowd each; every other image is a film's."""
    images = [{"id": i, "file_name": f"{'film' if i % 2 else 'coco'}_{i}.jpg"} for i in range(10)]
    people = [{"id": 10 * i + n, "image_id": i, "num_keypoints": n, "iscrowd": int(n == 4)}
              for i in range(10) for n in range(5)]
    path = tmp_path / "labels.json"
    path.write_text(json.dumps({"images": images, "annotations": people,
                                "categories": [{"id": 1}]}))
    return path


def take(labels, *words):
    out, rest = labels.with_name("few.json"), labels.with_name("rest.json")
    main([str(labels), str(out), "--rest", str(rest), *words])
    return [json.loads(path.read_text()) for path in (out, rest)]


def test_whole_images_and_the_rest(labels):
    few, rest = take(labels, "--people", "7")
    assert len(few["annotations"]) == 7 and few["categories"] == [{"id": 1}]
    taken = {person["image_id"] for person in few["annotations"]}
    assert taken == {image["id"] for image in few["images"]} and len(taken) == 3
    assert {image["id"] for image in rest["images"]} == set(range(10)) - taken
    assert len(rest["annotations"]) == 7 * 3
    assert all(person["num_keypoints"] in (1, 2, 3) for person in rest["annotations"])


def test_seed_and_names(labels):
    first, again, other = (take(labels, "--people", "9", "--seed", seed)[0] for seed in "001")
    assert first == again != other
    few, rest = take(labels, "--people", "15", "--names", "film")
    assert all(image["file_name"].startswith("film") for image in few["images"])
    assert rest["images"] == []


def test_all_of_a_name_in_their_order(labels):
    few, rest = take(labels, "--names", "film")
    assert [image["id"] for image in few["images"]] == [1, 3, 5, 7, 9] and not rest["images"]
    assert len(few["annotations"]) == 15


def test_too_few(labels):
    with pytest.raises(Exception, match="has 15 people with joints in such images, fewer than 16"):
        take(labels, "--people", "16", "--names", "coco")
