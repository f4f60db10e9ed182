"""On drawn people with a network that has learned them a little: `rank` finds bad labels, and its
ellipses hold on others."""
import numpy as np
import pytest

from benchmarks.planted_labels import KINDS, found_first
from processors.dp_pose_resnet_solver import DPProcessor
from processors.models.load_pose_model import config_of
from processors.ranking.calibrated import SHARES, shares_on_others
from processors.ranking.people import labelled_set, look_at_labelled
from processors.ranking.rank import load_to_rank

pytestmark = pytest.mark.slow
CONFIG = "configs/quickstart.yaml"


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """A network that was trained on drawn people, and the people of its validation set."""
    folder = tmp_path_factory.mktemp("drawn")
    files = [f"data.{split}_{key}={folder / split / name}" for split in ("train", "val")
             for key, name in (("ann_path", "people.json"), ("img_root", "images"))]
    settings = [*files, "data.synthetic_train=200", "data.synthetic_val=220", "optim.epochs=8",
                "val.interval=8", f"val.weight_path={folder}", "data.num_workers=0"]
    DPProcessor(CONFIG, settings).run()
    model = load_to_rank(config_of(CONFIG, None, settings), None, settings)
    return model, look_at_labelled(model, labelled_set(model.config, model.skeleton, "val"))


def test_bad_labels_come_first(seen, tmp_path):
    for draw in range(3):
        found = found_first(*seen, np.random.default_rng(draw), tmp_path)
        assert sum(found) >= 17, dict(zip(KINDS, found, strict=True))


def test_ellipses_hold_on_people_who_were_not_calibrated_by(seen):
    model, people = seen
    for draw in range(5):
        found = shares_on_others(people, model.skeleton, np.random.default_rng(draw))
        assert found == pytest.approx(SHARES, abs=0.05)
