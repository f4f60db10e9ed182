"""Left and right by names in any spelling, by the people where names tell nothing, and silence
about real people, however few."""
import json
from dataclasses import replace

import numpy as np
import pytest

from datasets.annotations.skeleton import skeleton_from_dict
from datasets.doctor.check_left_right import flip_pairs, mirrored_persons
from datasets.doctor.mirror import Mirror
from tests.datasets.annotations.spellings import SPELLINGS, spelled
from tests.datasets.doctor.sets import COCO, Sets, draw, raw_set

CORNERS = ("a", "b", "c", "d")      # top left, top right, bottom right, bottom left


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("people"), train=40, val=2)


@pytest.fixture(scope="module")
def real(shared):
    """Images of COCO with their annotations."""
    folder = shared / "data" / "coco" / "annotations"
    found = []
    for name in ("train", "val"):
        content = json.loads((folder / f"person_keypoints_{name}2017.json").read_bytes())
        found += [(image, [row for row in content["annotations"]
                           if row["image_id"] == image["id"]]) for image in content["images"]]
    return found


def sentences(check, *args):
    return [str(finding) for finding in check(raw_set(*args))]


def named(names, pairs=()):
    return replace(COCO, joint_names=tuple(names), flip_pairs=tuple(pairs))


# ---- names -------------------------------------------------------------------------------------

@pytest.mark.parametrize("spelling", SPELLINGS)
def test_forgotten_pairs_are_found_in_any_spelling(people, tmp_path, spelling):
    names = spelled(COCO.joint_names, spelling)
    content = Sets.of(people, tmp_path).train
    (said,) = sentences(flip_pairs, tmp_path, content, named(names))
    assert f"{names[15]} and {names[16]} are a pair" in said and said.startswith("WRONG")
    assert "lack 8 of 8 pairs" in said
    assert not sentences(flip_pairs, tmp_path, content, named(names, COCO.flip_pairs))


@pytest.mark.parametrize("spelling", ["L_Eye", "左eye"])
def test_persons_labelled_mirrored_are_found_in_any_spelling(people, tmp_path, spelling):
    content = Sets.of(people, tmp_path).train
    for row in content["annotations"]:
        table = np.reshape(row["keypoints"], (17, 3))
        row["keypoints"] = table[list(COCO.flip_order)].ravel().tolist()
    (said,) = sentences(mirrored_persons, tmp_path, content,
                        named(spelled(COCO.joint_names, spelling), COCO.flip_pairs))
    assert "the names are exchanged here: what is called left is the person's right" in said


# ---- people ------------------------------------------------------------------------------------

def numbered(content, count, seed):
    """A set of so many real images, and joints that are called 0 to 16."""
    chosen = np.random.default_rng(seed).choice(len(content), count, replace=False)
    images = [content[row] for row in chosen]
    return {"images": [image for image, _ in images], "categories": [{"id": 1, "name": "person"}],
            "annotations": [row for _, rows in images for row in rows]}


@pytest.mark.parametrize("seed", range(3))
def test_forgotten_pairs_are_found_by_the_people(real, tmp_path, seed):
    content = numbered(real, 120, seed)
    names = list(map(str, range(17)))
    (said,) = sentences(flip_pairs, tmp_path, content, named(names))
    assert "mostly one way round though none has a partner" in said
    for a, b in COCO.flip_pairs:
        assert f"{a} and {b} are a pair" in said
    assert not sentences(flip_pairs, tmp_path, content, named(names, COCO.flip_pairs))


def test_what_chance_does_is_no_asymmetry():
    noise = np.random.default_rng(0).normal(0, 0.1, (20, 20))
    few = Mirror((noise, np.full((20, 20), 0.01)), (noise[0], np.full(20, 0.01)), None)
    assert abs(few.asymmetry([place ^ 1 for place in range(20)]).mean()) < 0.02


def without(pair):
    return named(map(str, range(17)), [one for one in COCO.flip_pairs if one != pair])


@pytest.mark.parametrize("pair", [(9, 10), (7, 8)])
def test_one_forgotten_pair_is_named_by_forty_images(real, tmp_path, pair):
    for seed in range(6):
        (said,) = sentences(flip_pairs, tmp_path, numbered(real, 40, seed), without(pair))
        assert f"lack 1 of 8 pairs: {pair[0]} and {pair[1]} are a pair" in said


def test_few_people_are_a_note(real, tmp_path):
    """Hips are near each other."""
    notes = []
    for seed in range(6):
        found = sentences(flip_pairs, tmp_path, numbered(real, 25, seed), without((11, 12)))
        assert not any("do not mirror" in said for said in found)
        notes += [said for said in found if said.startswith("note")]
        assert all("11 and 12 are a pair" in said for said in found)
    assert notes and all("as far as so few people can tell" in said for said in notes)


def test_people_confirm_a_skeleton_against_its_names(real, tmp_path):
    """Hips that are called knees are left alone; knees that are paired with hips are not."""
    names = list(COCO.joint_names)
    names[11], names[13] = names[13], names[11]
    for seed in range(3):
        content = numbered(real, 25, seed)
        assert not sentences(flip_pairs, tmp_path, content, named(names, COCO.flip_pairs))
        (said,) = sentences(flip_pairs, tmp_path, content, named(
            COCO.joint_names, [(11, 14), (12, 13), *(pair for pair in COCO.flip_pairs
                                                     if pair not in ((11, 12), (13, 14)))]))
        assert "do not mirror people" in said


@pytest.mark.parametrize("count", [10, 15, 20, 30, 40])
@pytest.mark.parametrize("skeleton", [COCO, named(map(str, range(17)), COCO.flip_pairs)],
                         ids=["named", "numbered"])
def test_right_pairs_in_few_images_are_right(real, tmp_path, count, skeleton):
    """Not even a note, but in one of 200 sets."""
    notes = [said for seed in range(20)
             for said in sentences(flip_pairs, tmp_path, numbered(real, count, seed), skeleton)]
    assert len(notes) <= (count == 20 and skeleton is not COCO)
    assert all("as far as so few people can tell" in said for said in notes)


def cards(turned, count=30):
    """Rectangles, upright or turned, with a corner for a joint."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        width, height = rng.uniform(100, 140), rng.uniform(60, 90)
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]])
        angle = rng.uniform(0, 2 * np.pi) if turned else rng.normal(0, 0.05)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        corners = corners @ turn + rng.normal(0, 2, (4, 2)) + 300
        low, high = corners.min(axis=0), corners.max(axis=0)
        rows.append({"id": number + 1, "image_id": 1, "category_id": 1, "num_keypoints": 4,
                     "bbox": [*low, *(high - low)], "area": 900,
                     "keypoints": np.column_stack([corners, [2] * 4]).ravel().tolist()})
    return {"images": [{"id": 1, "file_name": "a.jpg", "width": 700, "height": 700}],
            "annotations": rows, "categories": [{"id": 1, "name": "card"}]}


def corner_skeleton(*pairs):
    return skeleton_from_dict({"joints": list(CORNERS), "flip_pairs": list(map(list, pairs))}, "x")


def test_the_diagonals_of_upright_cards_are_no_pairs(tmp_path):
    (said,) = sentences(flip_pairs, tmp_path, cards(False), corner_skeleton("ac", "bd"))
    assert "a and b are a pair, c and d are a pair" in said
    for turned in (False, True):
        assert not sentences(flip_pairs, tmp_path, cards(turned), corner_skeleton("ab", "cd"))


def test_corners_without_pairs_go_round_one_way(tmp_path):
    (said,) = sentences(flip_pairs, tmp_path, cards(False), corner_skeleton())
    assert "a and b are a pair, c and d are a pair" in said
    assert len(sentences(flip_pairs, tmp_path, cards(True), corner_skeleton())) == 1


def test_right_pairs_of_those_who_all_show_one_side_are_left_alone(tmp_path):
    """Horses on a race course: nose left of the tail in all of them."""
    rng = np.random.default_rng(1)
    at = np.array([[0, 0], [100, 20], [25, 80], [27, 80], [80, 80], [82, 80]])
    content = cards(False, 40)
    for row in content["annotations"]:
        points = at + 250 + rng.normal(0, 4, at.shape)
        row.update(bbox=[*(points.min(axis=0)), *np.ptp(points, axis=0)], num_keypoints=6,
                   keypoints=np.column_stack([points, [2] * 6]).ravel().tolist())
    skeleton = skeleton_from_dict({"joints": list("nt1234"),
                                   "flip_pairs": [["1", "2"], ["3", "4"]]}, "x")
    assert not sentences(flip_pairs, tmp_path, content, skeleton)


def test_right_hands_seen_from_the_palm_have_no_pairs(tmp_path):
    """They all turn one way, and index and ring finger are nearly alike, thumb and pinky less."""
    rng = np.random.default_rng(2)
    fingers = [(-55, 0.25, 0.6), (-12, 0.48, 0.92), (0, 0.47, 0.97), (10, 0.44, 0.9),
               (22, 0.42, 0.7)]
    content = cards(False, 60)
    for row in content["annotations"]:
        points = [(0, 0)] + [(reach * np.sin(np.radians(angle)), -reach * np.cos(np.radians(angle)))
                             for angle, base, tip in fingers for reach in (base, tip)]
        points = np.array(points) * 200 * rng.uniform(0.9, 1.1, 2) + rng.normal(0, 6, (11, 2)) + 350
        row.update(bbox=[*points.min(axis=0), *np.ptp(points, axis=0)], num_keypoints=11,
                   keypoints=np.column_stack([points, [2] * 11]).ravel().tolist())
    skeleton = skeleton_from_dict({"joints": list("wabcdefghij")}, "hand")
    assert not sentences(flip_pairs, tmp_path, content, skeleton)
