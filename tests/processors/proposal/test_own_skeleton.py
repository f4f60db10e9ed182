"""The skeleton that labels bring along: of data.yaml, of a COCO category, of CVAT's drawing."""
import json

import cv2
import numpy as np
import pytest

import main
from datasets.annotations.skeleton import load_skeleton
from processors.proposal.own_skeleton import own_skeleton
from utils.errors import UserError

SVG = ('&lt;line data-type="edge" data-node-from="7" stroke="x" data-node-to="9"&gt;&lt;/line&gt;'
       '&lt;circle data-node-id="7" data-label-name="nose"&gt;&lt;/circle&gt;&lt;circle '
       'data-node-id="9" data-label-name="LEye"&gt;&lt;/circle&gt;')


def cvat(folder, more=""):
    path = folder / "annotations.xml"
    parts = "".join(f"<label><name>{name}</name><type>points</type><parent>cat</parent></label>"
                    for name in ("nose", "LEye", "REye"))
    points = "".join(f'<points label="{name}" points="{x},5"/>'
                     for x, name in ((3, "nose"), (5, "LEye"), (7, "REye")))
    path.write_text(
        f"<annotations><meta><project><labels><label><name>cat</name><type>skeleton</type><svg>"
        f"{SVG}</svg></label>{parts}{more}</labels></project></meta><image name='a.png' width='40' "
        f"height='20'><skeleton label='cat'>{points}</skeleton></image></annotations>")
    return path


def coco(folder, names=("nose", "LEye", "REye"), limbs=((1, 2), (1, 3))):
    path = folder / "in.json"
    path.write_text(json.dumps({
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [{"image_id": 1, "category_id": 4,
                         "keypoints": [3, 5, 2, 5, 5, 2, 7, 5, 1]}],
        "categories": [{"id": 4, "name": "cat", "keypoints": names, "skeleton": limbs}]}))
    return path


def yolo(folder, more="kpt_names: {0: [nose, LEye, REye]}"):
    (folder / "labels").mkdir()
    (folder / "labels" / "a.txt").write_text("0 .5 .5 .5 .5 .1 .2 2 .2 .2 2 .3 .2 1")
    (folder / "data.yaml").write_text(
        f"names: [cat]\nkpt_shape: [3, 3]\nflip_idx: [0, 2, 1]\n{more}\n")
    return folder


def labelme(folder):
    (folder / "labels").mkdir()
    shapes = [("point", "nose", [[3, 5]]), ("point", "LEye", [[5, 5]]), ("point", "REye", [[7, 5]]),
              ("rectangle", "cat", [[1, 1], [9, 9]])]
    for number in range(21):    # of which one has a mistyped name
        rows = [{"shape_type": kind, "label": name if number or name != "nose" else "nos",
                 "points": points, "group_id": 1} for kind, name, points in shapes]
        (folder / "labels" / f"{number}.json").write_text(json.dumps(
            {"imagePath": "../images/a.png", "shapes": rows}))
    return folder / "labels"


FORMS = {"cvat": (cvat, ((0, 1),)), "coco": (coco, ((0, 1), (0, 2))), "yolo": (yolo, ())}


@pytest.mark.parametrize("form", FORMS)
def test_an_import_without_a_skeleton_makes_one_that_loads(tmp_path, form):
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.zeros((20, 40, 3), np.uint8))
    write, limbs = FORMS[form]
    for _ in range(2):      # the same may be made again
        assert main.main(["import", "--from", form, str(write(tmp_path) if not _ else {
            "cvat": tmp_path / "annotations.xml", "coco": tmp_path / "in.json",
            "yolo": tmp_path}[form]), "--skeleton-out", str(tmp_path / "cat.yaml"), "--out",
            str(tmp_path / "out.json")]) == 0
    skeleton = load_skeleton(str(tmp_path / "cat.yaml"))
    assert (skeleton.name, skeleton.joint_names) == ("cat", ("nose", "LEye", "REye"))
    assert skeleton.flip_pairs == ((1, 2),) and skeleton.limbs == limbs
    (person,) = json.loads((tmp_path / "out.json").read_text())["annotations"]
    assert person["num_keypoints"] == 3


def test_joints_without_names_are_numbered(tmp_path):
    skeleton = own_skeleton("yolo", yolo(tmp_path, ""), "", tmp_path / "cat.yaml")
    assert skeleton.joint_names == ("joint1", "joint2", "joint3")
    assert skeleton.flip_pairs == ((1, 2),)
    skeleton = own_skeleton("coco", coco(tmp_path, []), "cat", tmp_path / "cat2.yaml")
    assert skeleton.joint_names == ("joint1", "joint2", "joint3") and not skeleton.flip_pairs


@pytest.mark.parametrize("limbs, found", [([[0, 1], [0, 2]], ((0, 1), (0, 2))),
                                          ([[1, 2], [9, 1], ["a", 2], 3, [2, 2]], ((0, 1),))])
def test_limbs_that_count_from_0_and_limbs_of_no_joint(tmp_path, limbs, found):
    assert own_skeleton("coco", coco(tmp_path, limbs=limbs), "", tmp_path / "s.yaml").limbs == found


def test_odd_names_come_through(tmp_path):
    names = ["on", "左眼: 'x'", "1"]
    own_skeleton("coco", coco(tmp_path, names), "", tmp_path / "s.yaml")
    assert load_skeleton(str(tmp_path / "s.yaml")).joint_names == tuple(names)


@pytest.mark.parametrize("form, wanted, part", [
    ("labelme", "", "no points of labelme"), ("mpii", "", "bring no skeleton along"),
    ("cvat", "dog", "describes no skeleton of dog"), ("coco", "dog", "has no class dog")])
def test_labels_that_bring_none_are_named(tmp_path, form, wanted, part):
    source = {"cvat": cvat, "coco": coco}.get(form, coco)(tmp_path)
    with pytest.raises(UserError, match=part):
        own_skeleton(form, source, wanted, tmp_path / "s.yaml")
    more = "<label><name>x</name><parent>dog</parent></label>"
    with pytest.raises(UserError, match="the skeletons cat, dog: take one by --class"):
        own_skeleton("cvat", cvat(tmp_path, more), "", tmp_path / "s.yaml")


@pytest.mark.parametrize("content", ["mine: true", "# SimplePose made this\njoints: [a, b]\n"])
def test_a_file_that_is_there_stays_and_one_of_the_two_is_needed(tmp_path, capsys, content):
    (tmp_path / "s.yaml").write_text(content)
    words = ["import", "--from", "coco", str(coco(tmp_path)), "--out", str(tmp_path / "o.json")]
    assert main.main([*words, "--skeleton-out", str(tmp_path / "s.yaml")]) == 2
    assert "is there already with other content" in capsys.readouterr().err
    assert (tmp_path / "s.yaml").read_text() == content
    with pytest.raises(SystemExit):
        main.main(words)


def test_names_of_points_are_joints_but_seldom_ones_are_mistypings(tmp_path):
    skeleton = own_skeleton("labelme", labelme(tmp_path), "", tmp_path / "cat.yaml")
    assert (skeleton.name, skeleton.flip_pairs) == ("cat", ((0, 1),))
    assert skeleton.joint_names == ("LEye", "REye", "nose")


def test_cvats_exports_without_labels_bring_the_names_of_their_points(tmp_path):
    path = cvat(tmp_path)
    text = path.read_text()
    path.write_text("<annotations>" + text[text.index("<image"):])
    skeleton = own_skeleton("cvat", path, "", tmp_path / "a.yaml")
    assert (skeleton.name, skeleton.joint_names) == ("cat", ("nose", "LEye", "REye"))
    path.write_text(path.read_text().replace("<skeleton label='cat'>", "").replace(
        "</skeleton>", ""))
    skeleton = own_skeleton("cvat", path, "", tmp_path / "b.yaml")
    assert (skeleton.name, skeleton.joint_names) == ("skeleton", ("nose", "LEye", "REye"))
