"""Runs of a network so small that they take a second, in this process."""
import pytest

from processors.dp_pose_resnet_solver import DPProcessor
from tests.runs.small_run import small_net

SETTINGS = {
    "data.synthetic_train": 6, "data.synthetic_val": 3, "data.batch_size": 4,
    "data.num_workers": 0, "codec.input_size": [64, 64], "optim.epochs": 2, "optim.ema": 0.9,
    "optim.warmup_epochs": 0, "optim.amp": False, "log.every": 1, "model.name": "resnet18",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def tiny(data, tmp_path, monkeypatch):
    """Builds the processor of a tiny run; settings replace those of SETTINGS."""
    def build(config="configs/quickstart.yaml", net=small_net, **settings) -> DPProcessor:
        if net:
            monkeypatch.setattr("processors.training.pose_processor.build_net", net)
        paths = {f"data.{split}_{name}": data / split / file for split in ("train", "val")
                 for name, file in (("ann_path", "people.json"), ("img_root", "images"))}
        values = paths | {"val.weight_path": tmp_path / "weights"} | SETTINGS | settings
        return DPProcessor(config, [f"{key}={value}" for key, value in values.items()])
    return build
