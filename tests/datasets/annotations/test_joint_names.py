"""Joint names: every spelling is read, and other orders are told from other joints."""
import pytest

from datasets.annotations.category import ensure_joint_order
from datasets.annotations.joint_names import (
    misplaced,
    own_name,
    partners,
    same_joints,
    sides,
    without_partner,
)
from datasets.annotations.skeleton import SKELETON_DIR, load_skeleton
from tests.datasets.annotations.spellings import AI_CHALLENGER, SPELLINGS, spelled
from utils.errors import UserError

COCO = load_skeleton("coco")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_spelling_is_read(spelling):
    names = spelled(COCO.joint_names, spelling)
    assert partners(names) == list(COCO.flip_order)
    assert sides(names) == [("left" in name) - ("right" in name) for name in COCO.joint_names]
    assert same_joints(names, COCO.joint_names) == list(range(17))
    assert misplaced(names, COCO.joint_names) == -1
    turned = [names[place] for place in COCO.flip_order]
    assert misplaced(turned, COCO.joint_names) == 1


@pytest.mark.parametrize("names", [
    "Auge_links Auge_rechts", "linkesOhr rechtesOhr", "oeil_gauche oeil_droit", "main_gauche "
    "main_droite", "ojo_izq ojo_der", "mano_izquierda mano_derecha", "ojo_izquierdo ojo_derecho",
    "mano_sx mano_dx", "mano_sinistra mano_destra", "olho_esq olho_dir", "mão_esquerda mão_direita",
    "левая_рука правая_рука", "левый_глаз правый_глаз", "왼쪽_눈 오른쪽_눈", "ひだりめ みぎめ",
    "lft_eye rgt_eye"])
def test_sides_are_read_in_other_languages(names):
    assert partners(names.split()) == [1, 0] and sides(names.split()) == [1, -1]


@pytest.mark.parametrize("path", sorted(SKELETON_DIR.glob("*.yaml")), ids=lambda path: path.stem)
def test_our_own_pairs_are_what_the_names_say(path):
    skeleton = load_skeleton(str(path))
    numbered = [name.startswith("face-") for name in skeleton.joint_names]  # by 300-W, sideless
    assert [place if face else pair for place, (pair, face) in enumerate(zip(
        skeleton.flip_order, numbered, strict=True))] == partners(skeleton.joint_names)


@pytest.mark.parametrize("names", [
    ["L1", "R1", "T12"], ["tl", "tr", "br", "bl"], ["upright", "bright", "nose"], ["left", "tail"],
    ["lip", "nose", "ear"], ["1", "2"], ["-", "+"], ["lear", "left_ear"],
    ["left_eye", "Left_Eye", "tail"]])
def test_names_that_tell_no_sides(names):
    assert partners(names) == list(range(len(names)))


def test_a_joint_has_one_partner():
    found = partners(["left_eye", "Left_Eye", "right_eye"])
    assert [found[other] for other in found] == [0, 1, 2]


def test_left_and_right_alone_are_a_pair():
    assert partners(["左", "right", "右", "left", "lear", "rear"]) == [2, 3, 0, 1, 5, 4]


def test_another_order_in_another_spelling_is_refused():
    crowdpose = load_skeleton("crowdpose")
    assert misplaced(AI_CHALLENGER, crowdpose.joint_names) == 0
    assert misplaced(["skull" if name == "Head top" else name for name in AI_CHALLENGER],
                     crowdpose.joint_names) == 0
    category = {"id": 1, "name": "person", "keypoints": AI_CHALLENGER}
    with pytest.raises(UserError, match="another order, first Right Shoulder in the place of "
                                        "left_shoulder"):
        ensure_joint_order([category], (1,), crowdpose, "aic.json")


def test_what_only_counts_may_count_from_another_number():
    ours = [f"kp{number}" for number in range(5)]
    assert misplaced([f"kp{number + 1}" for number in range(5)], ours) == -1
    assert misplaced(ours[::-1], ours) == 0
    assert misplaced(["a", "b", "c"], ["a", "c", "b", "d"]) == -1       # more of them


@pytest.mark.parametrize("spelling", sorted(SPELLINGS.keys() - {"leye", "LEYE"}))
def test_a_name_alone_is_found(spelling):
    for name, other in zip(COCO.joint_names, spelled(COCO.joint_names, spelling), strict=True):
        assert own_name(other, COCO.joint_names) == name
    assert not any(own_name(name, COCO.joint_names) for name in ("eye", "leg", "rear", "l", "5"))


def test_names_that_would_become_one_stay_apart():
    assert same_joints(["hand_1", "1_hand", "tip 1 2"], ["1_hand", "hand_1", "tip12"]) == [1, 0, -1]
    assert same_joints(["left_eye", "tail"], ["left_eye", "right_eye"]) == [0, -1]


@pytest.mark.parametrize("names, found, alone", [
    ("Eye_L r_eye left_ear earR nose", [1, 0, 3, 2, 4], ""),
    ("EyeRight Eye_L lip", [1, 0, 2], ""), ("rear left_ear", [0, 1], "left_ear"),
    ("left_eye right_eye eye_l", [1, 0, 2], "eye_l"),      # two have that rest
    ("左膝 knee_right shoulder under", [0, 1, 2, 3], "左膝 knee_right")])
def test_two_spellings_of_sides_are_a_pair_and_lone_sides_are_told(names, found, alone):
    assert partners(names.split()) == found and without_partner(names.split()) == alone.split()
