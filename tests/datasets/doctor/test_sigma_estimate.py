"""Sigmas from repeated labels: planted errors come back, slips and copies are told of."""
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from configs.schema import Config, DataConfig
from datasets.annotations.skeleton import load_skeleton, skeleton_from_dict
from datasets.doctor.examine import Diagnosis, examine
from datasets.doctor.sigma_estimate import ENOUGH

JOINTS = ("nose", "left_paw", "right_paw", "tail")
PLANTED = np.array([0.02, 0.05, 0.05, 0.1])
SIDE = 300


class Labels:
    """People in images of 300 x 300, and how two others have labelled them; no image is needed."""
    def __init__(self, folder: Path, persons: int = 2000):
        self.folder, self.rng = folder, np.random.default_rng(1)
        self.size = self.rng.uniform(40, 90, (persons, 1, 1))       # square root of the area
        start = self.rng.uniform(20, SIDE - 110, (persons, 1, 2))
        self.true = start + self.size * self.rng.uniform(0, 1, (persons, 4, 2))
        (folder / "cat.yaml").write_text(f"joints: [{', '.join(JOINTS)}]\n"
                                         f"flip_pairs: [[left_paw, right_paw]]")
        self.first, self.again = self.labels(), self.labels()
        self.v = np.full((persons, 4), 2)

    def labels(self) -> np.ndarray:
        """One person's labels: with errors whose root mean square is PLANTED * size."""
        noise = self.rng.normal(size=self.true.shape) / np.sqrt(2)
        return self.true + noise * PLANTED[:, None] * self.size

    def write(self, name: str, points: np.ndarray, area: bool = True) -> Path:
        rows = [{"id": 5 + i, "image_id": i // 2, "category_id": 1, "iscrowd": 0,
                 "bbox": [*at.min(0).tolist(), *np.ptp(at, axis=0).tolist()],
                 **({"area": float(size) ** 2} if area else {}),
                 "keypoints": np.column_stack([at * (v[:, None] > 0), v]).ravel().tolist()}
                for i, (at, v, size) in enumerate(zip(points, self.v, self.size.ravel(),
                                                      strict=True))]
        images = [{"id": i, "file_name": f"{i}.jpg", "width": SIDE, "height": SIDE}
                  for i in range((len(rows) + 1) // 2)]
        path = self.folder / name
        path.write_text(json.dumps({"images": images, "annotations": rows, "categories": [
            {"id": 1, "name": "cat", "keypoints": list(JOINTS)}]}))
        return path

    def diagnose(self) -> Diagnosis:
        first = str(self.write("first.json", self.first))
        data = DataConfig(train_ann_path=first, val_ann_path=first,
                          train_img_root=str(self.folder), val_img_root=str(self.folder))
        again = self.write("again.json", self.again, area=False)
        return examine(Config(data=data), load_skeleton(str(self.folder / "cat.yaml")), again)


def test_planted_sigmas_come_back(tmp_path):
    labels = Labels(tmp_path)
    found = labels.diagnose().repeated
    np.testing.assert_allclose(found.sigmas, PLANTED, rtol=0.04)    # 2000 pairs: 1.1 % is normal
    # tails of neighbours overlap at times; a hundredth of the persons may be someone else's
    assert found.persons == pytest.approx(2000, abs=20) and len(found.slips) < 30


def test_a_slip_is_named_and_does_not_count(tmp_path):
    labels = Labels(tmp_path, persons=100)
    good = labels.diagnose().repeated
    labels.again[7, [1, 2]] = labels.again[7, [2, 1]]       # left for right
    found = labels.diagnose()
    np.testing.assert_allclose(found.repeated.sigmas, good.sigmas, rtol=0.02)
    slips = set(found.repeated.slips) - set(good.slips)
    assert slips == {"left_paw of annotation 12", "right_paw of annotation 12"}
    assert f"{len(found.repeated.slips)} pairs of labels are too far apart" in str(found)


def test_joints_that_only_one_has_labelled_and_few_pairs(tmp_path):
    labels = Labels(tmp_path, persons=60)
    labels.v[ENOUGH - 1:, 3] = 0
    found = labels.diagnose().repeated
    assert found.pairs[:3].min() > 55 and found.pairs[3] <= ENOUGH - 1 and np.isnan(found.sigmas[3])
    assert f"- [tail, ~, 1.0, neither]  # {found.pairs[3]} pairs are too few" in str(found)


def test_what_is_said_can_be_pasted_into_the_skeleton(tmp_path):
    found = Labels(tmp_path, persons=80).diagnose()
    raw = yaml.safe_load(str(found).partition("cat:\n")[2])
    skeleton = skeleton_from_dict(raw | {"flip_pairs": [["left_paw", "right_paw"]]}, "pasted")
    assert skeleton.joint_names == JOINTS and not skeleton.guessed_sigmas
    np.testing.assert_allclose(skeleton.sigmas, found.repeated.sigmas, rtol=5e-3)
    assert replace(skeleton, sigmas=(), guessed_sigmas=(), name="") == replace(
        load_skeleton(str(tmp_path / "cat.yaml")), sigmas=(), guessed_sigmas=(), name="")


def far_away(labels):
    labels.again = (labels.again + SIDE / 2) % SIDE


def copied(labels):
    labels.again = labels.first.copy()


@pytest.mark.parametrize("spoil, words", [(far_away, "nobody in .*again.json is in the training"),
                                          (copied, "exactly where they are in the data set")])
def test_labels_that_say_nothing(tmp_path, spoil, words):
    labels = Labels(tmp_path, persons=2)
    labels.true[:] = 20
    spoil(labels)
    with pytest.raises(ValueError, match=f"--repeated: .*{words}"):
        labels.diagnose()


def test_a_file_that_cannot_be_read(tmp_path):
    labels = Labels(tmp_path, persons=2)
    first = str(labels.write("first.json", labels.first))
    data = DataConfig(train_ann_path=first, train_img_root=str(tmp_path),
                      val_ann_path=first, val_img_root=str(tmp_path))
    with pytest.raises(FileNotFoundError,
                       match="none.json .--repeated. does not exist: correct the path$"):
        examine(Config(data=data), load_skeleton(str(tmp_path / "cat.yaml")),
                tmp_path / "none.json")
