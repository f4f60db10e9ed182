"""ONNX networks of others: what their YAML says, and what is refused."""
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from configs.schema import CodecConfig, Config, ModelConfig  # noqa: E402
from datasets.annotations.skeleton import load_skeleton  # noqa: E402
from processors.models.load_pose_model import load_pose_model  # noqa: E402
from processors.models.onnx_model import (  # noqa: E402
    METADATA,
    DecodedCodec,
    load_onnx_model,
    load_to_evaluate,
    to_metadata,
)
from processors.models.pose_model import ConfigSource  # noqa: E402
from processors.pose_predictor import PosePredictor  # noqa: E402

YAML = """
model: {num_joints: 17, input_format: bgr_mean_std}
codec: {input_size: [64, 96], sigma: 1.5, alignment: udp, decoder: argmax}
"""
WEIGHTS = np.random.default_rng(0).normal(size=(17, 3, 4, 4)).astype(np.float32)


def write_net(path, batch="batch", joints=17, stride=4, height=96, width=64, nodes=None,
              metadata=None, yaml=YAML):
    """One convolution: images (B, 3, H, W) -> (B, joints, H / stride, W / stride)."""
    from onnx import TensorProto, helper, numpy_helper
    nodes = nodes or [helper.make_node("Conv", ["pixels", "w"], ["maps"], kernel_shape=[4, 4],
                                       strides=[stride, stride])]
    graph = helper.make_graph(
        nodes, "net",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [batch, 3, height, width])],
        [helper.make_tensor_value_info("maps", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(WEIGHTS[:joints], "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    if yaml:
        path.with_suffix(".yaml").write_text(yaml)
    return path


def images(batch: int) -> torch.Tensor:
    return torch.randn(batch, 3, 96, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("fixed", ["batch", 1, 4])
@pytest.mark.parametrize("batch", [1, 3, 4, 9])
def test_any_number_of_images_goes_through_any_batch(tmp_path, fixed, batch):
    """Into a fixed batch in pieces, the last of which is filled up."""
    model = load_onnx_model(write_net(tmp_path / "net.onnx", fixed))
    wanted = F.conv2d(images(batch), torch.from_numpy(WEIGHTS), stride=4)
    torch.testing.assert_close(model.network(images(batch)), wanted, atol=1e-5, rtol=0)


def test_the_yaml_beside_it_says_how_to_use_it(tmp_path):
    model = load_pose_model(write_net(tmp_path / "net.onnx"))
    assert model.input_format == "bgr_mean_std" and model.skeleton == load_skeleton("coco")
    codec = model.codec
    assert (codec.input_size, codec.sigma, codec.decoder) == ((64, 96), 1.5, "argmax")
    assert codec.alignment.name == "udp"
    other = tmp_path / "other.yaml"
    other.write_text(YAML.replace("udp", "dark"))
    model = load_pose_model(tmp_path / "net.onnx", config=other, overrides=["codec.sigma=3"])
    assert model.codec.alignment.name == "dark" and model.codec.sigma == 3
    image = np.zeros((50, 40, 3), np.uint8)
    person, = PosePredictor(tmp_path / "net.onnx", device="cpu")(image, [[0, 0, 40, 50]])
    assert person.keypoints.shape == (17, 2) and np.isfinite(person.keypoints).all()


def test_what_cannot_be_used_is_one_sentence(tmp_path):
    def refusal(**form) -> str:
        path = write_net(tmp_path / "net.onnx", **form)
        with pytest.raises(ValueError) as caught:
            load_onnx_model(path)
        message = str(caught.value)
        assert "net." in message and "\n" not in message
        return message

    assert "did you mean codec.sigma" in refusal(yaml=YAML.replace("sigma", "sigmma"))
    assert "codec.sigma is 'two'" in refusal(yaml=YAML.replace("1.5", "two"))
    assert "5 heatmaps, but the skeleton coco has 17" in refusal(joints=5)
    assert "heatmaps of 8x12 pixels for an input of 64x96" in refusal(stride=8)
    assert "takes images of 96x96 pixels, not of 64x96" in refusal(width=96)
    make = onnx.helper.make_node
    conv = make("Conv", ["pixels", "w"], ["c"], kernel_shape=[4, 4], strides=[4, 4])
    assert "shape (B, 6528)" in refusal(nodes=[conv, make("Flatten", ["c"], ["maps"])])
    assert "metadata" in refusal(metadata={METADATA: '{"format": "simplepose onnx 99"}'})
    assert "metadata" in refusal(metadata={METADATA: "{"})
    (tmp_path / "net.yaml").unlink()
    assert f"write {tmp_path / 'net.yaml'}" in refusal(yaml=None)


def test_files_that_are_missing_or_no_networks(tmp_path):
    with pytest.raises(FileNotFoundError, match="no ONNX file .*no.onnx"):
        load_onnx_model(tmp_path / "no.onnx")
    for content in (b"", b"not a network", bytes(range(256)) * 100):
        (tmp_path / "net.onnx").write_bytes(content)
        with pytest.raises(ValueError, match="net.onnx cannot be read"):
            load_onnx_model(tmp_path / "net.onnx")


def test_without_onnxruntime_the_cure_is_named(tmp_path, monkeypatch):
    path = write_net(tmp_path / "net.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match="pip install onnxruntime"):
        load_onnx_model(path)


def test_hostile_metadata_are_only_read(tmp_path):
    config = '"config": {"model": {"name": {"__reduce__": 1}}}'
    path = write_net(tmp_path / "net.onnx", metadata={
        METADATA: f'{{"format": "simplepose onnx 1", {config}, "skeleton": 3}}'})
    with pytest.raises(ValueError, match="the metadata of .*net.onnx: model.name is"):
        load_onnx_model(path)


@pytest.mark.parametrize("content", ["[" * 10 ** 5, '{"format": ' * 10 ** 5, "", "5"])
def test_metadata_that_are_none_are_one_sentence(tmp_path, content):
    path = write_net(tmp_path / "net.onnx", metadata={METADATA: content})
    with pytest.raises(ValueError, match="net.onnx are not those of .*: export the network again"):
        load_onnx_model(path)


def decoded_net(path):
    """(B, 17, 3), in two outputs, as a file of ours that decodes by itself."""
    config = Config(model=ModelConfig(), codec=CodecConfig(input_size=(64, 96)))
    from onnx import TensorProto, helper
    node, start = helper.make_node, helper.make_tensor
    nodes = [
        node("Conv", ["pixels", "w"], ["c"], kernel_shape=[4, 4], strides=[96, 64]),
        node("Constant", [], ["axis"], value=start("a", TensorProto.INT64, [1], [3])),
        node("Squeeze", ["c", "axis"], ["scores3"]), node("Concat", ["scores3", "scores3"],
                                                          ["keypoints"], axis=2),
        node("Constant", [], ["last"], value=start("l", TensorProto.INT64, [1], [2])),
        node("Squeeze", ["scores3", "last"], ["scores"])]
    write_net(path, nodes=nodes, yaml=None,
              metadata=to_metadata(config, load_skeleton("coco"), True))
    model = onnx.load(path)
    del model.graph.output[:]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
                              for name in ("keypoints", "scores"))
    onnx.save(model, path)
    return path


def test_a_file_that_decodes_by_itself(tmp_path):
    path = decoded_net(tmp_path / "net.onnx")
    model = load_onnx_model(path)
    assert isinstance(model.codec, DecodedCodec) and not model.config.val.flip_test
    keypoints, scores = model.codec.decode(model.network(images(2)))
    wanted = F.conv2d(images(2), torch.from_numpy(WEIGHTS), stride=(96, 64))[..., 0, 0]
    torch.testing.assert_close(scores, wanted, atol=1e-5, rtol=0)
    torch.testing.assert_close(keypoints[..., 0], wanted, atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="no heatmaps for a flip test"):
        PosePredictor(path, device="cpu", flip_test=True)(np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(ValueError, match="codec cannot be changed"):
        load_onnx_model(path, ConfigSource(overrides=("codec.decoder=argmax",)))
    with pytest.raises(ValueError, match="evaluation wants heatmaps"):
        load_to_evaluate(path, Config(), torch.device("cpu"))


def test_evaluation_takes_what_a_file_of_ours_says(tmp_path):
    ours = Config(model=ModelConfig(input_format="alphapose"),
                  codec=CodecConfig(input_size=(64, 96), alignment="dark"))
    path = write_net(tmp_path / "net.onnx", yaml=None,
                     metadata=to_metadata(ours, load_skeleton("coco"), False))
    asked = Config(codec=CodecConfig(decoder="argmax"))
    network, config, skeleton = load_to_evaluate(path, asked, torch.device("cpu"))
    assert config.codec.decoder == "default" and skeleton.name
    network, config, _ = load_to_evaluate(path, asked, torch.device("cpu"),
                                          ("codec.decoder=argmax",))
    assert network(images(2)).shape == (2, 17, 24, 16)
    assert config.model.input_format == "alphapose" and config.codec.alignment == "dark"
    assert config.codec.decoder == "argmax" and config.codec.input_size == (64, 96)


def test_a_batch_that_no_memory_holds_is_refused(tmp_path):
    with pytest.raises(ValueError, match="takes 1000000 images at once.*free batch"):
        load_onnx_model(write_net(tmp_path / "net.onnx", batch=1_000_000))
