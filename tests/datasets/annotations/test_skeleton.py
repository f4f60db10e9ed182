"""The skeletons are those of their data sets; a wrong skeleton file is told in a sentence."""
import json

import pytest
import torch

from datasets.annotations.skeleton import (
    DEFAULT_SIGMA,
    SKELETON_DIR,
    joint_map,
    load_skeleton,
    skeleton_from_dict,
    skeleton_to_dict,
)

NAMES = sorted(path.stem for path in SKELETON_DIR.glob("*.yaml"))


def test_coco_skeleton_is_the_official_one():
    skeleton = load_skeleton("coco")
    assert skeleton.num_joints == len(skeleton.sigmas) == len(skeleton.joint_weights) == 17
    assert skeleton.joint_names[:3] == ("nose", "left_eye", "right_eye")
    assert skeleton.flip_pairs == tuple((j, j + 1) for j in range(1, 17, 2))
    assert skeleton.flip_order == (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
    assert skeleton.upper_body == tuple(range(11)) and skeleton.lower_body == tuple(range(11, 17))
    assert skeleton.sigmas == (.026, .025, .025, .035, .035, .079, .079, .072, .072, .062, .062,
                               .107, .107, .087, .087, .089, .089)
    assert skeleton.joint_weights == (1,) * 7 + (1.2, 1.2, 1.5, 1.5, 1, 1, 1.2, 1.2, 1.5, 1.5)
    assert all(0 <= joint < 17 for limb in skeleton.limbs for joint in limb)


@pytest.mark.parametrize("name", NAMES)
def test_every_skeleton_is_whole(name):
    skeleton = load_skeleton(name)
    order = skeleton.flip_order
    assert skeleton.name == name and not skeleton.guessed_sigmas and not skeleton.notes()
    assert [order[j] for j in order] == list(range(skeleton.num_joints))
    assert len(skeleton.limb_colours) == len(skeleton.limbs)
    bodily = [joint for joint in skeleton.joint_names if not joint.startswith("face-")]
    assert len(skeleton.limbs) >= len(bodily) - 4     # ears, say, may stand alone
    pairs = {tuple(skeleton.joint_names[j] for j in pair) for pair in skeleton.flip_pairs}
    pairs = {pair for pair in pairs if set(pair) <= set(bodily)}
    assert pairs == {(joint, joint.replace("left_", "right_")) for joint in skeleton.joint_names
                     if joint.startswith("left_")}
    assert not set(skeleton.upper_body) & set(skeleton.lower_body)


def test_the_joints_of_the_published_data_sets():
    counts = {name: load_skeleton(name).num_joints for name in NAMES}
    assert counts == {"ap10k": 17, "coco": 17, "coco_wholebody": 133, "crowdpose": 14,
                      "halpe26": 26, "hand21": 21, "mpii": 16}
    assert load_skeleton("mpii").joint_names[6:10] == ("pelvis", "thorax", "upper_neck", "head_top")
    assert load_skeleton("crowdpose").joint_names[-2:] == ("head_top", "neck")
    assert load_skeleton("crowdpose").sigmas == (
        .079, .079, .072, .072, .062, .062, .107, .107, .087, .087, .089, .089, .079, .079)
    halpe, coco = load_skeleton("halpe26"), load_skeleton("coco")
    assert halpe.joint_names[:17] == coco.joint_names and halpe.sigmas[:17] == coco.sigmas
    assert halpe.sigmas[17:] == (.026, .026, .066, *(.079,) * 6)
    hand = load_skeleton("hand21")
    assert hand.flip_order == tuple(range(21)) and hand.limb_colours[0] == (255, 140, 0)
    assert not hand.upper_body and not hand.lower_body


def test_the_whole_body_is_that_of_mmpose(shared):
    golden = json.loads((shared / "golden/next/wholebody_skeleton.json").read_text())
    skeleton, names = load_skeleton("coco_wholebody"), tuple(golden["names"])
    assert skeleton.joint_names == names and skeleton.sigmas == tuple(golden["sigmas"])
    assert skeleton.joint_weights == tuple(golden["joint_weights"])
    assert sorted(map(list, skeleton.flip_pairs)) == sorted(golden["flip_pairs"])
    assert [[names[a], names[b]] for a, b in skeleton.limbs] == golden["skeleton"]
    assert list(skeleton.upper_body) == golden["upper_body"]
    assert list(skeleton.lower_body) == golden["lower_body"]
    assert list(skeleton.parts) == list(golden["parts"])
    assert {part: tuple(range(*ends)) for part, ends in golden["parts"].items()} == skeleton.parts


def test_the_parts_of_the_whole_body():
    """What holds without the golden file."""
    whole, coco, hand = map(load_skeleton, ("coco_wholebody", "coco", "hand21"))
    assert {part: len(joints) for part, joints in whole.parts.items()} == {
        "body": 17, "foot": 6, "face": 68, "lefthand": 21, "righthand": 21, "wholebody": 133}
    assert whole.joint_names[:17] == coco.joint_names and whole.sigmas[:17] == coco.sigmas
    assert len(whole.flip_pairs) == 61
    for part in ("lefthand", "righthand"):
        assert tuple(whole.sigmas[joint] for joint in whole.parts[part]) == hand.sigmas


def test_parts_are_runs_and_single_joints():
    raw = {"joints": [*"abcde"], "parts": {"tail": ["e", ["a", "b"], "a"], "c": ["c"]}}
    skeleton = skeleton_from_dict(raw, "x")
    assert skeleton.parts == {"tail": (0, 1, 4), "c": (2,)}
    assert list(skeleton_from_dict(skeleton_to_dict(skeleton), "x").parts) == ["tail", "c"]
    assert skeleton_from_dict(skeleton_to_dict(skeleton), "x") == skeleton
    assert "parts" not in skeleton_to_dict(load_skeleton("coco"))


def test_joints_are_mapped_by_name():
    mpii, crowd = load_skeleton("mpii"), load_skeleton("crowdpose")
    places = joint_map(mpii, crowd)
    assert [mpii.joint_names[place] if place >= 0 else None for place in places] == [
        *crowd.joint_names[:13], None]
    with pytest.raises(ValueError, match="mpii and hand21 have no joint name in common"):
        joint_map(mpii, load_skeleton("hand21"))


@pytest.mark.parametrize("name", ["coco", "hand21", "coco_wholebody"])
def test_a_skeleton_travels_as_plain_containers(name):
    skeleton = load_skeleton(name)
    raw = json.loads(json.dumps(skeleton_to_dict(skeleton)))
    assert skeleton_from_dict(raw, "x.pth") == skeleton
    with pytest.raises(ValueError, match="x.pth: limbs has the entry"):
        skeleton_from_dict(raw | {"limbs": [["nose", "tail"]]}, "x.pth")


def test_guessed_sigmas_are_still_guessed_after_a_journey(tmp_path):
    (tmp_path / "bare.yaml").write_text("joints: [nose, [tail, 0.1, 2, lower]]")
    skeleton = load_skeleton(str(tmp_path / "bare.yaml"))
    assert skeleton_from_dict(skeleton_to_dict(skeleton), "x.pth") == skeleton


def test_own_skeleton_by_path(tmp_path):
    path = tmp_path / "stick.yaml"
    path.write_text("joints: [[head, 0.05, 1, upper], [l, 0.05, 1, lower], [r, 0.05, 1, lower]]\n"
                    "flip_pairs: [[l, r]]\nlimbs: [[head, l], [head, r]]\n")
    skeleton = load_skeleton(str(path))
    assert skeleton.name == "stick" and skeleton.flip_order == (0, 2, 1)
    assert skeleton.limbs == ((0, 1), (0, 2)) and skeleton.limb_colours == (None, None)


def test_names_alone_are_a_skeleton_and_guessed_sigmas_are_told(tmp_path):
    path = tmp_path / "bare.yaml"
    path.write_text("joints: [nose, 1, [tail, 0.1, 1, lower], [paw, ~, 1, lower]]\n")
    skeleton = load_skeleton(str(path))
    assert skeleton.joint_names == ("nose", "1", "tail", "paw") and skeleton.lower_body == (2, 3)
    assert skeleton.sigmas == (DEFAULT_SIGMA, DEFAULT_SIGMA, 0.1, DEFAULT_SIGMA)
    assert "no sigma for nose, 1, paw; 0.067 is used" in skeleton.notes()[0]


@pytest.mark.parametrize("text, part", [
    ("joints: [[a, 0.1, 1, upper], [a, 0.1, 1, upper]]", "joints has a twice"),
    ("joints: [[a, 0.1, 1, middle]]", "upper, lower or neither"),
    ("joints: [[a, 0.1, 1]]", "write a name, or"),
    ("joints: [[a, -1, 1, upper]]", "sigma must be a number above 0"),
    ("joints: [[a, .nan, 1, upper]]", "sigma must be"), ("joints: [[a, 1, x, upper]]", "weight"),
    ("joints: [a, no]", "put quotes around"), ("joints: a", "needs a list of joints"),
    ("joints: [a, b]\nlimbs: [[a, c]]", "limbs has the entry .*c is none of the joints a, b"),
    ("joints: [left, right]\nlimbs: [[left, rigth]]", "did you mean right"),
    ("joints: [a, b]\nlimbs: [[a, a]]", "two different joints"),
    ("joints: [a, b]\nlimbs: [[a, b, red]]", "may stand a colour"),
    ("joints: [a, b]\nlimbs: [[a, b, [0, 0, 256]]]", "may stand a colour"),
    ("joints: [a, b]\nlimbs: [a]", "two names"), ("joints: [a]\nlimbs: a", "list of pairs"),
    ("joints: [a, b]\nflip_pairs: [[a, a]]", "two different joints"),
    ("joints: [a, b, c]\nflip_pairs: [[a, b], [c, a]]", "a stands in another pair already"),
    ("joints: [a, b]\nflip_pairs: [[a, b, 1]]", "two names"),
    ("joints: [a]\nparts: [a]", "parts has the entry .* write at most 50 names of parts"),
    ("joints: [a]\nparts: {a-b: [a]}", "the name of a part is a word"),
    ("joints: [a]\nparts: {b: a}", "write the list of its joints, .first, last. in it"),
    ("joints: [a]\nparts: {b: []}", "write the list of its joints"),
    ("joints: [nose]\nparts: {b: [noes]}", "noes is none of the joints; did you mean nose"),
    ("joints: [a, b]\nparts: {b: [[b, a]]}", "the first joint stands behind the last one"),
    ("joints: [a, b]\nparts: {b: [[a]]}", "a run of joints is .first, last."),
    ("joints: [a]\nparts: {b: [{a: 1}]}", "each entry is a joint, or .first, last."),
    ("joints: [a]\nflip_pair: []", "no key flip_pair; did you mean flip_pairs"),
    ("name: empty", "joints"), ("a: [", "not valid YAML"),
    ("joints: [a]\njoints: [b]", "the key joints twice"),
    ("joints: [a]\nname: [b]", "write one word"),
    (f"joints: [[a, {'9' * 400}, 1, upper]]", "the sigma must be a number above 0 and at most"),
    (f"joints: [[a, 1, {'9' * 400}, upper]]", "the weight must be a number of at least 0 and at"),
    (f"joints: [{', '.join(f'j{i}' for i in range(1001))}]", "joints has 1001 entries; at most"),
    (f"joints: {'[' * 500}", "more than 20 brackets"), ("name: !!int ''", "not valid YAML"),
    (f"joints: [{'x' * 101}]", "the name must be text of at most 100"),
    ('joints: ["a\\e[2J"]', "the name must be text"), ("joints: [a]\nlimbs: 0", "list of pairs"),
    ("joints: [a, b]\nlimbs: [[[a], b]]", "each entry is two names"),
    ("joints: [&a [x, x, x], &b [*a, *a, *a], [*b, *b, *b]]", "the name must be|write a name"),
])
def test_wrong_skeleton_file(tmp_path, text, part):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=part) as caught:
        load_skeleton(str(path))
    assert "wrong.yaml" in str(caught.value) and "\n" not in str(caught.value)


def test_a_stored_skeleton_may_hold_anything():
    doubled: list = ["a"]
    for _ in range(30):
        doubled = [doubled, doubled]
    for raw in ({"joints": doubled}, {"joints": ["a"], "name": doubled}, {"joints": [10 ** 6000]},
                {"joints": [f"joint{i}" for i in range(300_000)]}, {"joints": ["a" * 90] * 1000},
                {"joints": ["a", "b"], "limbs": [["a", "b"]] * 100_000},
                {"joints": ["a", "b"], "limbs": [[doubled, "a"]]},
                {"joints": ["a", "b"], "parts": {"c": [doubled]}},
                {"joints": ["a", "b"], "parts": {"c": [[doubled, "a"]]}},
                {"joints": ["a", "b"], "parts": {"c": ["a"] * 10 ** 6}},
                {"joints": ["a", "b"], "parts": dict.fromkeys(map(str, range(10 ** 5)), ["a"])},
                {"joints": ["x" * 10 ** 6]}, {"joints": ["a"], "x" * 10 ** 6: 1},
                {"joints": [f"joint{i}" for i in range(1000)], "limbs": [["tail", "ear"]]},
                {"joints": ["a"], "limbs": torch.zeros(3)}, {"joints": [torch.zeros(4)]}):
        with pytest.raises(ValueError, match="^x.pth: ") as caught:
            skeleton_from_dict(raw, "x.pth")
        assert len(str(caught.value)) < 400


def test_a_skeleton_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "stick.yaml").write_text("joints: [top, foot]")
    assert load_skeleton("~/stick.yaml").joint_names == ("top", "foot")


def test_missing_skeleton_lists_the_known_ones():
    with pytest.raises(FileNotFoundError, match="coco"):
        load_skeleton("cocoa")


def test_a_path_without_an_ending_is_no_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"^skeleton file {tmp_path} is no file: give"):
        load_skeleton(str(tmp_path))
    with pytest.raises(FileNotFoundError, match=f"^skeleton file {tmp_path}/cow does not exist"):
        load_skeleton(f"{tmp_path}/cow")
