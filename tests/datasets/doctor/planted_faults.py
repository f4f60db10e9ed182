"""Faults to plant in a data set, one each; for test_examine.py.

Each takes Sets and spoils them. A fault gives what the doctor is to find: the check's name, how
many (None: not fixed), and words of what it says.
"""
import shutil
from dataclasses import replace

import cv2
import numpy as np

from configs.schema import Config, DataConfig, ModelConfig
from tests.datasets.doctor.sets import COCO

NOSE, EYES, WRISTS, LEFT_ANKLE = 0, (1, 2), (9, 10), 15


# ---- one fault each ----------------------------------------------------------------------------

def no_image(sets):
    name = sets.train["images"][3]["file_name"]
    (sets.own_images() / name).unlink()
    return "missing_images", 1, name


def no_folder(sets):
    sets.train_root = sets.folder / "nowhere"
    return "missing_images", 36, "nowhere does not exist"


def image_id_twice(sets):
    """Of an image without people, so that nobody's joints move."""
    extra = {**sets.train["images"][0], "file_name": sets.train["images"][1]["file_name"]}
    sets.train["images"][1:2] = []
    sets.train["annotations"] = [row for row in sets.train["annotations"] if row["image_id"] != 2]
    sets.train["images"].insert(0, extra)
    width = sets.train["images"][1]["width"], sets.train["images"][1]["height"]
    picture = np.zeros((width[1], width[0], 3), np.uint8)
    cv2.imwrite(str(sets.own_images() / extra["file_name"]), picture)
    return "image_ids", 1, "image 1"


def lost_annotation(sets):
    sets.persons[5]["image_id"] = 777
    return "image_ids", 1, "does not list"


def file_twice(sets):
    sets.train["images"].append({**sets.train["images"][0], "id": 777})
    return "image_ids", 1, "several ids"


def annotation_id_twice(sets):
    sets.train["annotations"][1]["id"] = sets.train["annotations"][0]["id"]
    return "annotation_ids", 1, "annotation 1"


def joint_outside(sets):
    row = next(row for row in sets.persons if row["keypoints"][2] and sum(
        v > 0 for v in row["keypoints"][2::3]) > 8)
    row["keypoints"][0] = -40
    return "joints_outside", 1, f"annotation {row['id']}"


def relative_joints(sets):
    sizes = {row["id"]: (row["width"], row["height"]) for row in sets.train["images"]}
    for row in sets.persons:
        for axis in (0, 1):
            side = sizes[row["image_id"]][axis]
            row["keypoints"][axis::3] = [value / side for value in row["keypoints"][axis::3]]
    return "joints_outside", None, "between 0 and 1"


def wrong_box(sets):
    row = max(sets.persons, key=lambda row: row["bbox"][2] * row["bbox"][3])
    x, y, w, h = row["bbox"]
    row["bbox"], row["area"] = [x, y, 12, 12], 80
    table = np.array(row["keypoints"]).reshape(-1, 3)
    row["bbox"][:2] = (table[table[:, 2] > 0, :2].max(axis=0) - 12).tolist()
    return "boxes_hold", 1, f"annotation {row['id']}"


def corner_boxes(sets):
    """x1, y1, x2, y2; areas stay those of the people."""
    for row in sets.train["annotations"]:
        x, y, w, h = row["bbox"]
        row["bbox"] = [x, y, x + w, y + h]
        row["area"] = 0.5 * (x + w) * (y + h)
    return "boxes", None, "they look like corners"


def no_box(sets):
    sets.persons[0]["bbox"][2] = 0
    return "boxes", 1, "without width or height"


def eyes_with_ears(sets):
    pairs = ((1, 4), (3, 2)) + COCO.flip_pairs[2:]
    sets.skeleton = replace(COCO, flip_pairs=pairs)
    return "flip_pairs", 2, "left_eye and right_eye are a pair"


def without_names(sets, flip_pairs):
    """A skeleton whose names tell nothing, so only the people can."""
    names = tuple(f"joint{i}" for i in range(17))
    sets.skeleton = replace(COCO, joint_names=names, flip_pairs=flip_pairs)
    for content in (sets.train, sets.val):
        del content["categories"][0]["keypoints"]


def nameless_eyes_with_ears(sets):
    without_names(sets, ((1, 4), (3, 2)) + COCO.flip_pairs[2:])
    return "flip_pairs", 2, "joint1 and joint2 are a pair, joint3 and joint4 are a pair"


def forgotten_pair(sets):
    without_names(sets, tuple(pair for pair in COCO.flip_pairs if pair != WRISTS))
    return "flip_pairs", 1, "joint9 and joint10 are a pair"


def forgotten_pairs(sets):
    """All of them: in the people nothing contradicts that, but the names do."""
    sets.skeleton = replace(COCO, flip_pairs=())
    return "flip_pairs", 8, "left_ankle and right_ankle are a pair"


def exchange(row, pairs):
    table = [row["keypoints"][i:i + 3] for i in range(0, 51, 3)]
    for a, b in pairs:
        table[a], table[b] = table[b], table[a]
    row["keypoints"] = [value for joint in table for value in joint]


def exchanged_wrists(sets):
    for content in (sets.train, sets.val):
        for row in content["annotations"]:
            exchange(row, [WRISTS])
    return "flip_pairs", None, "left_wrist and right_wrist are exchanged"


def mirrored_people(sets):
    seen = [row for row in sets.persons if all(row["keypoints"][3 * j + 2] for j in (NOSE, *EYES))]
    for row in seen[:3]:
        exchange(row, COCO.flip_pairs)
    return "mirrored_persons", 3, f"annotation {seen[0]['id']}"


def guessed_sigma(sets):
    sets.skeleton = replace(COCO, guessed_sigmas=("nose",))
    return "sigmas", 1, "no sigma for nose"


def no_areas(sets):
    for row in sets.train["annotations"]:
        del row["area"]
    return "areas", None, "have no area"


def areas_of_another_size(sets):
    for row in sets.train["annotations"]:
        row["area"] /= 200
    return "areas", None, "does not fit their box"


def other_category(sets):
    for row in sets.train["annotations"]:
        row["category_id"] = 0
    return "category", None, "AP is -1"


def unknown_category(sets):
    sets.config = Config(data=DataConfig(category=1))
    sets.train["categories"][0]["id"] = 7
    return "category", 1, "no category 1"


def stray_category(sets):
    row = next(row for row in sets.train["annotations"] if row["num_keypoints"] == 0)
    row["category_id"] = 9
    return "category", 1, "does not list"


def second_category(sets):
    sets.train["categories"].append({**sets.train["categories"][0], "id": 2})
    sets.train["annotations"][0]["category_id"] = 2
    return "category", 1, "a second category is called 'person'"


def same_photograph(sets):
    name = sets.val["images"][4]["file_name"]
    target = sets.own_images() / "other_name.jpg"
    shutil.copy(sets.val_root / name, target)
    sets.train["images"].append({**sets.val["images"][4], "id": 777, "file_name": target.name})
    return "overlap", 1, name


def same_person(sets):
    """Another file, but nobody stands exactly like that twice."""
    row = next(row for row in sets.val["annotations"] if row["num_keypoints"] > 9)
    image = next(image for image in sets.val["images"] if image["id"] == row["image_id"])
    content = cv2.imread(str(sets.val_root / image["file_name"]))
    cv2.imwrite(str(sets.own_images() / "again.png"), content)
    sets.train["images"].append({**image, "id": 777, "file_name": "again.png"})
    sets.train["annotations"].append({**row, "id": 777, "image_id": 777})
    return "overlap", 1, image["file_name"]


def same_set(sets):
    sets.val, sets.val_root = sets.train, sets.train_root
    return "overlap", 36, "36 of 36"


def invisible_joint(sets):
    for row in sets.train["annotations"]:
        row["num_keypoints"] -= row["keypoints"][3 * LEFT_ANKLE + 2] > 0
        row["keypoints"][3 * LEFT_ANKLE:3 * LEFT_ANKLE + 3] = [0, 0, 0]
    return "unlabelled_joints", 1, "left_ankle"


def nobody_labelled(sets):
    for row in sets.train["annotations"]:
        row["keypoints"], row["num_keypoints"] = [0] * 51, 0
    return "nobody", None, "AP is -1"


def hidden_as_unlabelled(sets):
    """A tool that writes v = 0 for elbows it does not see, with where it thinks they are."""
    for row in sets.persons[::2]:
        row["keypoints"][23] = row["keypoints"][26] = 0
        row["num_keypoints"] = sum(v > 0 for v in row["keypoints"][2::3])
    return "visibility", None, "v = 0"


def scores_as_visibility(sets):
    sets.persons[0]["keypoints"][2] = 0.87
    sets.persons[0]["num_keypoints"] = sum(v > 0 for v in sets.persons[0]["keypoints"][2::3])
    return "visibility", 1, "none of 0"


def lying_size(sets):
    sets.train["images"][6]["width"] += 1
    return "image_sizes", 1, sets.train["images"][6]["file_name"]


def turned_images(sets):
    """A tool showed them upright, the files lie on their side."""
    root = sets.own_images()
    for image in sets.train["images"][:2]:
        path = str(root / image["file_name"])
        cv2.imwrite(path, np.ascontiguousarray(cv2.imread(path).swapaxes(0, 1)))
    return "image_sizes", 2, "EXIF"


def cut_image(sets):
    path = sets.own_images() / sets.train["images"][2]["file_name"]
    path.write_bytes(path.read_bytes()[:-3000])
    return "image_sizes", 1, "cut short"


def person_twice(sets):
    sets.train["annotations"].append({**sets.persons[3], "id": 7777})
    return "duplicates", 1, "annotation 7777"


def wrong_count(sets):
    sets.persons[0]["num_keypoints"] = 0
    return "num_keypoints", 1, "(1 labelled persons here)"


def other_order(sets):
    names = sets.train["categories"][0]["keypoints"]
    names[1], names[2] = names[2], names[1]
    return "joint_names", 1, "first right_eye in the place of left_eye"


def other_names(sets):
    sets.train["categories"][0]["keypoints"][0] = "snout"
    return "joint_names", 1, "snout is nose"


def fewer_names(sets):
    sets.train["categories"][0]["keypoints"].pop()
    return "joint_names", 1, "names to 16 joints, and the skeleton coco has 17"


def short_row(sets):
    del sets.persons[-1]["keypoints"][-3:]
    return "joint_count", 1, "48 numbers"


def text_for_number(sets):
    sets.persons[0]["keypoints"][0] = "left"
    sets.persons[0]["num_keypoints"] = 0
    return "joint_count", 1, "not numbers"


def row_without_image(sets):
    del sets.train["annotations"][0]["image_id"]
    return "file", 1, "no entries with image_id"


def text_for_crowd(sets):
    sets.train["annotations"][0]["iscrowd"] = "0"
    return "file", 1, "neither 0 nor 1"


def other_num_joints(sets):
    sets.config = Config(model=ModelConfig(num_joints=16))
    return "num_joints", 1, "has 17 joints"


FAULTS = [no_image, no_folder, image_id_twice, lost_annotation, file_twice, annotation_id_twice,
          joint_outside, relative_joints, wrong_box, corner_boxes, no_box, eyes_with_ears,
          nameless_eyes_with_ears, forgotten_pair, forgotten_pairs, exchanged_wrists,
          mirrored_people, guessed_sigma,
          no_areas, areas_of_another_size, other_category, unknown_category, stray_category,
          second_category,
          same_photograph, same_person, same_set, invisible_joint, nobody_labelled,
          hidden_as_unlabelled, scores_as_visibility, lying_size, turned_images, cut_image,
          person_twice, wrong_count, other_order, other_names, fewer_names, short_row,
          text_for_number,
          row_without_image, text_for_crowd, other_num_joints]
NOTES = {guessed_sigma, no_areas, other_names, fewer_names}
