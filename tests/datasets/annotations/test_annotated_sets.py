"""Several training sets are one: joints by name, images from their folders, packs, caches."""
import json
import shutil

import numpy as np
import pytest

from configs.loader import ConfigError, config_from_dict, config_to_dict, load_config
from configs.schema import AugmentConfig, ExtraSet
from datasets.annotations import annotation_cache
from datasets.annotations.skeleton import load_skeleton
from datasets.coco import MSCOCO
from datasets.pack_writer import write_pack

COCO, MPII = load_skeleton("coco"), load_skeleton("mpii")


@pytest.fixture
def sets(coco_content, write_coco, tmp_path):
    """COCO's arguments for the first set, and a set in MPII's skeleton with other pictures."""
    path, root = write_coco(coco_content)
    other = tmp_path / "other"
    shutil.copytree(root, other / "images")
    (root / "000010.jpg").write_bytes((root / "000012.jpg").read_bytes())   # other pixels here
    for number, row in enumerate(coco_content["annotations"]):
        row["keypoints"] = [v for j in range(16) for v in (20 + 5 * j, 30 + 3 * j, 2)]
        row["keypoints"] = [0] * 51 if number == 3 else row["keypoints"]
    coco_content["annotations"][3]["keypoints"] = [
        v for j in range(16) for v in ((30, 40, 2) if j in (6, 7, 8, 9) else (0, 0, 0))]
    coco_content["categories"] = [{"id": 1, "name": "human"}]
    (other / "mpii.json").write_text(json.dumps(coco_content))
    extra = ExtraSet(ann_path=str(other / "mpii.json"), img_root=str(other / "images"),
                     skeleton="mpii")
    return (path, root, COCO), extra


def test_joints_are_matched_by_name(sets):
    files, extra = sets
    mixed = MSCOCO(*files, extra=[extra])
    assert len(mixed) == 8 + 7      # one has only joints that COCO does not know
    assert mixed.persons.notes["persons without any joint of the trained skeleton left out"] == 1
    for index in (8, 14):
        person = mixed.subject(index)
        for joint, name in enumerate(COCO.joint_names):
            if name in MPII.joint_names:
                place = MPII.joint_names.index(name)
                assert person.visibility[joint] == 1
                assert person.keypoints[joint].tolist() == [20 + 5 * place, 30 + 3 * place]
            else:
                assert not person.visibility[joint] and not person.keypoints[joint].any()
        assert not mixed[index].visibility[:5].any()        # no loss for the face
    assert "8 persons in 4 images + " in mixed.summary()
    assert "(mpii, 12 of 17 joints): 7 persons" in mixed.summary()


def test_every_set_has_its_own_folder_and_image_ids_may_be_the_same(sets):
    files, extra = sets
    mixed, alone = MSCOCO(*files, extra=[extra]), MSCOCO(*files)
    other = MSCOCO(extra.ann_path, extra.img_root, MPII)
    assert np.array_equal(mixed[0].crop, alone[0].crop)
    assert np.array_equal(mixed[8].crop, other[0].crop) and mixed[8].image_id == 10
    assert not np.array_equal(mixed[8].crop, mixed[0].crop)
    assert mixed.image_path(8).parent != mixed.image_path(0).parent


def test_debug_takes_from_each_set(sets):
    files, extra = sets
    assert [(len(m), m.persons.sets.tolist()) for m in [MSCOCO(*files, extra=[extra], debug=2)]] \
        == [(4, [0, 1])]


def test_mixed_sets_are_the_same_from_packs_and_caches(sets, tmp_path, monkeypatch):
    files, extra = sets
    augment = AugmentConfig(half_body=0.5)
    write_pack(tmp_path / "pack", MSCOCO(*files, extra=[extra]), augment, "raw", 0)
    packed = MSCOCO(*files, extra=[extra], augment=augment, pack=tmp_path / "pack")
    images = MSCOCO(*files, extra=[extra], augment=augment)
    for key in ((0, 9), (1, 2)):
        assert np.abs(packed[key].crop.astype(int) - images[key].crop).mean() < 1
        np.testing.assert_array_equal(packed[key].keypoints, images[key].keypoints)
    with pytest.raises(ValueError, match="persons are new or different"):
        MSCOCO(*files, extra=[extra, extra.__class__(ann_path=str(files[0]), img_root=str(files[1]),
               skeleton="coco"), ExtraSet(ann_path=extra.ann_path, img_root=extra.img_root,
               skeleton=write_renamed(tmp_path))], augment=augment, pack=tmp_path / "pack")
    monkeypatch.setattr(annotation_cache, "SMALLEST", 0)
    first, again = (MSCOCO(*files, extra=[extra]) for _ in range(2))
    assert list(tmp_path.rglob("*.cache.npz")) and first.summary() == again.summary()
    np.testing.assert_array_equal(again.persons.keypoints, images.persons.keypoints)


def write_renamed(folder):
    names = ["left_eye" if name == "pelvis" else name for name in MPII.joint_names]
    (folder / "renamed.yaml").write_text(f"joints: [{', '.join(names)}]")
    return str(folder / "renamed.yaml")


def test_faults_name_the_set(sets, tmp_path):
    files, extra = sets
    with pytest.raises(FileNotFoundError, match=r"data.extra_sets\[0\].img_root: the folder"):
        MSCOCO(*files, extra=[ExtraSet(ann_path=extra.ann_path, img_root="no", skeleton="mpii")])
    with pytest.raises(FileNotFoundError, match=r"data.extra_sets\[1\].skeleton: .*yeti"):
        MSCOCO(*files, extra=[extra, ExtraSet(skeleton="yeti")])
    with pytest.raises(ValueError, match=r"extra_sets\[0\].skeleton: .*no joint name in common"):
        MSCOCO(*files, extra=[ExtraSet(skeleton="hand21")])
    with pytest.raises(ValueError, match=r"\(data.extra_sets\[0\].ann_path\).*instead of 51"):
        MSCOCO(*files, extra=[ExtraSet(ann_path=extra.ann_path, img_root=extra.img_root)])


def test_extra_sets_in_the_settings(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("data:\n  extra_sets:\n    - ann_path: a.json\n      img_root: a\n"
                    "      skeleton: mpii\n      category: 3\n")
    config = load_config(path)
    assert config.data.extra_sets == (ExtraSet(ann_path="a.json", img_root="a", skeleton="mpii",
                                               category=3),)
    assert config_from_dict(json.loads(json.dumps(config_to_dict(config))), "x") == config
    assert load_config(path, ["data.extra_sets=[{ann_path: b, img_root: c}]"]).data.extra_sets == (
        ExtraSet(ann_path="b", img_root="c"),)
    for text, words in (("[a.json]", r"extra_sets\[0\] is 'a.json'; write its keys, ann_path"),
                        ("[{ann: a}]", r"no key data.extra_sets\[0\].ann; the keys here are"),
                        ("[{ann_path: a}]", "has no img_root in entry 1")):
        with pytest.raises(ConfigError, match=words):
            load_config(path, [f"data.extra_sets={text}"])
