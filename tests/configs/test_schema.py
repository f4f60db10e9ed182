from dataclasses import FrozenInstanceError, fields, is_dataclass

import pytest

from configs.checks import problems
from configs.loader import config_from_dict, load_config
from configs.schema import Config

SECTIONS = {f.name: f.default_factory for f in fields(Config) if f.name not in
            ("model_name", "seed", "processor", "processes", "gpus", "resume")}
KNOBS = [(name, f) for name, section in SECTIONS.items() for f in fields(section)]
KNOBS += [("", f) for f in fields(Config) if f.name not in SECTIONS]


@pytest.mark.parametrize("section, knob", KNOBS, ids=lambda x: getattr(x, "name", x) or "top")
def test_every_knob_has_a_doc_and_a_plain_default(section, knob):
    assert len(knob.metadata["doc"]) > 10
    assert isinstance(knob.default, bool | int | float | str | tuple)


def test_all_that_is_not_a_knob_is_a_section():
    assert all(is_dataclass(section) for section in SECTIONS.values())
    assert len(KNOBS) == len({(section, knob.name) for section, knob in KNOBS})


def test_the_defaults_do_not_contradict_each_other():
    assert list(problems(Config())) == []


def test_a_config_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Config().optim.lr = 1.0


def test_the_keys_of_the_first_users_keep_working():
    config = config_from_dict({
        "model_name": "fast", "gpus": "4,5,6,7",
        "data": {"train_ann_path": "t.json", "val_ann_path": "v.json", "train_img_root": "t",
                 "val_img_root": "v", "batch_size": 128, "num_workers": 8, "debug": False},
        "model": {"type": "pose_resnet_duc", "name": "resnet50", "num_joints": 17,
                  "pretrained": True, "reduction": True},
        "optim": {"lr": "1e-3", "amp": True, "milestones": [120, 160], "epochs": 180,
                  "gamma": 0.1, "sync_bn": False},
        "val": {"interval": 1, "weight_path": "weights"}}, "old.yaml")
    assert (config.gpus, config.optim.lr) == ((4, 5, 6, 7), 1e-3)
    assert list(problems(config)) == []


def test_every_recipe_loads(pytestconfig):
    recipes = sorted((pytestconfig.rootpath / "configs").glob("*.yaml"))
    assert len(recipes) >= 5
    names = [load_config(recipe).model_name for recipe in recipes]
    assert len(set(names)) == len(names), "two recipes would write into each other's files"
