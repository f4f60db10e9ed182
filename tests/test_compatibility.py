"""What docs/compatibility.md promises: files of 0.1.0 load, and give the numbers of then."""
import inspect
import json
import re
import shutil
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
import torch

import hubconf
from configs.loader import config_from_dict, config_to_dict, load_config
from configs.version import made_by
from processors.dp_pose_resnet_solver import DPProcessor
from processors.models.checkpoint import load_checkpoint

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "files_of_0_1_0"
NUMBERS = json.loads((FOLDER / "numbers.json").read_text())
PAGE = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
spec = spec_from_file_location("files_of_0_1_0", FOLDER / "make.py")
make = module_from_spec(spec)
spec.loader.exec_module(make)

IMPORTS = [(module, name) for module, names in re.findall(r"`from (\S+) import ([^`]+)`", PAGE)
           for name in names.split(", ")]
# the arguments of 0.1.0, in their order, and behind the star those with names only
ARGUMENTS = {
    "DPProcessor": "cfg_path, overrides", "DDPProcessor": "cfg_path, overrides",
    "PosePredictor": "weights, detector, *, config, device, flip_test, overrides",
    "MSCOCO": "ann_path, img_root, skeleton, *, input_size, alignment, augment, epochs, seed, "
              "pack, detections, box_score, debug, skip_broken, check_files, split, category, "
              "extra, exif, bits",
    "build_net": "config, *, joint_names, known_joints, input_size, settings",
    "load_weights": "net, weights, *, source, allow_partial, path, joint_names, known_joints",
    "HeatmapCodec": "input_size, stride, sigma, decoder, alignment, encoding, blur_kernel",
    "GaussTaylorKeyPointDecoder": "blur_kernel",
    "oks_nms": "keypoints, scores, areas, sigmas, threshold, visible_above",
    "soft_oks_nms": "keypoints, scores, areas, sigmas, threshold, visible_above",
    "box_to_center_scale": "box_xywh, input_size, padding, alignment",
    "affine_matrix": "center, scale, rotation, output_size, inverse, alignment, flip"}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A folder, in which one works, with the run of 0.1.0 and its pack."""
    shutil.copytree(FOLDER, tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    Path("weights").mkdir()
    for name in ("tiny_last.pth", "tiny_best.pth", "metrics.jsonl"):
        shutil.move(name, "weights")
    return tmp_path / "run"


@pytest.mark.parametrize("weights", [name for name in NUMBERS if name != "train.pack"])
def test_weights_give_the_keypoints_of_then(run, weights):
    if weights.endswith(".onnx") and not find_spec("onnxruntime"):
        pytest.skip("onnxruntime is not installed")
    people = make.predictions(Path(weights))
    for person, then in zip(people, NUMBERS[weights], strict=True):
        np.testing.assert_allclose(person["keypoints"], then["keypoints"], atol=0.02)   # pixels
        np.testing.assert_allclose(person["scores"], then["scores"], atol=1e-4)
        assert person["score"] == pytest.approx(then["score"], abs=1e-4)


def test_the_pack_gives_the_pixels_of_then(run):
    numbers, then = make.pack_numbers(load_config("run.yaml")), NUMBERS["train.pack"]
    assert numbers["sums"] == then["sums"]      # raw pixels: not one may differ
    np.testing.assert_allclose(numbers["sample"]["keypoints"], then["sample"]["keypoints"],
                               atol=1e-3)
    # OpenCV may round the warp otherwise
    assert numbers["sample"]["crop"] == pytest.approx(then["sample"]["crop"], rel=1e-3)


def test_the_run_goes_on(run):
    """Also its pack is trained from, and its lines stay."""
    before = load_checkpoint(Path("weights/tiny_last.pth"))
    lines = Path("weights/metrics.jsonl").read_text()
    DPProcessor("run.yaml", ["optim.epochs=2", "resume=true"]).run()
    after = load_checkpoint(Path("weights/tiny_last.pth"))
    assert (before["step"], after["step"]) == (before["steps_per_epoch"], 2 * before["step"])
    assert after["run"] == before["run"] and after["evaluated"] == 2
    assert Path("weights/metrics.jsonl").read_text().startswith(lines)
    assert not torch.equal(after["net"]["head.output.weight"], before["net"]["head.output.weight"])
    assert {"version", "torch"} <= before.keys() and made_by().items() <= after.items()


def test_a_checkpoint_without_the_version_is_as_good(run):
    """As those were before there was one."""
    path = Path("weights/tiny_best.pth")
    state = torch.load(path, weights_only=True)
    torch.save({key: value for key, value in state.items() if key not in made_by()}, path)
    assert make.predictions(path)[0]["score"] == pytest.approx(
        NUMBERS["weights/tiny_best.pth"][0]["score"], abs=1e-4)


def test_every_key_of_then_is_still_one_and_means_the_same_by_default():
    path = FOLDER / "all_keys.yaml"
    loaded = config_to_dict(load_config(path))
    then = make.yaml.safe_load(path.read_text())
    for section, value in then.items():
        if isinstance(value, dict):
            assert value.items() <= plain(loaded[section]).items(), section
        else:
            assert loaded[section] == value, section
    defaults = config_to_dict(config_from_dict({}, "nothing"))
    assert plain(defaults) == plain(loaded), "a default is another one than in 0.1.0"


def plain(value):
    """Tuples as a YAML has them."""
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("module, name", IMPORTS)
def test_a_promised_name_can_be_imported_and_called_as_then(module, name):
    parameters = inspect.signature(getattr(import_module(module), name)).parameters.values()
    places, _, keywords = ARGUMENTS[name].partition(", *, ")
    then, known = places.split(", "), {*places.split(", "), *keywords.split(", ")} - {""}
    assert [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD
            ][:len(then)] == then
    assert known <= {one.name for one in parameters}
    assert all(one.default is not one.empty for one in parameters if one.name not in known)


def test_all_promised_names_are_on_the_page():
    assert {name for _, name in IMPORTS} == ARGUMENTS.keys()
    entries = {name for name, value in vars(hubconf).items()
               if inspect.isfunction(value) and value.__module__ == "hubconf"}
    assert entries >= {"pose_resnet_duc", "pose_resnet_dconv", "pose_hrnet", "pose_vit",
                       "pose_timm"}


def test_the_files_stay_small():
    assert sum(path.stat().st_size for path in FOLDER.glob("*")) < 500_000
