"""ONNX files with the outputs of RTMPose, and nothing that says what they are."""
import numpy as np

RANDOM = np.random.default_rng(0)
CONV = RANDOM.normal(size=(133, 3, 32, 32)).astype(np.float32) / 32
LINEAR = RANDOM.normal(size=(6, 600)).astype(np.float32)


def write_net(path, joints=17, height=96, width=64, split=2, names=("simcc_x", "simcc_y"),
              rows=None, yaml=None):
    """A convolution to one row a joint, and a linear layer for each axis."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    node, number = helper.make_node, numpy_helper.from_array
    bins = (rows or split * 64, split * 96)
    nodes = [node("Conv", ["input", "conv"], ["maps"], kernel_shape=[32, 32], strides=[32, 32]),
             node("Reshape", ["maps", "shape"], ["rows"]),
             *(node("MatMul", ["rows", f"w_{axis}"], [name])
               for axis, name in zip("xy", names, strict=True))]
    graph = helper.make_graph(
        nodes, "net",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, height, width])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names],
        [number(CONV[:joints], "conv"), number(np.array([0, 0, -1]), "shape"),
         number(LINEAR[:, :bins[0]], "w_x"), number(LINEAR[:, 300:300 + bins[1]], "w_y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    if yaml:
        path.with_suffix(".yaml").write_text(yaml)
    return path
