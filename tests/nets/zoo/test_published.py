"""The table of published weights: that each row's settings are those of its file."""
import json
from functools import cache
from pathlib import Path

import pytest
import torch

from configs.checks import problems
from configs.loader import load_config
from datasets.annotations.skeleton import load_skeleton
from nets import build_net
from nets.detectors.yolov5 import SIZES
from nets.files.sources import SOURCES, recognise
from nets.files.weights_file import FORMAT, read_weights_file
from nets.pretrained import load_weights
from nets.zoo.published import FREE_DETECTOR, FREE_POSE, PUBLISHED
from nets.zoo.weights_by_name import local_file
from utils.files import ROOT

SHIPPED = [row for row in PUBLISHED.values() if row.place]     # with this project
POSE = [row for row in PUBLISHED.values() if row.kind == "pose network" and row.address]
DETECTORS = [row for row in PUBLISHED.values() if row.kind == "detector"]
VECTORS = {"rtmcc": (("head.output.", "head.final_layer."), ("head.tokens.norm.", "head.mlp.0."),
                     ("head.tokens.linear.", "head.mlp.1."),
                     ("head.tokens.gau.res_scale", "head.gau.res_scale.scale"),
                     ("head.tokens.gau.", "head.gau."), ("head.x.", "head.cls_x."),
                     ("head.y.", "head.cls_y.")),
           "simcc": (("head.upsample.", "head.deconv_head.deconv_layers."),
                     ("head.output.", "head.deconv_head.final_layer."),
                     ("head.x.", "head.mlp_head_x."), ("head.y.", "head.mlp_head_y."))}
MMPOSE = (("backbone.", "backbone."), ("head.upsample.", "head.deconv_layers."),
          ("head.output.", "head.final_layer."))
VIT = {"patch_embed.proj.": "patch_embed.projection.", "blocks.": "layers.", "last_norm.": "ln1.",
       ".norm1.": ".ln1.", ".norm2.": ".ln2.", ".mlp.fc1.": ".ffn.layers.0.0.",
       ".mlp.fc2.": ".ffn.layers.1."}


@cache
def net_of(model, input_size):
    with torch.device("meta"):
        return build_net(model, input_size=input_size)


def by_mmpose(config):
    """Keys and shapes of a file of mmpose 1.x with the network of a Config, from our own."""
    keys = {}
    for key, value in net_of(config.model, config.codec.input_size).state_dict().items():
        rows = (*VECTORS.get(config.model.head, ()), *MMPOSE)
        ours, theirs = next(pair for pair in rows if key.startswith(pair[0]))
        key, shape = theirs + key[len(ours):], list(value.shape)
        if config.model.type == "pose_vit":
            for one, other in VIT.items() if key.startswith("backbone.") else ():
                key = key.replace(one, other)
            if key == "backbone.pos_embed":
                shape[1] -= 1       # without a first row
        keys[key] = shape
    return keys


NETWORKS = {str((row.sections["model"], row.source)): row for row in reversed(POSE)}.values()
MOST_BYTES = 30_000_000     # of a file that comes with the project
SMALL = "w32", "resnet50", "s", "t"     # the others take seconds or gigabytes


@pytest.mark.parametrize("row", [
    pytest.param(row, id=row.name, marks=() if row.sections["model"]["name"] in SMALL else
                 pytest.mark.slow) for row in NETWORKS])
def test_a_file_of_that_style_fills_the_network_of_the_settings(row):
    """Each network once; the rows that share it are told apart by their settings alone."""
    config = row.config()
    state = {key: torch.zeros(shape) for key, shape in by_mmpose(config).items()}
    net = net_of(config.model, config.codec.input_size)
    net.load_state_dict = lambda *state, **how: None        # it has no memory to copy to
    loaded = load_weights(net, {"state_dict": state, "meta": {}}, source=row.source)
    assert (loaded.missed, loaded.left, loaded.reinitialised) == ((), (), ())


@pytest.mark.parametrize("name", [row.name for row in POSE if "hrnet_w32_wholebody" in row.name])
def test_the_files_of_2020_name_their_head_otherwise(name):
    """mmpose 0.x, which the whole-body HRNets are of."""
    row = PUBLISHED[name]
    config = row.config()
    state = {key.replace("head.", "keypoint_head.", 1) if key.startswith("head.") else key:
             torch.zeros(shape) for key, shape in by_mmpose(config).items()}
    net = net_of(config.model, config.codec.input_size)
    net.load_state_dict = lambda *state, **how: None
    loaded = load_weights(net, {"state_dict": state, "meta": {}}, path=row.address)
    assert (loaded.source, loaded.missed, loaded.left, loaded.reinitialised) == (
        "mmpose", (), (), ())
    assert state["keypoint_head.final_layer.weight"].shape[0] == 133


@pytest.mark.parametrize("row", POSE, ids=lambda row: row.name)
def test_the_settings_are_those_of_the_source(row):
    config = row.config()
    told, _ = recognise(by_mmpose(config), row.address.rpartition("/")[2], False, "")
    assert told == row.source       # by the keys and the file's name, too
    assert SOURCES[told].input_format == config.model.input_format
    assert SOURCES[told].alignment == config.codec.alignment


@pytest.mark.parametrize("row", POSE, ids=lambda row: row.name)
def test_those_keys_are_the_official_ones(shared, row):
    model, ours = row.config().model, by_mmpose(row.config())
    if row.source == "vitpose":
        nets = json.loads((shared / "golden/next/keys_vitpose_mmpose.json").read_text())
        if (stored := nets.get(f"vitpose_{model.name}_{model.head}")) is None:
            pytest.skip("no golden keys of the huge one")
        official = {key: shape for key, shape, _ in stored}
    elif model.type == "pose_cspnext" or model.head == "simcc":
        name = "simcc_resnet50" if model.head == "simcc" else f"rtmpose_{model.name}"
        nets = json.loads((shared / "golden/next/keys_rtmpose.json").read_text())
        official = {key: shape for key, shape, _ in nets[name]}
        if model.num_joints != 17:
            official["head.final_layer.weight"][0] = model.num_joints
            official["head.final_layer.bias"][0] = model.num_joints
        if row.config().codec.input_size != (192, 256):     # their first layer and their last ones
            sized = ("head.mlp.1.", "head.cls_", "head.mlp_head_")
            ours, official = ({key: shape for key, shape in keys.items()
                               if not key.startswith(sized)} for keys in (ours, official))
        elif model.head == "default":       # a head of heatmaps on the same backbone
            ours, official = ({key: shape for key, shape in keys.items()
                               if key.startswith("backbone.")} for keys in (ours, official))
    else:
        name = (f"pose_hrnet_{model.name}" if model.type == "pose_hrnet" else
                f"pose_{model.name}")
        rows = json.loads((shared / f"golden/networks/keys_{name}.json").read_text())
        official = {("head." if key.startswith(("deconv_layers.", "final_layer.")) else
                     "backbone.") + key: shape for key, shape, _ in rows}
        for key in ("head.final_layer.weight", "head.final_layer.bias"):
            official[key][0] = model.num_joints
    assert ours == official


def test_every_row_is_whole():
    places = [row.address or row.place for row in PUBLISHED.values()]
    assert all(places) and len(set(places)) == len(places)
    for name, row in PUBLISHED.items():
        assert name == row.name and row.licence and row.protocol and 0 < row.ap < 1
        assert not list(problems(row.config())) and bool(row.address) != bool(row.place)
        assert bool(row.sha256) == ("yolov5" not in name)
        assert row.place or row.address.startswith("https://")
        assert row.source is None if row.place or row.kind == "detector" else row.source in SOURCES
        assert not Path(name).exists()


def test_what_comes_with_the_project_is_there_and_says_what_it_is():
    for row in SHIPPED:
        path = local_file(row)      # its hash is right
        checkpoint = read_weights_file(path)
        assert path.parent == ROOT / "weights" and path.stat().st_size < MOST_BYTES
        assert checkpoint["format"] == FORMAT and not row.sections.keys() & {"model", "codec"}
        assert round(checkpoint["best"]["AP"], 3) == row.ap and not row.terms
        assert f"`{row.place}`" in (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("row", POSE, ids=lambda row: row.name)
def test_name_address_and_settings_say_the_same(row):
    codec, model, file = row.config().codec, row.config().model, row.address.rpartition("/")[2]
    size = "384x288" if codec.input_size == (288, 384) else "256x192"
    assert size in file and (size in row.name or "vitpose" in row.name)
    if codec.kind == "simcc":
        rtmpose = "rtmpose" in file
        wanted = (6, 6)
        if rtmpose:     # the root of an eighth of the side
            wanted = tuple(pytest.approx((side / 8) ** 0.5, abs=0.005) for side in codec.input_size)
        assert codec.bin_sigma == wanted and codec.normalize != rtmpose
        assert ("aic_" in row.name) == ("simcc-aic-coco" in file)
        assert ("wholebody" in row.name) == ("wholebody" in file) == (model.num_joints == 133)
        assert rtmpose == row.name.startswith("mmpose/rtmpose_")
        letter = file.removeprefix("rtmpose-")[0] if rtmpose else "r"
        assert model.name[0] == letter and "vitpose" not in row.name
        return
    assert codec.sigma == {"256x192": 2, "384x288": 3}[size]
    assert ("udp" in row.name or "vitpose" in row.name) == (codec.alignment == "udp")
    for word in ("udp", "dark", "fp16", "merge", "simple", "wholebody"):
        assert (word in row.name) == (word in file)
    assert load_skeleton(row.config().data.skeleton).num_joints == model.num_joints
    assert codec.decoder == ("quarter" if codec.encoding == "rounded" else "gauss_taylor")
    assert {"w32": "w32", "w48": "w48"}.get(model.name, model.name.replace("net", "")) in (
        file.replace("ViTPose-", "").lower() if model.type != "pose_vit" else model.name)
    assert model.type != "pose_cspnext" or file.startswith(f"cspnext-{model.name}")
    assert model.type != "pose_vit" or row.name.removeprefix("mmpose/vitpose_")[0] == model.name


def test_recipes_and_names_agree():
    """Where a YAML trains what a name loads, they prepare images alike."""
    for recipe, name in (("udp_hrnet_w32_256x192", "mmpose/hrnet_w32_udp_256x192"),
                         ("vitpose_b_256x192", "mmpose/vitpose_b"),
                         ("hrnet_w32_wholebody_256x192", "mmpose/hrnet_w32_wholebody_256x192"),
                         ("rtmpose_m_wholebody_256x192", "mmpose/rtmpose_m_wholebody_256x192")):
        trained, named = load_config(ROOT / f"configs/{recipe}.yaml"), PUBLISHED[name].config()
        for key in ("type", "name", "input_format", "num_joints"):
            assert getattr(trained.model, key) == getattr(named.model, key)
        assert trained.data.skeleton == named.data.skeleton
        for key in ("input_size", "sigma", "alignment", "kind", "bin_sigma", "normalize"):
            assert getattr(trained.codec, key) == getattr(named.codec, key)
        for key in ("flip_test", "score_rule", "joint_score", "nms", "nms_threshold", "metrics",
                    "best"):
            assert getattr(trained.val, key) == getattr(named.val, key)


def test_detectors_are_known_and_what_is_under_terms_is_no_default():
    from torchvision.models import get_model_weights
    for row in DETECTORS:
        name = row.sections["detector"].get("name")
        if name is None:
            assert row.name in SIZES and row.licence == "AGPL-3.0" and row.terms
            continue
        weights = get_model_weights(name).DEFAULT
        assert weights.url == row.address
        assert row.megabytes == pytest.approx(weights.meta["_file_size"], abs=0.05)
        assert row.ap == pytest.approx(weights.meta["_metrics"]["COCO-val2017"]["box_map"] / 100)
    free = PUBLISHED[FREE_POSE], PUBLISHED[FREE_DETECTOR]
    assert [row.kind for row in free] == ["pose network", "detector"]
    assert not any(row.terms or "GPL" in row.licence for row in free)
