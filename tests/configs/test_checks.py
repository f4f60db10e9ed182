"""Each contradiction is found, named by its key, and not seen where there is none."""
import pytest

from configs.checks import problems
from configs.loader import config_from_dict


def keys_of(settings: dict) -> list[str]:
    return [key for key, _ in problems(config_from_dict(settings, "test"))]


@pytest.mark.parametrize("key, value", [
    ("data.batch_size", 0), ("data.debug", -1), ("data.num_workers", -1),
    ("data.synthetic_val", -5), ("model.num_joints", 0), ("optim.epochs", 0),
    ("optim.warmup_epochs", -1), ("optim.warmup_epochs", float("nan")),
    ("optim.weight_decay", -0.1), ("optim.clip_norm", -1), ("optim.accumulate", 0),
    ("optim.lr", 0), ("optim.lr", -1), ("optim.lr", float("nan")), ("optim.lr", float("inf")),
    ("optim.gamma", 0), ("optim.ema", 1.1), ("codec.sigma", 0), ("codec.blur_kernel", 10),
    ("codec.blur_kernel", 1), ("codec.blur_kernel", -3),
    ("codec.input_size", [192, 250]), ("codec.input_size", [0, 256]),
    ("augment.flip", 2), ("augment.scale", 1), ("augment.scale", -0.1),
    ("augment.rotation", -1), ("val.interval", 0), ("val.batch_size", -1),
    ("val.nms_threshold", 1.5), ("log.every", 0), ("data.debug", True),
    ("optim.milestones", [160, 120]), ("optim.milestones", [5, 5]), ("optim.milestones", [0]),
    ("optim.warmup_epochs", 180), ("model.name", "w32"), ("optim.sync_bn", True),
    ("optim.accumulate", 3), ("val.weight_path", ""), ("model.width", 0),
])
def test_one_wrong_value_is_the_one_problem(key, value):
    section, name = key.split(".")
    assert keys_of({section: {name: value}}) == [key]


@pytest.mark.parametrize("key, settings", [
    ("seed", {"seed": -1}), ("seed", {"seed": 2 ** 63}),
    ("processes", {"processes": 0, "processor": "ddp"}),
    ("model_name", {"model_name": ""}), ("model_name", {"model_name": "a/b"}),
    ("gpus", {"gpus": [1, 1]}), ("gpus", {"gpus": [-1]}),
    ("data.batch_size", {"gpus": [0, 1, 2]}),
    ("data.batch_size", {"processor": "ddp", "processes": 3}),
    ("processes", {"processes": 2}),
    ("processes", {"processes": 2, "processor": "ddp", "gpus": [0, 1]}),
    ("model.name", {"model": {"type": "pose_hrnet", "name": "resnet50"}}),
    ("model.reduction", {"model": {"type": "pose_hrnet", "name": "w32", "reduction": True}}),
    ("model.width", {"model": {"type": "pose_hrnet", "name": "w32", "width": 0.5}}),
    ("model.width", {"model": {"pretrained": True, "width": 0.5}}),
    ("optim.accumulate", {"gpus": [0, 1], "data": {"batch_size": 12}, "optim": {"accumulate": 4}}),
    ("optim.amp", {"gpus": [0, 1], "optim": {"amp": "bf16"}}),
    ("val.nms_threshold", {"val": {"nms": "soft_oks", "nms_threshold": 0}}),
    ("val.best", {"val": {"best": "AUC"}}),
    ("val.best", {"val": {"best": "PCK@0.1", "metrics": ["coco", "pckh"]}}),
])
def test_settings_that_contradict_each_other(key, settings):
    assert keys_of(settings) == [key]


@pytest.mark.parametrize("settings", [
    {"gpus": [3, 1]}, {"optim": {"amp": "bf16"}, "gpus": [0]}, {"data": {"debug": 64}},
    {"processor": "ddp", "processes": 4}, {"optim": {"milestones": []}},
    {"processor": "ddp", "gpus": [0, 1], "optim": {"amp": "bf16", "sync_bn": True}},
    {"model": {"type": "pose_hrnet", "name": "w48"}}, {"val": {"save_minutes": 0}},
    {"optim": {"warmup_epochs": 0.5, "epochs": 1}}, {"val": {"nms_threshold": 0}},
    {"val": {"best": "AP easy", "metrics": ["crowdpose"]}}, {"val": {"best": "AR"}},
    {"codec": {"blur_kernel": 0}}, {"codec": {"blur_kernel": 17, "sigma": 3}},
])
def test_what_works_is_not_refused(settings):
    assert keys_of(settings) == []
