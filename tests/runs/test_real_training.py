"""A small network learns 24 real persons by heart: the whole pipeline on real images."""
import pytest

from processors.dp_pose_resnet_solver import DPProcessor

pytestmark = pytest.mark.slow


def test_overfitting_24_real_persons(shared, tmp_path):
    """AP on the persons it was trained on: anything wrong between image, heatmap and results
    (a swapped joint, a shifted pixel, a wrong box) keeps it far below."""
    coco = shared / "data" / "coco"
    settings = {f"data.{split}_{key}": value for split in ("train", "val") for key, value in (
        ("ann_path", coco / "annotations" / "person_keypoints_val2017.json"),
        ("img_root", coco / "val2017"))}
    settings |= {"data.synthetic_train": 0, "data.synthetic_val": 0, "data.debug": 24,
                 "augment.flip": 0, "augment.rotation": 0, "augment.scale": 0,
                 "data.batch_size": 8, "optim.epochs": 60, "val.interval": 60,
                 "val.flip_test": False, "val.weight_path": tmp_path, "log.every": 40}
    best = DPProcessor("configs/quickstart.yaml",
                       [f"{key}={value}" for key, value in settings.items()]).run()
    assert best["AP"] > 0.9
