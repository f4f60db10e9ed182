"""Two views of a person without labels: the box as it is, and one changed strongly."""
from dataclasses import fields

import numpy as np
import pytest

from configs.schema import AugmentConfig
from datasets.annotations.skeleton import load_skeleton
from datasets.coco import MSCOCO
from datasets.crops.augment import strengthened
from datasets.crops.colour_params import AMOUNTS
from datasets.crops.images import ImageError
from datasets.unlabelled.people import UnlabelledPeople
from tests.small_coco import PERSONS
from utils.errors import UserError

COCO = load_skeleton("coco")


def test_the_easy_view_is_the_box_and_the_hard_one_is_drawn_anew_in_every_step(
        coco_files, config_of):
    people = UnlabelledPeople(config_of(coco_files), COCO)
    plain = MSCOCO(*coco_files, COCO, input_size=(48, 64))
    hard = MSCOCO(*coco_files, COCO, input_size=(48, 64), augment=strengthened(AugmentConfig()))
    for step, index in ((0, 3), (0, 4), (7, 3)):
        for mine, wanted in zip(people.pair(step, index), (plain[index], hard[(step, index)]),
                                strict=True):
            np.testing.assert_array_equal(mine.crop, wanted.crop)
            np.testing.assert_array_equal(mine.keypoints, wanted.keypoints)
            np.testing.assert_array_equal(mine.to_image, wanted.to_image)
            assert mine.image_id == wanted.image_id and mine.index == index
    assert not np.array_equal(people.pair(0, 3)[1].crop, people.pair(7, 3)[1].crop)


def test_joints_that_a_file_knows_change_no_pixel(coco_content, write_coco, config_of):
    """As half bodies would, which are cut by them."""
    config = config_of(write_coco(coco_content), augment=AugmentConfig(half_body=1, box_jitter=1))
    with_joints = [UnlabelledPeople(config, COCO).pair(2, index) for index in range(4)]
    for row in coco_content["annotations"]:
        del row["keypoints"]
    write_coco(coco_content)
    without = [UnlabelledPeople(config, COCO).pair(2, index) for index in range(4)]
    for mine, other in zip(with_joints, without, strict=True):
        for one, two in zip(mine, other, strict=True):
            assert np.array_equal(one.crop, two.crop) and np.array_equal(one.draws, two.draws)
        assert mine[0].visibility.any() and not other[0].visibility.any()


def test_the_last_epochs_are_weaker(coco_files, config_of):
    config = config_of(coco_files, augment=AugmentConfig(
        weak_epochs=100, weak=0.0, flip=0, box_jitter=1))
    people = UnlabelledPeople(config, COCO, steps_per_epoch=5)      # of 180 epochs
    assert not np.array_equal(*(view.crop for view in people.pair(399, 0)))
    easy, hard = people.pair(400, 0)
    assert np.array_equal(easy.crop, hard.crop) and not hard.draws[:len(AMOUNTS)].any()


def test_several_sets_and_debug(coco_files, config_of):
    root = coco_files[1]
    people = UnlabelledPeople(config_of(coco_files, ("", root)), COCO)
    assert len(people) == sum(PERSONS) + len(PERSONS)
    assert people.image_path(len(people) - 1) == root / "000014.jpg"
    assert "8 persons in 4 images" in people.summary() and "5 persons in 5" in people.summary()
    assert len(UnlabelledPeople(config_of(coco_files, ("", root), debug=2), COCO)) == 4


def test_both_views_are_anothers_where_a_picture_is_broken(coco_files, config_of):
    (coco_files[1] / "000012.jpg").write_bytes(b"no picture")
    strict = UnlabelledPeople(config_of(coco_files), COCO)
    broken = int(np.flatnonzero(strict.persons.file_names[strict.persons.image_rows]
                                == "000012.jpg")[0])
    with pytest.raises(ImageError, match="data.skip_broken=true goes on without it"):
        strict.pair(3, broken)
    easy, hard = UnlabelledPeople(config_of(coco_files, skip_broken=True), COCO).pair(3, broken)
    assert easy.broken and hard.broken and easy.index == hard.index == broken
    assert easy.image_id == hard.image_id != 12


@pytest.mark.parametrize("augment", [
    AugmentConfig(), AugmentConfig(rotation=0, scale=0), AugmentConfig(dropout=1.0, rotation=170),
    AugmentConfig(scale=0.9, perspective=0.3, half_body=0.5)])
def test_the_hard_view_is_never_weaker_than_the_recipe(augment):
    strong = strengthened(augment)
    for field in fields(augment):
        if field.name not in ("half_body", "perspective"):
            assert getattr(strong, field.name) >= getattr(augment, field.name), field.name
    assert strong.half_body == strong.perspective == 0 and strong.dropout > 0
    assert (strong.rotation > 0) == (augment.rotation > 0)      # who are always upright stay so
    assert strong.scale < 1


def test_nobody_left_is_refused(coco_files, config_of, tmp_path):
    (tmp_path / "empty").mkdir()
    entry = coco_files[0], tmp_path / "empty"
    with pytest.raises(FileNotFoundError, match=r"data.unlabelled\[0\].img_root: 4 of 4 images"):
        UnlabelledPeople(config_of(entry), COCO)
    with pytest.raises(UserError, match="data.unlabelled: nobody is left in .* missing left out"):
        UnlabelledPeople(config_of(entry, skip_broken=True), COCO)
