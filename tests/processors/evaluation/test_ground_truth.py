"""What a file of labels says of itself and is not so is counted."""
import json

from processors.evaluation.ground_truth import read_ground_truth


def person(number: int, visibility: int, **more) -> dict:
    return {"id": number, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 400.0,
            "bbox": [0, 0, 20, 20], "keypoints": [5, 5, visibility] * 17, **more}


def test_people_who_are_said_to_have_joints_and_have_none_are_counted(tmp_path):
    path = tmp_path / "people.json"
    people = [person(1, 2, num_keypoints=17), person(2, 0, num_keypoints=5),
              person(3, 0, num_keypoints=1), person(4, 0, num_keypoints=0), person(5, 0),
              person(6, 0, num_keypoints=9, iscrowd=1)]
    path.write_text(json.dumps({"images": [{"id": 1}], "annotations": people,
                                "categories": [{"id": 1, "name": "person"}]}))
    truth = read_ground_truth(path, 17)
    assert truth.people == 1 and truth.arrays.ignored.tolist() == [False] + [True] * 5
    assert len(truth.notes) == 1
    assert truth.notes[0].startswith("num_keypoints is above 0 for 2 persons without labelled")
