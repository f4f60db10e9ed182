"""Detectors as ONNX files: tiny networks that give what the exports of others give.

No file of others is at hand here; processors/detection/onnx_detector.py says what they give.
"""
import numpy as np
import pytest
import torch

from configs.schema import DetectorConfig
from nets.detectors.yolov5 import YOLOv5
from processors.detection.person_detector import build_detector
from utils.errors import UserError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SIDE, PLACES = 64, 64 + 16 + 4      # strides 8, 16 and 32
BOXES = [(16.0, 20.0, 16.0, 24.0), (44.0, 30.0, 20.0, 32.0)]     # centre and size, input pixels
CLASSES = 3


def rows(form: str) -> np.ndarray:
    """What a network says of two objects, one of class 0 (0.9) and one of class 2 (0.6)."""
    count = 3 * PLACES if form == "yolov5" else PLACES
    table = np.zeros((1, count, 5 + CLASSES), np.float32)
    y, x = np.mgrid[:8, :8]         # stride 8
    places = np.stack([x, y], -1).reshape(-1, 2)
    grid = np.concatenate([places, *(np.mgrid[:n, :n][::-1].reshape(2, -1).T for n in (4, 2))])
    stride = np.repeat([8, 16, 32], [64, 16, 4])[:, None]
    table[0, :PLACES, :2] = 0 if form == "raw yolox" else (grid + 0.4) * stride
    for number, (box, label, score) in enumerate(zip(BOXES, (0, 2), (0.9, 0.6), strict=True)):
        place = 10 + 20 * number
        box = np.array(box, np.float32)
        if form == "raw yolox":
            box = np.concatenate([box[:2] / 8 - grid[place], np.log(box[2:] / 8)])
        table[0, place, :4] = box
        table[0, place, 4] = 1 if form == "yolov8" else 0.96
        table[0, place, 5 + label] = score if form == "yolov8" else score / 0.96
    return table if form != "yolov8" else np.delete(table, 4, 2).transpose(0, 2, 1)


def chosen_rows() -> np.ndarray:
    """The same two objects among five rows, as YOLO26 gives them."""
    table = np.zeros((1, 5, 6), np.float32)
    for row, ((x, y, w, h), label, score) in enumerate(zip(BOXES, (0, 2), (0.9, 0.6), strict=True)):
        table[0, row] = x - w / 2, y - h / 2, x + w / 2, y + h / 2, score, label
    return table


def with_joints(table: np.ndarray, axis: int) -> np.ndarray:
    """Four joints of x, y and certainty behind each row, in pixels."""
    wide = np.repeat(np.full_like(table.take([0], axis), 30), 12, axis)
    return np.concatenate([table, wide], axis)


def write(path, output: np.ndarray, batch=1, side=SIDE, metadata=None, value=None) -> str:
    """A network of a constant output, for any images. value: added, images -> a number."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    size = [batch, 3, side, side]
    nodes = [helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
             helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
             helper.make_node("Add", ["constant", "zero"], ["output0"])]
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("images", 1, size)],
        [helper.make_tensor_value_info("output0", 1, output.shape)],
        [numpy_helper.from_array(output, "constant"),
         numpy_helper.from_array(np.float32(value or 0), "nothing")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, str(path))
    return str(path)


def detector(path, **settings):
    return build_detector(DetectorConfig(weights=str(path), **settings))


def image(width=128, height=96):
    return np.full((height, width, 3), 90, np.uint8)


NAMES = {"names": "{0: 'person', 1: 'dog', 2: 'lizard'}", "task": "detect"}


POSE = {**NAMES, "task": "pose", "kpt_shape": "[4, 3]"}


@pytest.mark.parametrize("form, output, metadata", [
    *((form, rows(form), NAMES) for form in ("yolov8", "yolov5", "yolox", "raw yolox")),
    ("yolov8 pose", with_joints(rows("yolov8"), 1), POSE), ("yolo26", chosen_rows(), NAMES),
    ("yolo26 pose", with_joints(chosen_rows(), 2), POSE)])
def test_every_form_gives_its_boxes_in_the_pixels_of_the_image(tmp_path, form, output, metadata):
    path = write(tmp_path / "net.onnx", output, metadata=metadata)
    for classes, box, score in (((), BOXES[0], 0.9), (("lizard",), BOXES[1], 0.6),
                                ((2,), BOXES[1], 0.6)):
        found, = detector(path, classes=classes)([image()])      # half of its size, 8 grey above
        above = 0 if "yolox" in form else 8
        x, y, w, h = box
        wanted = np.array([x - w / 2, y - h / 2 - above, w, h]) * 2
        assert found.boxes == pytest.approx(wanted[None], abs=0.01)
        assert found.scores == pytest.approx([score], abs=1e-5)
    both, = detector(path, classes=(0, 2))([image()])
    assert len(both.boxes) == 2


def test_yolox_sees_bgr_in_255_and_the_others_rgb_in_1(tmp_path):
    """The network adds a share of its input's mean to all numbers, scores too."""
    red = np.zeros((SIDE, SIDE, 3), np.uint8)
    red[..., 0] = 255
    for form in ("yolov8", "raw yolox"):
        network = detector(write(tmp_path / f"{form}.onnx", rows(form))).network
        seen = []
        network._run = lambda pixels, seen=seen, form=form: seen.append(pixels) or torch.from_numpy(
            rows(form))
        network.find([network.prepare(red)])
        place, height = (2, 255) if form == "raw yolox" else (0, 1)
        assert [part.max() for part in seen[0][0]] == [height * (i == place) for i in range(3)]


def test_several_images_through_a_batch_of_one_and_of_four(tmp_path):
    for batch in (1, 4):
        path = write(tmp_path / "net.onnx", np.repeat(rows("yolov8"), batch, 0), batch)
        found = detector(path, batch_size=16)([image()] * 6)
        assert [len(people.boxes) for people in found] == [1] * 6


def test_a_real_yolov5_as_onnx_is_the_network_itself(tmp_path):
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    net = YOLOv5("yolov5n", 2).eval()
    for output in net.detect.m:
        torch.nn.init.normal_(output.weight, std=1.0)
    torch.save(net.state_dict(), tmp_path / "net.pth")
    torch.onnx.export(net, (torch.zeros(1, 3, 96, 96),), tmp_path / "net.onnx", dynamo=True,
                      external_data=False, verbose=False)
    picture = np.random.default_rng(0).integers(0, 255, (96, 80, 3), dtype=np.uint8)
    settings = {"image_size": 96, "max_detections": 20}
    ours, = detector(tmp_path / "net.pth", **settings)([np.pad(picture, ((0, 0), (8, 8), (0, 0)),
                                                              constant_values=114)])
    found, = detector(tmp_path / "net.onnx", **settings)([picture])
    x1, x2 = (np.clip(side - 8, 0, 80) for side in (ours.boxes[:, 0], ours.boxes[:, [0, 2]].sum(1)))
    kept = x2 > x1
    assert np.sort(found.boxes[:, 0]) == pytest.approx(np.sort(x1[kept]), abs=0.05)
    assert found.scores == pytest.approx(ours.scores[kept], abs=1e-4) and len(found.scores) > 5


@pytest.mark.parametrize("output, more, words", [
    (np.zeros((1, 300, 6), np.float32), {}, "gives an output of the shape .1, 300, 6.*without NMS"),
    (np.zeros((1, 17, 24, 16), np.float32), {}, "gives the outputs .*17, 24, 16"),
    (rows("yolov8"), {"metadata": {"task": "segment"}}, "for the task 'segment'"),
    (with_joints(rows("yolov8"), 1), {"metadata": {**POSE, "kpt_shape": "many"}},
     "names 3 classes and gives 15"),
    (rows("yolov8"), {"metadata": {"names": "['a', 'b']"}}, "names 2 classes and gives 3"),
    (rows("yolov8") * 9, {}, "probabilities above 1"),
    (rows("yolov8"), {"side": 50}, "50x50 pixels, and the sides must be multiples of 32"),
])
def test_other_networks_are_refused(tmp_path, output, more, words):
    path = write(tmp_path / "net.onnx", output, **more)
    with pytest.raises(UserError, match=words) as caught:
        detector(path)([image()])
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_names_are_read_and_never_run(tmp_path):
    evil = "__import__('os').system('touch evil')"
    path = write(tmp_path / "net.onnx", rows("yolov8"), metadata={"names": evil})
    assert detector(path).network.classes == (0,) and not (tmp_path / "evil").exists()
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(UserError, match="cannot be read as an ONNX network"):
        detector(tmp_path / "text.onnx")


def test_a_file_that_is_not_there_is_named_with_its_key(tmp_path):
    with pytest.raises(FileNotFoundError, match="detector.weights: the file .*gone.onnx does not "
                                                "exist: .*yolo export format=onnx"):
        detector(tmp_path / "gone.onnx")
