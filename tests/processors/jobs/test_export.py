"""`export`: the file does what the network and its codec do, and says all it takes to use it."""
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("onnxscript", reason="export needs onnx and onnxscript")
ort = pytest.importorskip("onnxruntime")

from configs.schema import CodecConfig, Config, ModelConfig  # noqa: E402
from datasets.annotations.skeleton import load_skeleton  # noqa: E402
from main import main  # noqa: E402
from processors.engines import onnx_program  # noqa: E402
from processors.engines.onnx_program import older_opset  # noqa: E402
from processors.jobs import export as export_module  # noqa: E402
from processors.jobs.export import export  # noqa: E402
from processors.models.load_pose_model import load_pose_model  # noqa: E402
from processors.models.onnx_model import METADATA, to_metadata  # noqa: E402
from processors.pose_predictor import PosePredictor  # noqa: E402
from tests.processors.pose_checkpoints import write_checkpoint  # noqa: E402
from utils.errors import UserError  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
TIMM = ("resnet50.a1_in1k", "convnext_tiny.fb_in22k", "mobilenetv4_conv_small.e2400_r224_in1k",
        "efficientnet_b0.ra_in1k", "swin_tiny_patch4_window7_224.ms_in1k",
        "vit_small_patch16_224.augreg_in21k", "fastvit_t8.apple_in1k", "hrnet_w32.ms_in1k")


def config(type="pose_resnet_duc", name="resnet18", **model) -> Config:
    """A tiny network with settings that differ from the defaults."""
    return Config(
        model=ModelConfig(type=type, name=name, input_format="rgb_mean", **model),
        codec=CodecConfig(input_size=(64, 96), alignment="dark", sigma=1.5, blur_kernel=9))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("export") / "net.pth", config(width=0.25))


@pytest.fixture(scope="module")
def exported(checkpoint):
    """The files with heatmaps and with keypoints."""
    files = checkpoint.with_name("heatmaps.onnx"), checkpoint.with_name("keypoints.onnx")
    for file, decode in zip(files, (False, True), strict=True):
        export(checkpoint, file, decode=decode)
    return files


def images(batch: int) -> torch.Tensor:
    return torch.randn(batch, 3, 96, 64, generator=torch.Generator().manual_seed(batch))


def run(path, pixels: torch.Tensor) -> list[np.ndarray]:
    """By nothing but onnxruntime, as users on other machines do."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"images": pixels.numpy()})


@torch.no_grad()
@pytest.mark.parametrize("batch", [1, 3, 7])
def test_the_file_gives_the_network_s_heatmaps(checkpoint, exported, batch):
    heatmaps, = run(exported[0], images(batch))
    wanted = load_pose_model(checkpoint).network(images(batch))
    assert heatmaps.shape == (batch, 17, 24, 16)
    np.testing.assert_allclose(heatmaps, wanted.numpy(), atol=1e-4)


@torch.no_grad()
def test_with_decode_it_gives_keypoints_in_input_pixels_and_scores(checkpoint, exported):
    keypoints, scores = run(exported[1], images(3))
    model = load_pose_model(checkpoint)
    heatmaps = model.network(images(3))
    wanted, wanted_scores = model.codec.decode(heatmaps)
    np.testing.assert_allclose(scores, wanted_scores, atol=1e-4)
    # noise maps make a few steps of the decoder very long, and rounding counts there
    error = np.abs(keypoints - wanted.numpy()).max(-1)
    assert keypoints.shape == (3, 17, 2) and np.median(error) < 1e-3


def test_the_file_needs_nothing_else(checkpoint, exported):
    """The predictor does with it what it does with the checkpoint."""
    image = np.random.default_rng(0).integers(0, 256, (120, 90, 3), dtype=np.uint8)
    boxes = [[5, 5, 60, 100], [20, 10, 50, 70]]
    for path, flip in zip(exported, (True, False), strict=True):
        wanted = PosePredictor(checkpoint, device="cpu", flip_test=flip)(image, boxes)
        predictor = PosePredictor(path, device="cpu")
        assert predictor.skeleton == PosePredictor(checkpoint, device="cpu").skeleton
        assert predictor.model.input_format == "rgb_mean"
        for person, same in zip(predictor(image, boxes), wanted, strict=True):
            assert np.median(np.abs(person.keypoints - same.keypoints)) < 1e-2
            np.testing.assert_allclose(person.scores, same.scores, atol=1e-4)
            assert person.score == pytest.approx(same.score, abs=1e-4)


def test_the_file_says_nothing_of_the_machine(exported):
    secret = config(width=0.25)
    secret = replace(secret, data=replace(secret.data, val_img_root="/home/me/secret"),
                     val=replace(secret.val, weight_path="/home/me/secret"))
    secret = replace(secret, model=replace(secret.model, pretrained="/home/me/secret.pth"))
    assert "secret" not in to_metadata(secret, load_skeleton("coco"), False)[METADATA]
    for file in exported:
        assert str(ROOT).encode() not in file.read_bytes()
    session = ort.InferenceSession(str(exported[1]), providers=["CPUExecutionProvider"])
    content = json.loads(session.get_modelmeta().custom_metadata_map[METADATA])
    assert content["decoded"] is True and content["config"]["codec"]["blur_kernel"] == 9
    assert content["skeleton"]["joints"][0][0] == "nose"


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["argmax", "quarter", "vitpose"])
@pytest.mark.filterwarnings("ignore:codec.decoder")
def test_the_decoder_in_the_file_is_the_one_asked_for(checkpoint, tmp_path, decoder):
    out = tmp_path / "net.onnx"
    export(checkpoint, out, overrides=[f"codec.decoder={decoder}"], decode=True)
    model = load_pose_model(checkpoint, overrides=[f"codec.decoder={decoder}"])
    with torch.no_grad():
        wanted, _ = model.codec.decode(model.network(images(2)))
    error = np.abs(run(out, images(2))[0] - wanted.numpy())
    # of noise a Newton step makes a few very long ones, in which rounding counts
    assert (np.median(error) if decoder == "vitpose" else error.max()) < 1e-4


@pytest.mark.parametrize("size", [1, 1e-9])
def test_a_file_that_differs_from_the_network_is_refused(checkpoint, tmp_path, monkeypatch, size):
    """However small what it gives is, as of networks that are not trained."""
    out = tmp_path / "net.onnx"
    older = b"\x08 of \n\nsimplepose\x12"
    out.write_bytes(older)
    to_onnx = export_module.to_onnx

    @torch.no_grad()
    def other_network(model, *rest):
        for number in model.network.head.output.parameters():
            number *= size
        noise = torch.randn(1, 3, 96, 64, generator=torch.Generator().manual_seed(0))
        wrong = 2e-4 * model.network(noise).abs().max()
        model.network.head.output.bias += wrong
        written = to_onnx(model, *rest)
        model.network.head.output.bias -= wrong
        return written

    monkeypatch.setattr(export_module, "to_onnx", other_network)
    with pytest.raises(ValueError, match="exported heatmaps are off by 2"):
        export(checkpoint, out)
    assert out.read_bytes() == older and os.listdir(tmp_path) == ["net.onnx"]


@pytest.mark.parametrize("decode, spoil", [(False, lambda found: found[:, :5]),
                                           (True, lambda found: found * np.nan)])
def test_outputs_of_another_shape_or_without_numbers_are_refused(checkpoint, tmp_path, monkeypatch,
                                                                 decode, spoil):
    open_session = export_module.open_session

    class Spoiled:
        def __init__(self, data):
            self.session = open_session(data)
            self.get_outputs = self.session.get_outputs

        def run(self, names, feed):
            found = self.session.run(names, feed)
            return found if names and decode else [spoil(output) for output in found]

    monkeypatch.setattr(export_module, "open_session", Spoiled)
    with pytest.raises(UserError, match=f"exported {'decoder is' if decode else 'heatmaps are'} off"
                                        " by inf.*nothing was written"):
        export(checkpoint, tmp_path / "net.onnx", decode=decode)
    assert not os.listdir(tmp_path)


@pytest.mark.filterwarnings("error")
def test_a_network_that_gives_no_numbers_is_refused(tmp_path):
    weights = write_checkpoint(tmp_path / "net.pth", config(width=0.25))
    checkpoint = torch.load(weights, weights_only=True)
    for name, value in checkpoint["ema"].items():
        if name.endswith("running_var"):
            value.mul_(0)
        elif value.ndim == 4:
            value.fill_(1e30)
    torch.save(checkpoint, weights)
    with pytest.raises(UserError, match="the network's heatmaps hold NaN or infinite numbers"):
        export(weights, tmp_path / "net.onnx")
    assert os.listdir(tmp_path) == ["net.pth"]


def test_a_decoder_that_differs_from_the_codec_s_is_refused(checkpoint, tmp_path, monkeypatch):
    # flattens the neighbourhood
    monkeypatch.setattr("processors.models.exported_decoder.LOWEST_VALUE", 0.9)
    with pytest.raises(ValueError, match="exported decoder is off by"):
        export(checkpoint, tmp_path / "net.onnx", decode=True)
    assert not os.listdir(tmp_path)


def test_wrong_requests_are_one_sentence(checkpoint, exported, tmp_path, capsys, monkeypatch):
    def error(*words) -> str:
        assert main(["export", *map(str, words)]) == 2
        return capsys.readouterr().err

    assert "ends in .onnx" in error("--weights", checkpoint, "--out", tmp_path / "net.pth")
    assert "ONNX file already" in error("--weights", exported[0], "--out", tmp_path / "n.onnx")
    for opset in (11, 999):
        assert f"--opset is {opset}" in error("--weights", checkpoint, "--out",
                                              tmp_path / "n.onnx", "--opset", opset)
    assert "no weights file" in error("--weights", tmp_path / "no.pth", "--out",
                                      tmp_path / "n.onnx")
    torch.save({"weight": torch.zeros(1)}, tmp_path / "foreign.pth")
    assert "--config" in error("--weights", tmp_path / "foreign.pth", "--out",
                               tmp_path / "n.onnx")
    monkeypatch.setattr(onnx_program, "find_spec", lambda name: None if name == "onnx" else 1)
    assert "pip install onnx" in error("--weights", checkpoint, "--out", tmp_path / "n.onnx")
    assert not list(tmp_path.glob("*.onnx*"))


def test_a_place_that_cannot_be_written_is_said_before_the_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(export_module, "load_pose_model", None)
    (tmp_path / "net.pth").write_bytes(b"weights")
    (tmp_path / "mine.onnx").write_text("mine")
    for out in (tmp_path / "mine.onnx", tmp_path / "mine.onnx" / "net.onnx"):
        assert main(["export", "--weights", str(tmp_path / "net.pth"), "--out", str(out)]) == 2
        assert "--out" in capsys.readouterr().err
    assert (tmp_path / "mine.onnx").read_text() == "mine"


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil_was_here",)


def test_code_in_a_checkpoint_does_not_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Evil()}, "evil.pth")
    assert main(["export", "--weights", "evil.pth", "--out", "evil.onnx"]) == 2
    assert "can run any command" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["evil.pth"]


@pytest.mark.parametrize("settings", [pytest.param(one, marks=pytest.mark.slow) for one in (
    {"type": "pose_resnet_duc", "name": "resnet50", "reduction": True},
    {"type": "pose_resnet_dconv", "name": "resnet18"},
    {"type": "pose_resnet_dconv", "name": "resnet18", "reduction": True},
    {"type": "pose_hrnet", "name": "w32"},
    {"type": "pose_vit", "name": "s", "head": "classic"},
    {"type": "pose_vit", "name": "s", "head": "simple"},
    *({"type": "pose_timm", "name": name} for name in TIMM[:3]))] + [
    pytest.param({"type": "pose_timm", "name": name}, marks=pytest.mark.long)
    for name in TIMM[3:]], ids=str)
def test_every_network_can_be_exported(tmp_path, settings):
    """Written only after the comparison with the network."""
    if settings["type"] == "pose_timm":
        pytest.importorskip("timm")
    export(write_checkpoint(tmp_path / "net.pth", config(**settings)), tmp_path / "net.onnx",
           decode=True)
    keypoints, scores = run(tmp_path / "net.onnx", images(1))
    assert keypoints.shape == (1, 17, 2) and scores.shape == (1, 17)


@pytest.mark.parametrize("opset", [16, pytest.param(17, marks=pytest.mark.slow)])
def test_older_opsets_by_onnx_and_with_the_same_check(checkpoint, tmp_path, opset):
    import onnx
    export(checkpoint, tmp_path / "net.onnx", opset=opset)
    written = onnx.load(tmp_path / "net.onnx")
    assert written.opset_import[0].version == opset and written.ir_version == 8
    with torch.no_grad():
        wanted = load_pose_model(checkpoint).network(images(3))
    np.testing.assert_allclose(run(tmp_path / "net.onnx", images(3))[0], wanted, atol=1e-4)
    assert PosePredictor(tmp_path / "net.onnx", device="cpu").skeleton.num_joints == 17


def one_node(kind: str, *inputs, **attributes):
    from onnx import helper, numpy_helper
    sides = [helper.make_tensor_value_info(name, 1, [2]) for name in ("x", "y")]
    graph = helper.make_graph(
        [helper.make_node(kind, ["x", *(inputs and ["axes"])], ["y"], **attributes)], "net",
        sides[:1], sides[1:], [numpy_helper.from_array(np.array(one), "axes") for one in inputs])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def test_an_opset_that_the_converter_fails_at_is_a_sentence(monkeypatch):
    from onnx import version_converter
    with pytest.raises(ValueError, match="--opset 14 .*fails .*: try --opset 17, or write 18 or"):
        older_opset(one_node("Bernoulli"), 14)
    # what the converter leaves as it was
    monkeypatch.setattr(version_converter, "convert_version", lambda model, opset: model)
    with pytest.raises(ValueError, match="--opset 17 cannot be had .*fails.*: write 18 or newer"):
        older_opset(one_node("NoSuchOperator"), 17)


def test_means_over_sides_as_torch_writes_them_can_be_older():
    """In squeeze and excitation."""
    older = older_opset(one_node("ReduceMean", [0], noop_with_empty_axes=0), 17)
    session = ort.InferenceSession(older.SerializeToString(), providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": np.float32([1, 4])})[0].tolist() == [2.5]


@pytest.mark.slow
@pytest.mark.parametrize("opset", [18, 20, 21])
def test_opsets(checkpoint, tmp_path, opset):
    import onnx
    export(checkpoint, tmp_path / "net.onnx", decode=True, opset=opset)
    assert onnx.load(tmp_path / "net.onnx").opset_import[0].version == opset
