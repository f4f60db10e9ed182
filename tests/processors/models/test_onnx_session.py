"""What no network of images gives or takes is one sentence, whoever asks the file."""
import numpy as np
import pytest
import torch

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from processors.models.onnx_session import ImageSession  # noqa: E402
from tests.processors.models.test_onnx_model import write_net  # noqa: E402
from utils.errors import UserError  # noqa: E402


def session(path) -> ImageSession:
    return ImageSession(path, torch.device("cpu"), f"the file {path}", "give another one")


@pytest.mark.parametrize("batch", ["batch", 2])
def test_an_output_that_is_one_number_is_refused(tmp_path, batch):
    node = onnx.helper.make_node("ReduceMean", ["pixels"], ["maps"], keepdims=0)
    path = write_net(tmp_path / "net.onnx", batch, nodes=[node])
    with pytest.raises(UserError, match="^the file .*net.onnx gives outputs that are no tables of "
                                        "numbers: give another one$"):
        session(path).run(np.zeros((3, 3, 96, 64), np.float32))


@pytest.mark.parametrize("shape, words", [
    ([1, 96], "takes pixels tensor.float. .1, 96., and not one tensor of images"),
    ([2048, 3, 96, 64], "takes 2048 images at once, which no memory holds .*free batch")])
def test_other_inputs_are_refused(tmp_path, shape, words):
    path = write_net(tmp_path / "net.onnx")
    model = onnx.load(path)
    del model.graph.input[:]
    model.graph.input.append(onnx.helper.make_tensor_value_info("pixels", 1, shape))
    node = onnx.helper.make_node("Identity", ["pixels"], ["maps"])
    del model.graph.node[:]
    model.graph.node.append(node)
    onnx.save(model, path)
    with pytest.raises(UserError, match=f"^the file .* {words}"):
        session(path)


def test_free_sides_are_none_and_stated_ones_numbers(tmp_path):
    assert session(write_net(tmp_path / "net.onnx", width="w")).sides == (96, None)
