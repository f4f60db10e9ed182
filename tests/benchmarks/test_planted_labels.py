"""Planted labels are bad, of the kind they are said to be, and the others stay as they were."""
import numpy as np

from benchmarks.planted_labels import BAD, KINDS, ONE, SHIFT, drawn, plant, write_labels
from datasets.coco import MSCOCO
from processors.ranking.calibrated import calibrated
from processors.ranking.disagreement import Opinion
from tests.processors.ranking.made_people import SKELETON, made_people, seen


def test_as_many_of_each_kind_as_there_is_room_for():
    people = made_people(120)
    planted, kinds = plant(people, SKELETON, np.random.default_rng(0))
    assert [(kinds == kind).sum() for kind in KINDS] == [BAD // len(KINDS)] * len(KINDS)
    moved = np.linalg.norm(planted.labels - people.labels, axis=-1)
    assert (moved[kinds == ""] == 0).all() and (moved[kinds != ""].max(axis=1) > 0).all()
    size = np.sqrt(people.areas)[:, None]
    one = np.sort(moved / size, axis=1)[kinds == "one joint off"]
    assert (one[:, -2] == 0).all() and ((one[:, -1] >= ONE[0]) & (one[:, -1] <= ONE[1])).all()
    shifted = (moved / size)[kinds == "all shifted"]
    assert (np.ptp(shifted, axis=1) < 1e-9).all() and (shifted >= SHIFT[0] - 1e-9).all()
    for row in np.flatnonzero(kinds == "of a neighbour"):
        assert (planted.labels[row] == people.labels[row ^ 1]).all()    # two in each image
    for row in np.flatnonzero(kinds == "sides changed"):
        assert (planted.labels[row] == people.labels[row, list(SKELETON.flip_order)]).all()


def test_who_has_nobody_beside_them_or_few_joints_is_not_taken():
    people = made_people(40)
    people.images[:] = np.arange(40)
    people.labelled[:10, 5:] = False
    assert len(drawn(people, np.random.default_rng(0))) == 30
    _, kinds = plant(people, SKELETON, np.random.default_rng(0))
    assert "of a neighbour" not in kinds


def test_all_of_them_are_found_where_the_network_sees_well():
    rng = np.random.default_rng(0)
    people, kinds = plant(made_people(200), SKELETON, rng)
    people = seen(people)
    findings = Opinion(people, calibrated(people, SKELETON), SKELETON).findings()
    assert (kinds[[finding.row for finding in findings[:BAD + 3]]] != "").sum() == BAD


def test_a_file_of_them_shows_the_same_people(tmp_path):
    people = made_people(40)
    people.labelled[3, 5:] = False
    write_labels(people, tmp_path / "planted.json")
    dataset = MSCOCO(tmp_path / "planted.json", tmp_path, SKELETON, check_files=False)
    order = dataset.persons.ids
    assert sorted(order.tolist()) == list(range(40))
    assert (dataset.persons.visibility[order.argsort()] == people.labelled).all()
    np.testing.assert_allclose(dataset.persons.keypoints[order.argsort()],
                               people.labels * people.labelled[..., None], rtol=1e-5)
