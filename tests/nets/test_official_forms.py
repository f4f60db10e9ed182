"""Weights in the forms of other codes: names and shapes of the golden numbers, and back again."""
import json

import pytest
import torch

from configs.schema import ModelConfig
from nets import build_net
from nets.official_forms import FORMS, assumed_otherwise, in_form
from nets.pretrained import load_weights
from tests.nets.golden_weights import golden_images, golden_state
from utils.errors import UserError

R50 = {"type": "pose_resnet_dconv", "name": "resnet50"}
W32 = {"type": "pose_hrnet", "name": "w32"}
GOLDEN = [  # form, model, file of keys, entry in it
    ("simplebaselines", R50, "networks/keys_pose_resnet50.json", None),
    ("simplebaselines", R50 | {"name": "resnet152"}, "networks/keys_pose_resnet152.json", None),
    ("hrnet", W32, "networks/keys_pose_hrnet_w32.json", None),
    ("hrnet", W32 | {"name": "w48"}, "networks/keys_pose_hrnet_w48.json", None),
    *((form, {"type": "pose_vit", "name": size, "head": head},
       f"next/keys_vitpose_{form.removeprefix('vitpose_')}.json", f"vitpose_{size}_{head}")
      for form in ("mmpose", "vitpose_hf") for size in "sl" for head in ("classic", "simple"))]


@pytest.mark.parametrize("form, model, file, entry", GOLDEN)
def test_names_and_shapes_are_those_of_the_official_code(shared, form, model, file, entry):
    keys = json.loads((shared / "golden" / file).read_text())
    with torch.device("meta"):
        state = in_form(build_net(**model).state_dict(), ModelConfig(**model), form)
    assert {key: list(value.shape) for key, value in state.items()} == {
        key: shape for key, shape, _ in (keys[entry] if entry else keys)}


@pytest.mark.parametrize("form", ["hrnet", "simplebaselines", "mmpose"])
def test_mmposes_names_are_the_official_ones_behind_a_part(form):
    model = W32 if form == "hrnet" else R50
    with torch.device("meta"):
        state = build_net(**model).state_dict()
    official = in_form(state, ModelConfig(**model), "hrnet" if model is W32 else "simplebaselines")
    heads = ("deconv_layers.", "final_layer.")
    assert list(in_form(state, ModelConfig(**model), "mmpose")) == [
        ("head." if key.startswith(heads) else "backbone.") + key for key in official]


R18, VIT = R50 | {"name": "resnet18"}, {"type": "pose_vit", "name": "s"}
ROUND = [("simplebaselines", R18), ("mmpose", R18),
         ("mmpose", VIT | {"head": "simple"}), ("vitpose_hf", VIT | {"head": "classic"}),
         *(pytest.param(*pair, marks=pytest.mark.slow) for pair in (
             ("hrnet", W32), ("mmpose", W32), ("mmpose", VIT | {"head": "classic"}),
             ("vitpose_hf", VIT | {"head": "simple"})))]


@torch.no_grad()
@pytest.mark.parametrize("form, model", ROUND)
def test_what_is_loaded_back_is_the_same_network(form, model):
    with torch.device("meta"):      # first weights are slow to draw and not wanted
        first, second = (build_net(**model).eval() for _ in range(2))
    first, second = first.to_empty(device="cpu"), second.to_empty(device="cpu")
    keys = [(key, value.shape, "") for key, value in first.state_dict().items()]
    first.load_state_dict(golden_state(keys, 1.0))
    state = in_form(first.state_dict(), ModelConfig(**model), form)
    report = load_weights(second, state)
    assert (report.missed, report.left) == ((), ()) and report.source in FORMS[form].sources
    images = golden_images(3)[:1]
    wanted = first(images)
    off = (second(images) - wanted).abs().max() / wanted.abs().max()
    ours, loaded = first.state_dict(), second.state_dict()
    other = [key for key in ours if not torch.equal(ours[key], loaded[key])]
    assert off <= 1e-6
    # mmpose has no first row of places: it was added to the others
    assert other == ["backbone.pos_embed"] * (form == "mmpose" and model["type"] == "pose_vit")


@pytest.mark.parametrize("form, model, sentence", [
    ("hrnet", {"type": "pose_resnet_duc"}, "for model.type pose_resnet_duc .*leave --form out"),
    ("hrnet", R50, "give --form simplebaselines or mmpose"),
    ("mmpose", R50 | {"reduction": True}, "SE layers .*leave --form out"),
    ("simplebaselines", R50 | {"width": 0.5}, "model.width 0.5"),
    ("simplebaselines", R50 | {"level": -2}, "model.level -2: leave --form out"),
    ("mmpose", R50 | {"head": "simcc"}, "model.head simcc: leave --form out"),
    ("vitpose_hf", W32, "give --form hrnet or mmpose"),
    ("mmpose", {"type": "pose_timm", "name": "resnet18"}, "pose_timm")])
def test_a_network_without_a_place_in_the_form_is_refused(form, model, sentence):
    with pytest.raises(UserError, match=sentence):
        in_form({}, ModelConfig(**model), form)


def test_what_the_other_code_assumes_otherwise_is_told():
    assert assumed_otherwise("hrnet", "rgb_mean_std", "hrnet", False) == []
    assert assumed_otherwise("mmpose", "rgb_mean_std", "udp", False) == []
    assert assumed_otherwise("simplebaselines", "rgb_mean_std", "dark", False) == [
        "model.input_format rgb_mean_std (it assumes bgr_mean_std)",
        "codec.alignment dark (it assumes hrnet)"]
    assert assumed_otherwise("vitpose_hf", "rgb_half", "udp", True) == []
