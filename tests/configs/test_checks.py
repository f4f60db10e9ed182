"""Each contradiction is found, named by its key, and not seen where there is none."""
from dataclasses import fields, is_dataclass
from typing import get_type_hints

import pytest

from configs.checks import problems
from configs.loader import config_from_dict
from configs.schema import Config, ExtraSet, UnlabelledSet
from main import read

SECTIONS = {name: kind for name, kind in get_type_hints(Config).items() if is_dataclass(kind)}
SECTIONS["extra_sets"] = ExtraSet
SECTIONS["unlabelled"] = UnlabelledSet


def keys_of(settings: dict) -> list[str]:
    return [key for key, _ in problems(config_from_dict(settings, "test"))]


@pytest.mark.parametrize("key, value", [
    ("data.batch_size", 0), ("data.debug", -1), ("data.num_workers", -1),
    ("data.synthetic_val", -5), ("model.num_joints", 0), ("optim.epochs", 0),
    ("optim.warmup_epochs", -1), ("optim.warmup_epochs", float("nan")),
    ("optim.weight_decay", -0.1), ("optim.clip_norm", -1), ("optim.accumulate", 0),
    ("optim.lr", 0), ("optim.lr", -1), ("optim.lr", float("nan")), ("optim.lr", float("inf")),
    ("optim.gamma", 0), ("optim.ema", 1.1), ("codec.sigma", 0), ("codec.sigma", 1e-300),
    ("codec.blur_kernel", 10),
    ("codec.blur_kernel", 1), ("codec.blur_kernel", -3),
    ("codec.input_size", [192, 250]), ("codec.input_size", [0, 256]),
    ("augment.flip", 2), ("augment.scale", 1), ("augment.scale", -0.1),
    ("augment.rotation", -1), ("val.interval", 0), ("val.batch_size", -1),
    ("val.nms_threshold", 1.5), ("log.every", 0), ("data.debug", True),
    ("optim.milestones", [160, 120]), ("optim.milestones", [5, 5]), ("optim.milestones", [0]),
    ("optim.warmup_epochs", 180), ("model.name", "w32"), ("optim.sync_bn", True),
    ("optim.freeze_epochs", 180), ("optim.freeze_epochs", -1), ("optim.backbone_lr", 0),
    ("optim.backbone_lr", 1.5), ("optim.patience", -1),
    ("optim.accumulate", 3), ("val.weight_path", ""), ("model.width", 0),
])
def test_one_wrong_value_is_the_one_problem(key, value):
    section, name = key.split(".")
    assert keys_of({section: {name: value}}) == [key]


def test_who_uses_one_device_shares_no_batch():
    config = config_from_dict({"gpus": [0, 1, 2], "data": {"batch_size": 8}}, "test")
    assert [key for key, _ in problems(config)] == ["data.batch_size"]
    assert not list(problems(config, one_device=True))
    words = ["gpus=0,1,2", "data.batch_size=8", "--images", "x", "--out", "x.json"]
    assert read(["detect", *words]).arguments["config"].gpus == (0, 1, 2)


@pytest.mark.parametrize("key, settings", [
    ("optim.backbone_lr", {"optim": {"backbone_lr": 0.1, "layer_decay": 0.5}}),
    ("optim.ema", {"data": {"unlabelled": [{"boxes": "b.json", "img_root": "frames"}]}}),
    ("data.unlabelled", {"data": {"unlabelled": [{"boxes": "b.json"}]}, "optim": {"ema": 0.9}}),
    ("data.unlabelled_batch", {"data": {"unlabelled": [{"img_root": "x"}], "unlabelled_batch": 3},
                               "optim": {"ema": 0.9, "accumulate": 2}}),
    ("data.unlabelled_batch", {"data": {"unlabelled_batch": -1}}),
    ("optim.unlabelled_after", {"data": {"unlabelled": [{"img_root": "x"}]},
                                "optim": {"ema": 0.9, "epochs": 3, "unlabelled_after": 3}}),
    ("optim.unlabelled_score", {"optim": {"unlabelled_score": 1.5}}),
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
    ("model.head", {"model": {"head": "simple"}}),
    ("codec.kind", {"model": {"head": "simcc"}}), ("codec.kind", {"codec": {"kind": "simcc"}}),
    ("codec.encoding", {"model": {"head": "simcc"},
                        "codec": {"kind": "simcc", "encoding": "exact"}}),
    ("model.head", {"model": {"head": "rtmcc"}, "codec": {"kind": "simcc"}}),
    ("model.softmax", {"model": {"softmax": True, "head": "simcc"}, "codec": {"kind": "simcc"}}),
    ("model.drop_path", {"model": {"drop_path": 0.1}}),
    ("model.level", {"model": {"level": 2}}),
    ("model.head", {"model": {"type": "pose_timm", "name": "resnet18", "head": "classic"}}),
    ("model.name", {"model": {"type": "pose_vit"}}),
    ("model.width", {"model": {"type": "pose_vit", "name": "s", "width": 0.5}}),
    ("model.reduction", {"model": {"type": "pose_vit", "name": "s", "reduction": True}}),
    ("codec.input_size", {"model": {"type": "pose_vit", "name": "s"},
                          "codec": {"input_size": (200, 256)}}),
    ("codec.input_size", {"codec": {"input_size": (208, 272)}}),
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
    {"optim": {"freeze_epochs": 1, "epochs": 2, "layer_decay": 0.5}},
    {"optim": {"warmup_epochs": 0.5, "epochs": 1}}, {"val": {"nms_threshold": 0}},
    {"val": {"best": "AP easy", "metrics": ["crowdpose"]}}, {"val": {"best": "AR"}},
    {"model": {"type": "pose_vit", "name": "s", "head": "simple", "drop_path": 0.1},
     "codec": {"input_size": (208, 272), "decoder": "vitpose"}},
    {"model": {"type": "pose_cspnext", "name": "t", "head": "rtmcc"},
     "codec": {"kind": "simcc", "bin_sigma": (4.9, 5.66), "sigma": 3}},
    {"codec": {"blur_kernel": 0}}, {"codec": {"blur_kernel": 17, "sigma": 3}},
])
def test_what_works_is_not_refused(settings):
    assert keys_of(settings) == []


@pytest.mark.parametrize("name", [
    "..", ".", "", " ", " a", "a ", "-rf", "a/b", "a\\b", "*", "a\nb", "\x1b[2J", "a\x00", "a:b",
    "x" * 201, "\u00e4" * 101, "...", "\t"])
def test_a_name_that_is_no_part_of_file_names(name):
    assert keys_of({"model_name": name}) == ["model_name"]


@pytest.mark.parametrize("name", ["a", "pose-2.1_x", "a b", "\u9aa8\u67b6", ".old", "x" * 200,
                                  "a[1]", "2024"])
def test_a_name_as_people_choose_it(name):
    assert keys_of({"model_name": name}) == []


PATHS = [("data", name) for name in ("train_ann_path", "val_ann_path", "train_img_root",
                                     "val_img_root", "train_pack", "val_pack", "skeleton")]
PATHS += [("model", "pretrained"), ("val", "weight_path"), ("val", "boxes"),
          ("detector", "weights")]
EXTRA = ("ann_path", "img_root", "skeleton")
UNLABELLED = ("boxes", "img_root")


@pytest.mark.parametrize("section, name", PATHS)
def test_every_path_may_begin_in_the_home_folder(section, name, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    config = config_from_dict({section: {name: "~/x.y"}}, "test")
    assert getattr(getattr(config, section), name) == "/home/somebody/x.y"
    assert keys_of({section: {name: "$DATA/x"}}) == [f"{section}.{name}"]


@pytest.mark.parametrize("name", EXTRA)
def test_so_may_the_paths_of_more_sets(name, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    entry = {"ann_path": "a", "img_root": "b"}
    config = config_from_dict({"data": {"extra_sets": [entry | {name: "~/x"}]}}, "test")
    assert getattr(config.data.extra_sets[0], name) == "/home/somebody/x"
    assert keys_of({"data": {"extra_sets": [entry, entry | {name: "$DATA/x"}]}}) == [
        f"data.extra_sets[1].{name}"]


def test_every_setting_that_is_called_a_path_is_one():
    """A new path whose doc says so needs path=True."""
    marked = {(name, knob.name) for name, section in SECTIONS.items() for knob in fields(section)
              if knob.metadata.get("path")}
    texts = {(name, knob.name): knob.metadata["doc"] for name, section in SECTIONS.items()
             for knob in fields(section) if isinstance(knob.default, str)}
    told = {key for key, doc in texts.items() if "path" in doc or "folder" in doc or "JSON" in doc
            or key[1].endswith(("_path", "_root", "_pack"))}
    assert told <= marked == set(PATHS) | {
        ("extra_sets", name) for name in EXTRA} | {("unlabelled", name) for name in UNLABELLED}
