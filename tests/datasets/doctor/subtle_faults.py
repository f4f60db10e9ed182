"""More faults to plant, as planted_faults.py does: tools that write what they do not know."""
import copy
from dataclasses import replace

import cv2
import numpy as np

from tests.datasets.doctor.planted_faults import COCO, same_person
from tests.turned_pictures import store_turned


def unlabelled_at_zero(sets):
    """A tool without visibility: what nobody labelled is at 0, 0 and counts as seen."""
    for row in sets.persons:
        row["keypoints"][2::3] = [2] * 17
        row["num_keypoints"] = 17
    return "piled_joints", None, "lie at 0, 0"


def one_joint_at_zero(sets):
    row = next(row for row in sets.persons if row["num_keypoints"] > 8
               and row["keypoints"][:3] != [0, 0, 0])
    row["keypoints"][:2] = 0, 0
    return "piled_joints", 1, f"annotation {row['id']}"


def all_on_one_point(sets):
    x, y, w, h = sets.persons[0]["bbox"]
    sets.persons[0].update(keypoints=[x + w / 2, y + h / 2, 2] * 17, num_keypoints=17)
    return "piled_joints", 17, f"annotation {sets.persons[0]['id']}"


def same_joints_in_another_box(sets):
    row = copy.deepcopy(next(row for row in sets.persons if row["num_keypoints"] == 17))
    row["id"], row["bbox"][0] = 7777, row["bbox"][0] + 2
    sets.train["annotations"].append(row)
    return "duplicates", 1, "annotation 7777"


def no_annotation_ids(sets):
    for row in sets.train["annotations"]:
        del row["id"]
    return "annotation_ids", len(sets.train["annotations"]), "have no id"


def sigmas_in_percent(sets):
    sets.skeleton = replace(COCO, sigmas=tuple(100 * sigma for sigma in COCO.sigmas))
    return "sigmas", 17, "nose 2.6"


def category_as_text(sets):
    for row in sets.train["annotations"]:
        row["category_id"] = str(row["category_id"])
    return "category", None, "no annotation has the category_id 1 that the file gives to the " \
                             "category to train; its annotations have '1'"


def rounded_again(sets):
    """A validation image saved anew, its joints written as whole pixels."""
    found = same_person(sets)
    row = sets.train["annotations"][-1]
    row["keypoints"] = list(map(round, row["keypoints"]))
    return found


def upside_down_by_a_tag(sets):
    """A camera was held upside down; sizes do not tell what the tool made of it."""
    root = sets.own_images()
    for image in sets.train["images"][:3]:
        store_turned(root / image["file_name"], 3)
    return "orientations", 3, "set data.exif to obey"


def two_cameras(sets):
    """One of 12 bits and one of 10, both in files of 16."""
    root = sets.own_images()
    for image, factor in zip(sets.train["images"][:2], (16, 4), strict=True):
        pixels = cv2.imread(str(root / image["file_name"])).astype(np.uint16)
        pixels[0, 0] = 255
        image["file_name"] += ".png"
        cv2.imwrite(str(root / image["file_name"]), pixels * factor)
    return "bit_depths", 2, "set data.bits to 12"


# ---- what two label files, other tools and exports do -----------------------------------------

def labelled_twice(sets, count=3):
    """By two people, whose joints are up to a pixel apart."""
    large = sorted((row for row in sets.persons if row["num_keypoints"] > 9),
                   key=lambda row: -row["bbox"][3])
    for number, row in enumerate(copy.deepcopy(large[:count])):
        joints = np.reshape(row["keypoints"], (17, 3)).astype(float)
        joints[joints[:, 2] > 0, :2] += 0.9, -0.8
        sets.train["annotations"].append({**row, "id": 7777 + number,
                                          "keypoints": joints.ravel().tolist()})
    return "duplicates", count, "annotation 7777"


def one_labelled_twice(sets):
    return labelled_twice(sets, 1)


def _in_train(sets, scale, people=True):
    """A validation image in the training set, saved anew in another size."""
    busy = {row["image_id"] for row in sets.val["annotations"] if row["num_keypoints"] > 9}
    image = next(image for image in sets.val["images"] if image["id"] in busy)
    pixels = cv2.imread(str(sets.val_root / image["file_name"]))
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(sets.own_images() / "holiday.jpg"), small)
    height, width = small.shape[:2]
    sets.train["images"].append({"id": 777, "file_name": "holiday.jpg", "width": width,
                                 "height": height})
    for row in sets.val["annotations"]:
        if people and row["image_id"] == image["id"]:
            joints = [value * (1 if place % 3 == 2 else scale)
                      for place, value in enumerate(row["keypoints"])]
            sets.train["annotations"].append({
                **row, "id": 7000 + row["id"], "image_id": 777, "keypoints": joints,
                "bbox": [value * scale for value in row["bbox"]], "area": row["area"] * scale ** 2})
    return "overlap", 1, f"{image['file_name']} as holiday.jpg"


def half_the_size(sets):
    return _in_train(sets, 0.5)


def half_the_size_without_people(sets):
    return _in_train(sets, 0.5, people=False)


def saved_anew_without_people(sets):
    return _in_train(sets, 1, people=False)


def sigmas_doubled(sets):
    sets.skeleton = replace(COCO, sigmas=tuple(2 * sigma for sigma in COCO.sigmas))
    return "sigmas", 17, "nose 0.052, not 0.026"


def areas_a_quarter(sets):
    for row in sets.train["annotations"]:
        row["area"] = 0.53 / 4 * row["bbox"][2] * row["bbox"][3]
    return "areas", None, "half of the persons have an area below 0.13 of their box"


def relative_boxes(sets):
    sizes = {row["id"]: (row["width"], row["height"]) * 2 for row in sets.train["images"]}
    for row in sets.train["annotations"]:
        row["bbox"] = [value / side for value, side in
                       zip(row["bbox"], sizes[row["image_id"]], strict=True)]
    return "boxes", None, "all boxes lie between 0 and 1"


def boxes_a_quarter_further(sets):
    """Every box, so that it is no slip, as far as the image goes."""
    widths = {row["id"]: row["width"] for row in sets.train["images"]}
    for row in sets.persons:
        x, _, w, _ = row["bbox"]
        row["bbox"][0] += min(w / 4, widths[row["image_id"]] - x - w)
    return "boxes_hold", None, "outside of the left of their box"


SUBTLE_FAULTS = [boxes_a_quarter_further, unlabelled_at_zero, one_joint_at_zero, all_on_one_point,
                 same_joints_in_another_box, no_annotation_ids, sigmas_in_percent,
                 category_as_text, rounded_again, upside_down_by_a_tag, two_cameras,
                 labelled_twice, one_labelled_twice, half_the_size, half_the_size_without_people,
                 saved_anew_without_people, sigmas_doubled, areas_a_quarter, relative_boxes]
SUBTLE_NOTES = {no_annotation_ids, sigmas_doubled, one_labelled_twice}
