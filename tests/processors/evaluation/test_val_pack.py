"""A pack of the persons to judge gives the same numbers, to the last digit."""
import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from datasets.annotations.skeleton import load_skeleton
from datasets.synthetic.data_set import ensure_synthetic
from processors.evaluation.evaluation import Evaluation
from processors.jobs.pack import make_pack
from processors.runtime.parallel import OneProcess
from tests.processors.drawn_sets import settings


@pytest.mark.parametrize("detected", [False, True])
def test_results_and_numbers_are_the_same(tmp_path, detected):
    config = settings(tmp_path, f"data.val_pack={tmp_path / 'val.pack'}", "val.metrics=[coco,pck]")
    ensure_synthetic(config.data, seed=0)
    if detected:
        people = json.loads((tmp_path / "val" / "people.json").read_text())["annotations"]
        rows = [{key: person[key] for key in ("image_id", "category_id", "bbox")} | {"score": 0.5}
                for person in people]
        (tmp_path / "boxes.json").write_text(json.dumps(rows))
        config = replace(config, val=replace(config.val, boxes=str(tmp_path / "boxes.json")))
    make_pack(config)
    torch.manual_seed(0)
    net, found = nn.Conv2d(3, 17, 5, 4, 2), []
    for data in (config.data, replace(config.data, val_pack="")):
        evaluation = Evaluation(replace(config, data=data), load_skeleton("coco"), OneProcess(()))
        metrics = evaluation.run(net, tmp_path / "r.json")
        found.append((metrics.values, evaluation.results, (tmp_path / "r.json").read_bytes()))
        assert bool(evaluation.dataset.pack) == bool(data.val_pack)
    assert found[0] == found[1] and found[0][1]
