"""The doctor looks at 133 joints with their sizes in mind, and in time."""
import numpy as np
import pytest

from datasets.annotations.skeleton import load_skeleton
from datasets.doctor import mirror
from datasets.doctor.check_positions import piled_joints
from tests.datasets.annotations.whole_bodies import annotations, person
from tests.datasets.doctor.sets import raw_set

WHOLE = load_skeleton("coco_wholebody")


def with_face(face):
    row = person(np.random.default_rng(0), 1, 5, box=(20.0, 10.0, 160.0, 180.0))
    row["face_kpts"] = np.column_stack([face, np.full(68, 2)]).ravel().tolist()
    return annotations([row], size=(200, 200))


@pytest.mark.parametrize("size, fault", [(6, False), (60, True), (0, True)])
def test_points_of_a_small_face_may_fall_on_one_pixel(tmp_path, size, fault):
    """In six pixels 68 of them must; in sixty three do not, nor do all lie at one point."""
    face = 80 + np.random.default_rng(1).integers(0, size + 1, (68, 2))
    face[:3], face[3] = face[3], 80 + size
    face[0] = face[1] = face[2] = 80
    assert bool(list(piled_joints(raw_set(tmp_path, with_face(face), WHOLE)))) == fault


def test_of_many_joints_only_the_first_may_change_their_partner(tmp_path, monkeypatch):
    """All of 133 would take minutes."""
    monkeypatch.setattr(mirror, "MOST_CHANGING", 3)
    rng = np.random.default_rng(2)
    labels = raw_set(tmp_path, annotations([person(rng, n, n) for n in range(20)]), WHOLE)
    order, found = list(WHOLE.flip_order), mirror.mirror_of(labels, turning=False)
    assert len(found.known) == 133
    changed = {joint for joint, other in enumerate(found._descend(order)) if order[joint] != other}
    assert changed <= {0, 1, 2}
