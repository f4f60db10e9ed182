"""What the doctor says of a detections file."""
import json
from dataclasses import replace

import pytest

from configs.schema import ValConfig
from tests.datasets.doctor.sets import Sets, draw


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("drawn"), train=3, val=12)


@pytest.fixture
def diagnose(drawn, tmp_path):
    """Function: change of the rows of a good detections file -> findings about it."""
    sets = Sets.of(drawn, tmp_path)
    path = tmp_path / "boxes.json"
    sets.config = replace(sets.config, val=ValConfig(boxes=str(path), box_score=0.2))

    def of(change=lambda rows: rows):
        rows = [{"image_id": row["image_id"], "category_id": 1, "bbox": list(row["bbox"]),
                 "score": 0.3 + 0.02 * number}
                for number, row in enumerate(sets.val["annotations"])]
        changed = change(rows)
        path.write_text(changed if isinstance(changed, str) else json.dumps(changed))
        return [finding for finding in sets.diagnose().findings if finding.check == "detections"]

    return of


def changed(key, value):
    def change(rows):
        for row in rows:
            row[key] = value(row) if callable(value) else value
        return rows
    return change


def corners(row):
    x, y, w, h = row["bbox"]
    return [x, y, x + w, y + h]


def test_nothing_is_said_of_a_good_file(diagnose):
    assert diagnose() == []


def test_one_stranger_is_a_note(diagnose):
    for key, value in (("image_id", 777), ("category_id", 3)):
        finding, = diagnose(lambda rows, key=key, value=value: [
            {**rows[0], key: value}, *rows[1:]])
        assert not finding.serious and finding.count == 1 and str(value) in str(finding)


@pytest.mark.parametrize("change, words", [
    (changed("bbox", corners), "would not as corners x1, y1, x2, y2"),
    (changed("bbox", lambda row: [0.1, 0.2, 0.5, 0.5]), "parts of the image's size"),
    (changed("image_id", lambda row: str(row["image_id"])), "image '1'"),
    (changed("image_id", lambda row: f"{row['image_id']:012d}.jpg"), "0000001.jpg"),
    (changed("category_id", 0), "not of the category 1 that is judged (category 0"),
    (changed("category_id", [1]), "(category [1]"), (changed("score", 87.5), "score 87.5"),
    (changed("score", float("nan")), "not between 0 and 1"),
    (changed("bbox", [1, 2, 3]), "no 4 numbers in bbox"),
    (changed("bbox", [1, 2, 3, 10 ** 400]), "no 4 numbers in bbox"),
    (lambda rows: [{}, 5, *rows], "2 of "), (lambda rows: {"annotations": rows}, "must be a list"),
    (lambda rows: "{", "is not JSON"), (lambda rows: "[" * 10 ** 5, "nested too deeply")])
def test_what_is_wrong_with_all_of_them(diagnose, change, words):
    findings = diagnose(change)
    assert [finding.serious for finding in findings] == [True]
    assert words in str(findings[0]) and "val.boxes" in str(findings[0])


@pytest.mark.parametrize("values", [[{"bbox": [1, 1, 0, 0]}], [{"score": 0.01}],
                                    [{"bbox": [1, 1, 0, 0]}, {"score": 0.01}]])
def test_boxes_of_which_none_is_used(diagnose, values):
    findings = diagnose(lambda rows: [row | values[number % len(values)]
                                      for number, row in enumerate(rows)])
    told, = [finding for finding in findings if finding.serious]
    assert "none of the " in str(told) and "below val.box_score, 0.2" in str(told)
    assert not any(finding.serious for finding in diagnose(lambda rows: [
        rows[0], *(row | values[0] for row in rows[1:])]))


@pytest.mark.parametrize("box", [[0, 0, 1e9, 1e9], [0, 0, 5000, 50], [-5000, 0, 5010, 50]])
def test_boxes_far_larger_than_their_image(diagnose, box):
    finding, = diagnose(lambda rows: [rows[0] | {"bbox": box}, *rows[1:]])
    assert finding.serious and finding.count == 1 and "more than twice as wide" in str(finding)


def test_nobody_and_boxes_larger_than_any_image(diagnose):
    finding, = diagnose(lambda rows: [])
    assert finding.serious and "lists nobody" in str(finding)
    findings = diagnose(lambda rows: [rows[0] | {"bbox": [1, 1, 1e300, 5]}, *rows[1:]])
    assert [finding.count for finding in findings] == [1]
    assert "beyond 1e+09" in str(findings[0])


def test_examples_are_different_ones(diagnose):
    finding, = diagnose(lambda rows: [row | {"category_id": 3 + (row is rows[-1])} for row in rows])
    assert str(finding).count("category 3") == 1 and "category 4" in str(finding)
