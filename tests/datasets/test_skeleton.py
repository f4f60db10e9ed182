"""The COCO skeleton is the official one; a wrong skeleton file is told in a sentence."""
import pytest

from datasets.skeleton import load_skeleton


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


def test_flipping_twice_changes_nothing():
    order = load_skeleton("coco").flip_order
    assert [order[j] for j in order] == list(range(17))


def test_own_skeleton_by_path(tmp_path):
    path = tmp_path / "stick.yaml"
    path.write_text("joints: [[head, 0.05, 1, upper], [l, 0.05, 1, lower], [r, 0.05, 1, lower]]\n"
                    "flip_pairs: [[l, r]]\nlimbs: [[head, l], [head, r]]\n")
    skeleton = load_skeleton(str(path))
    assert skeleton.name == "stick" and skeleton.flip_order == (0, 2, 1)
    assert skeleton.limbs == ((0, 1), (0, 2))


@pytest.mark.parametrize("text, part", [
    ("joints: [[a, 0.1, 1, upper], [a, 0.1, 1, upper]]", "twice"),
    ("joints: [[a, 0.1, 1, middle]]", "upper or lower"),
    ("joints: [[a, 0.1, 1]]", "upper or lower"),
    ("joints: [[a, 0.1, 1, upper]]\nlimbs: [[a, b]]", "limbs"),
    ("name: empty", "joints"), ("a: [", "not valid YAML"),
])
def test_wrong_skeleton_file(tmp_path, text, part):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=part) as caught:
        load_skeleton(str(path))
    assert "wrong.yaml" in str(caught.value)


def test_missing_skeleton_lists_the_known_ones():
    with pytest.raises(FileNotFoundError, match="coco"):
        load_skeleton("cocoa")
