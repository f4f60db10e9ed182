"""Whatever labels and machines are like, the proposed settings can be trained with."""
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from configs.convert import fill
from configs.loader import with_overrides
from configs.schema import Config
from configs.strict_yaml import parse_yaml
from datasets.annotations.skeleton import load_skeleton
from nets import build_net
from processors.proposal.choices import MOST_STEPS, UPRIGHT_SIZE, choices, input_size
from processors.proposal.facts import Facts, turned
from processors.proposal.machine import SHIPPED, Machine
from processors.proposal.yaml_text import yaml_text

FACTS = Facts(load_skeleton("coco"), 200, 30, 100, 0.5, 150.0, 20.0, True)
CPU, GPU = Machine("", 16, 4), Machine("A100", 40, 16)


def config_of(facts, machine=CPU, weights="") -> Config:
    text = yaml_text([], choices(facts, machine, weights))
    return with_overrides(fill(Config(), parse_yaml(text), "here"), (), "here")


@pytest.mark.parametrize("persons, machine, weights", [*product(
    (1, 2, 12, 60, 5000, 150_000), (CPU, GPU, Machine("", 0.5, 1)), ("", "imagenet", SHIPPED))])
def test_any_labels_on_any_machine_make_settings_without_a_contradiction(persons, machine, weights):
    for aspect, side, spread in ((0.01, 3.0, float("nan")), (1.0, 200.0, 0.0), (90.0, 3e3, 180.0)):
        config = config_of(replace(FACTS, persons=persons, aspect=aspect, side=side, spread=spread),
                           machine, weights)
        assert config.data.batch_size <= persons
        assert 64 <= min(config.codec.input_size) and max(config.codec.input_size) <= 576
        assert bool(config.optim.patience) == bool(weights)


@pytest.mark.parametrize("aspect", [0.3, 0.5, 0.75, 1, 1.6, 3])
@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_the_input_has_the_shape_of_the_boxes_and_more_pixels_where_they_have(aspect, kind):
    sizes = [input_size(replace(FACTS, aspect=aspect, side=side), kind) for side in (30, 100, 400)]
    for width, height in sizes[1:]:
        assert 0.6 < width / height / aspect < 1.6
    areas = [width * height for width, height in sizes]
    assert areas == sorted(areas) and (areas[0] < areas[2] or kind == "cpu")


def test_steps_grow_with_the_people_and_memory_bounds_the_batch():
    def steps(persons):
        config = config_of(replace(FACTS, persons=persons))
        return persons // config.data.batch_size * config.optim.epochs
    assert steps(200) == pytest.approx(2 * steps(50), rel=0.1)      # with the square root
    assert steps(800) == pytest.approx(4 * steps(200), rel=0.1)
    assert steps(20_000) == pytest.approx(MOST_STEPS["cpu"], rel=0.05)
    assert config_of(FACTS, Machine("tiny", 1, 2)).data.batch_size < (
        config_of(FACTS, GPU).data.batch_size)


def test_people_are_shown_as_the_weights_that_come_along_have_seen_them():
    def size(weights=SHIPPED, **changes):
        return config_of(replace(FACTS, **changes), weights=weights).codec.input_size
    assert size() == size(spread=float("nan")) == UPRIGHT_SIZE != size(weights="")
    for other in ({"skeleton": load_skeleton("hand21")}, {"spread": 90.0}, {"aspect": 2.0}):
        assert size(**other) == size(weights="", **other) != UPRIGHT_SIZE


@pytest.mark.parametrize("persons, batch", [(5, 4), (20, 16), (60, 16), (100_000, 16)])
def test_small_sets_have_whole_batches(persons, batch):
    assert config_of(replace(FACTS, persons=persons)).data.batch_size == batch


@pytest.mark.parametrize("persons, machine, words", [
    (200, CPU, "16, or more where they still make 10 steps an epoch, as far as 16 GB"),
    (5, CPU, "there are but 5"), (1, CPU, "there is but one"),
    (200, Machine("", 0.5, 1), "as many as 0.5 GB hold")])
def test_the_batch_says_why_it_is_so_large(persons, machine, words):
    found = {one.key: one.reason for one in choices(replace(FACTS, persons=persons), machine, "")}
    assert words in found["data.batch_size"]
    assert ("for 1 core" if machine.cores == 1 else "for 4 cores") in found["data.num_workers"]


@pytest.mark.parametrize("persons", [20, 60, 200, 2000, 20_000])
def test_evaluations_are_counted_and_patience_can_end_a_run(persons):
    facts = replace(FACTS, persons=persons)
    config = config_of(facts, weights=SHIPPED)
    reason = {one.key: one.reason for one in choices(facts, CPU, SHIPPED)}["val.interval"]
    many = config.optim.epochs // config.val.interval
    assert f"makes {many} of them" in reason and 0 < config.optim.patience <= (many + 1) // 2


def test_joints_that_may_be_pairs_are_not_mirrored_and_named():
    facts = replace(FACTS, skeleton=replace(FACTS.skeleton, flip_pairs=()), symmetric=False,
                    doubt="q5 and q6 may be left and right")
    found = {one.key: one for one in choices(facts, CPU, "")}["augment.flip"]
    assert found.value == 0 and "never: q5 and q6 may be left" in found.reason


@pytest.mark.parametrize("skeleton, frozen_at_first", [("coco", False), ("mpii", True)])
def test_the_network_that_comes_along_is_taken_as_it_is(skeleton, frozen_at_first):
    """Its head, too, where the joints are its own."""
    skeleton = load_skeleton(skeleton)
    found = config_of(replace(FACTS, skeleton=skeleton), weights=SHIPPED)
    net = build_net(found.model, joint_names=skeleton.joint_names)
    report = net.weights_report
    assert not report.missed and not report.left
    assert bool(report.new_joints) == frozen_at_first
    assert bool(found.optim.freeze_epochs) == frozen_at_first


@pytest.mark.parametrize("changes, weights, tuned", [
    ({}, SHIPPED, True), ({"skeleton": load_skeleton("mpii")}, SHIPPED, True),
    ({"skeleton": load_skeleton("hand21")}, SHIPPED, False), ({"spread": 90.0}, SHIPPED, False),
    ({"aspect": 2.0}, SHIPPED, False),
    ({"skeleton": load_skeleton("hand21")}, "ImageNet", True), ({}, "", False)])
def test_weights_are_held_only_where_they_know_what_they_will_see(changes, weights, tuned):
    """What the network of upright people does not know, all of it has to learn."""
    optim = config_of(replace(FACTS, **changes), weights=weights).optim
    assert optim.backbone_lr == (0.3 if tuned else 1.0)
    assert optim.freeze_stages == (tuned and weights == SHIPPED)
    assert optim.lr == (0.0007 if tuned else 0.0015)
    assert bool(optim.patience) == bool(weights) and (tuned or not optim.freeze_epochs)


@pytest.mark.parametrize("degrees", [5, 20, 35, 60])
def test_the_spread_is_that_of_the_directions(degrees):
    rng = np.random.default_rng(0)
    angles = np.radians(rng.normal(0, degrees, 2000))
    ways = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = np.stack([np.zeros_like(ways), ways], axis=1)
    assert turned(points, np.ones((2000, 2), bool)) == pytest.approx(degrees, rel=0.1)


def test_chance_is_no_direction_and_few_or_lone_joints_tell_nothing():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(30, 6, 2))
    assert turned(points, np.ones((30, 6), bool)) > 90
    assert np.isnan(turned(points[:4], np.ones((4, 6), bool)))
    assert np.isnan(turned(points[:, :1], np.ones((30, 1), bool)))
    assert np.isnan(turned(np.zeros((9, 2, 2)), np.ones((9, 2), bool)))
