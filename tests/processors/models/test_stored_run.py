"""Checkpoints of our format with odd content: each key, each kind of oddness, one sentence."""
import math

import pytest
import torch
from torch import nn

from configs.loader import config_to_dict
from configs.schema import Config
from nets.files.weights_file import FORMAT
from processors.models.checkpoint import load_last, previous, save_checkpoint
from processors.models.stored_run import KINDS, ensure_run, load_network, stored_config
from utils.errors import UserError

NAN, INF = float("nan"), float("inf")


def state() -> dict:
    net = {"weight": torch.ones(2, 3), "bn.num_batches_tracked": torch.tensor(5)}
    return {"format": FORMAT, "net": dict(net), "ema": dict(net),
            "optimizer": {"state": {0: {}}, "param_groups": []}, "scaler": {}, "step": 23,
            "steps_per_epoch": 10, "evaluated": 2, "skipped": 0,
            "best": {"AP": 0.5, "epoch": 2, "weights": "ema"}, "without_better": 1,
            "random": torch.get_rng_state(), "run": "2024-01-02 03:04:05",
            "config": config_to_dict(Config())}


def refused(content, words, path="x_last.pth"):
    with pytest.raises(UserError, match=words) as caught:
        ensure_run(content, path)
    text = str(caught.value)
    assert str(path) in text and len(text.splitlines()) == 1 and len(text) < 400


def test_what_a_run_writes_passes():
    ensure_run(state(), "x")
    for step in (20, 29, 30):
        ensure_run(state() | {"step": step}, "x")
    scale = {"scale": 65536.0, "growth_factor": 2.0, "backoff_factor": 0.5,
             "growth_interval": 2000, "_growth_tracker": 0}
    ensure_run(state() | {"scaler": scale, "best": {"AP": -1.0}}, "x")
    ensure_run({"ema": {}, "best": {}, "step": 1, "config": None}, "x_best.pth")


@pytest.mark.parametrize("value", [
    None, "text", 10 ** 4 * "x", [], [1, [2]], {"a": {}}, torch.ones(3), NAN, 1 + 2j, -1, True,
    {"AP": "high"}, {1: torch.ones(1)}], ids=lambda v: str(v)[:20])
@pytest.mark.parametrize("key", [*KINDS, "config"])
def test_each_key_of_another_kind(key, value):
    if key == "run" and value == "text" or key == "optimizer" and isinstance(value, dict):
        return      # whose contents its own reader looks at
    refused(state() | {key: value}, f"key {key} is|config|there is no key")


@pytest.mark.parametrize("key", [*KINDS, "config"])
def test_each_key_missing(key):
    content = state()
    del content[key]
    if key == "without_better":     # which runs did not always count
        ensure_run(content, "x")
        return
    refused(content, f"key {key} is (missing|None)")


@pytest.mark.parametrize("change, words", [
    ({"step": 10 ** 12}, "step 1000000000000 does not follow 2 epochs"),
    ({"step": 10 ** 12, "evaluated": 10 ** 11}, "100000000000 epochs are more than optim.epochs"),
    ({"skeleton": {"joints": [torch.ones(1)]}}, "key skeleton"), ({"skeleton": None}, "skeleton"),
    ({"skeleton": "coco"}, "key skeleton"),
    ({"step": 19}, "does not follow"), ({"step": 31}, "does not follow"),
    ({"evaluated": 7}, "does not follow"), ({"steps_per_epoch": 0}, "steps_per_epoch"),
    ({"best": {"AP": 7.0}}, "key best is .*up to 1"), ({"best": {"AP": 0.1, "PCK@0.2": 7}}, "best"),
    ({"best": {"AP": NAN}}, "best is one with AP nan"), ({"best": {}}, "best is one without AP"),
    ({"best": {"AP": INF}}, "best is one with AP inf"), ({"best": {"AP": 10 ** 400}}, "with AP of"),
    ({"best": {"AP": 0.5, "AR": 7.5}}, "best is one with 'AR' 7.5 and not numbers of an"),
    ({"best": {"AP": torch.ones(1)}}, "best"), ({"best": {"AP": 0.1, "x": [1]}}, "best"),
    ({"best": {"AP": torch.ones(1)}}, "best"), ({"best": {"AP": 0.1, "x": [1]}}, "best"),
    ({"scaler": {"scale": 1.0}}, "scaler"), ({"random": torch.zeros(5056).byte()}, "random"),
    ({"random": torch.zeros(7).byte()}, "random"), ({"config": {"optim": {"lr": "x"}}}, "lr"),
    ({"config": {"nothing": 1}}, "there is no key nothing"),
    ({"optimizer": {"state": {}, "param_groups": []}}, "key optimizer has no averages"),
])
def test_numbers_that_cannot_be(change, words):
    refused(state() | change, words)


@pytest.mark.parametrize("key", ["net", "ema"])
@pytest.mark.parametrize("value, words", [
    (torch.full((2, 3), NAN), "not finite"), (torch.full((2, 3), -INF), "not finite"),
    (torch.ones(2, 3, dtype=torch.complex64), "complex64"), (torch.ones(2, 3).long(), "int64"),
    (torch.eye(3).to_sparse(), "sparse"), (torch.ones(2, device="meta"), "meta"),
    (torch.zeros(1).expand(10 ** 12), "claims more numbers than the file holds")])
def test_weights_that_cannot_be(key, value, words):
    refused(state() | {key: {"weight": value}}, f"key {key}.*{words}")


def test_the_one_before_is_tried(tmp_path, caplog):
    last = tmp_path / "x_last.pth"
    save_checkpoint(state() | {"step": 22}, last)
    save_checkpoint(state() | {"ema": {"weight": torch.full((2, 3), NAN)}}, last,
                    keep_previous=True)
    assert load_last(last)["step"] == 22
    assert "key ema, holds weights that are not finite" in caplog.text
    assert f"going on from the one before it, {previous(last)}" in caplog.text
    save_checkpoint(state() | {"best": None}, last)
    save_checkpoint(state() | {"random": None}, previous(last))
    with pytest.raises(UserError, match="its key best is None.*or start over with resume=false"):
        load_last(last)


@pytest.mark.parametrize("config", [None, [], "text", torch.ones(2), 5])
def test_settings_of_another_kind(config):
    for checkpoint in ({"config": config}, {}):
        with pytest.raises(UserError, match="^x.pth has no settings in it .*take another one$"):
            stored_config(checkpoint, "x.pth")


@pytest.mark.parametrize("section", ["model", "codec"])
def test_settings_that_leave_out_what_was_trained_for_are_not_filled_in(section):
    whole = config_to_dict(Config())
    without = {key: value for key, value in whole.items() if key != section}
    less = {key: value for key, value in whole[section].items() if key not in ("type", "sigma")}
    for config in (without, without | {section: {}}, without | {section: less}, {}):
        with pytest.raises(UserError, match=r"^x.pth has no \w+.\w+ among its settings"):
            stored_config({"config": config}, "x.pth")
    del whole["val"], whole["log"]      # of these nothing hangs together with the weights
    assert stored_config({"config": whole}, "x.pth") == Config()


def test_a_state_of_another_network():
    net = nn.Linear(2, 3)
    for other in (nn.Linear(3, 3), nn.Linear(2, 3, bias=False), nn.Bilinear(2, 2, 3)):
        with pytest.raises(UserError, match="^x.pth does not fit .*resume=false$"):
            load_network(net, other.state_dict(), "x.pth")
    other = nn.Linear(2, 3)
    load_network(net, other.state_dict(), "x.pth")
    assert torch.equal(net.weight, other.weight) and math.isfinite(net.bias.sum())


@pytest.mark.parametrize("key", ["net", "ema"])
def test_weights_with_which_training_would_end_are_gone_past(tmp_path, key):
    """As a run that watches them never keeps; statistics of batch norm may be larger."""
    last, ruined = tmp_path / "x_last.pth", state()
    ruined[key]["weight"] = torch.tensor([1.0, -1e30])
    refused(ruined, f"key {key}, holds weights beyond 65504 .*weight")
    save_checkpoint(state() | {"step": 20}, last)
    save_checkpoint(ruined, last, keep_previous=True)
    assert load_last(last)["step"] == 20
    ensure_run(state() | {"net": {"bn.running_var": torch.tensor([1e6])}}, "x")
