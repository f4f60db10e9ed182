"""A tiny folder of photographs, as drawn people."""
import json

import pytest

from benchmarks import set_size, system_plans, systems
from datasets.synthetic.data_set import write_synthetic


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Four pictures of two parts, b and a, to train on and to judge, what is small enough to train
    with them, and a place for labels and checkpoints."""
    for module in (system_plans, systems, set_size):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(system_plans, "PHOTOGRAPHS_SETTINGS", [
        *system_plans.PHOTOGRAPHS_SETTINGS, "model.width=0.1", "codec.input_size=[32, 32]",
        "data.batch_size=2", "data.num_workers=0", "optim.epochs=2"])
    folder = tmp_path / "pictures"
    (folder / "annotations").mkdir(parents=True)
    for split in ("train", "val"):
        labels = folder / "annotations" / f"person_keypoints_{split}.json"
        write_synthetic(folder / split, labels, 4, seed=0)
        content = json.loads(labels.read_text())
        for number, image in enumerate(content["images"]):
            name = f"{('b', 'a')[number % 2]}_{number}.jpg"
            (folder / split / image["file_name"]).rename(folder / split / name)
            image["file_name"] = name
        labels.write_text(json.dumps(content))
    return folder
