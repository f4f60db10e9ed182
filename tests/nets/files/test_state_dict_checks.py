"""Checkpoints with the right names and wrong tensors: refused before anything is copied."""
import pytest
import torch

from nets import build_net
from nets.files.state_dict_checks import ensure_finite, ensure_plain_numbers, find_state
from nets.pretrained import load_weights

KEY = "backbone.layer4.1.conv2.weight"      # far from the first that would be copied


def make(num_joints=17):
    return build_net(type="pose_resnet_dconv", name="resnet18", width=0.1, num_joints=num_joints)


def with_one(change, key=KEY):
    state = {key: value + 1 for key, value in make().state_dict().items()}
    return state | {key: change(state[key])}


def number(value):
    return lambda old: torch.full_like(old, value)


CASES = {
    "sparse": (lambda: with_one(torch.Tensor.to_sparse), "no dense tensor"),
    "quantized": (lambda: with_one(lambda old: torch.quantize_per_tensor(
        old, 0.1, 0, torch.qint8)), "no dense tensor"),
    "meta": (lambda: with_one(lambda old: old.to("meta")), "no dense tensor"),
    "complex": (lambda: with_one(lambda old: old.to(torch.complex64)), "real numbers"),
    "bool": (lambda: with_one(torch.Tensor.bool), "real numbers"),
    "integer": (lambda: with_one(torch.Tensor.int), "real numbers"),
    "complex counter": (lambda: with_one(lambda old: old.to(torch.complex64),
                                         "backbone.bn1.num_batches_tracked"), "real numbers"),
    "nan": (lambda: with_one(number(float("nan"))), "not finite"),
    "inf": (lambda: with_one(number(float("inf")), "backbone.bn1.running_var"), "not finite"),
    "a variance below 0": (lambda: with_one(number(-0.5), "backbone.bn1.running_var"),
                           "variances below 0"),
    "too large for float32": (lambda: with_one(lambda old: old.double() + 1e300), "not finite"),
    "a bias of 16": (lambda: with_one(lambda old: old[:16], "head.output.bias"),
                     "weight and bias of the last layer"),
    "a bias of no dimension": (lambda: with_one(torch.Tensor.sum, "head.output.bias"),
                               "weight and bias of the last layer"),
    "no dimension": (lambda: with_one(torch.Tensor.sum), "of another shape"),
    "two of a kind": (lambda: with_one(abs) | {f"module.{KEY}": torch.ones(1)},
                      "two networks at once"),
    "two backbones": (lambda: with_one(abs) | {KEY.replace("backbone", "preact"): torch.ones(1)},
                   "two networks at once"),
}


@pytest.mark.filterwarnings("ignore")       # torch's, of sparse and quantized tensors
@pytest.mark.parametrize("case", CASES)
def test_odd_tensors_are_refused_and_change_nothing(case):
    build, words = CASES[case]
    net, state = make(), build()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(ValueError, match=words) as caught:
        load_weights(net, state)
    assert len(str(caught.value).splitlines()) == 1
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_weight_and_bias_for_other_joints_must_agree():
    state = with_one(lambda old: old[:16], "head.output.bias")
    with pytest.raises(ValueError, match="weight and bias of the last layer"):
        load_weights(make(num_joints=5), state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_fine(dtype):
    state = {key: value.to(dtype) for key, value in make().state_dict().items()}
    net = make()
    load_weights(net, state)
    assert torch.equal(net.backbone.conv1.weight, state["backbone.conv1.weight"].float())


def test_odd_tensors_without_a_place_in_the_net_do_not_matter():
    state = with_one(abs) | {"head.output.mask": torch.ones(2, dtype=torch.bool)}
    report = load_weights(make(), state, allow_partial=True)
    assert report.left == ("head.output.mask",)


NAME = "a\n\x1b[31m" + "x" * 20_000


@pytest.mark.parametrize("words, foreign", [
    (r"in the file only: a\\n", lambda: with_one(abs) | {NAME: torch.zeros(1)}),
    ("in the file only: ''", lambda: with_one(abs) | {"": torch.zeros(1)}),
    ("no code base", lambda: {NAME + key: value for key, value in with_one(abs).items()}),
    ("two networks at once", lambda: {key + NAME: torch.ones(1) for key in (KEY, f"module.{KEY}")}),
])
def test_names_in_a_file_are_shown_on_one_short_line(words, foreign):
    with pytest.raises(ValueError, match=words) as caught:
        load_weights(make(), foreign())
    assert str(caught.value).isprintable() and len(str(caught.value)) < 700


@pytest.mark.parametrize("check", [ensure_finite, ensure_plain_numbers])
def test_so_are_those_of_a_file_that_is_looked_at_by_itself(check):
    state = {NAME: torch.full((2,), torch.nan).to(
        torch.complex64 if check is ensure_plain_numbers else torch.float32)}
    with pytest.raises(ValueError) as caught:
        check(state, state, "it")
    assert str(caught.value).isprintable() and len(str(caught.value)) < 400


def test_a_checkpoint_that_contains_itself_ends():
    for wrapper in ("model", "ema"):
        checkpoint = {}
        checkpoint[wrapper] = checkpoint
        with pytest.raises(ValueError, match="holds no weights"):
            find_state(checkpoint, "it")


def test_what_rounding_leaves_of_a_variance_of_0_is_taken():
    """torchvision's ResNet-18 has -9e-13 in bn1, where a channel sees nothing."""
    net = make()
    load_weights(net, make().state_dict() | {"backbone.bn1.running_var": torch.full((8,), -9e-13)})
    assert (net.backbone.bn1.running_var < 0).any()
    assert net.eval()(torch.randn(1, 3, 64, 64)).isfinite().all()
