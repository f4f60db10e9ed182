"""ONNX files of RTMPose as others write them: used without a word on them, in RGB."""
import numpy as np
import pytest
import torch

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from configs.loader import load_config  # noqa: E402
from processors.models.onnx_model import load_onnx_model, load_to_evaluate  # noqa: E402
from processors.pose_predictor import PosePredictor  # noqa: E402
from processors.runtime.normalise import normalise  # noqa: E402
from tests.processors.rtmpose_files import CONV, LINEAR, write_net  # noqa: E402
from utils.errors import UserError  # noqa: E402
from utils.geometry import CropGeometry  # noqa: E402

YAML = """
model: {num_joints: 17, head: simcc, input_format: bgr_mean_std}
codec: {kind: simcc, input_size: [64, 96], split: 2}
"""
@pytest.fixture
def image():
    return np.random.default_rng(1).integers(0, 256, (96, 64, 3), dtype=np.uint8)


def expected(image, order):
    """Of the whole picture as the crop: numpy only, the smaller maximum as score."""
    mean, std = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
    pixels = ((image[..., order] - mean) / std).astype(np.float32)
    blocks = pixels.reshape(3, 32, 2, 32, 3).transpose(0, 2, 4, 1, 3)      # 3x2 of (3, 32, 32)
    rows = np.einsum("hwcij,kcij->khw", blocks, CONV[:17]).reshape(17, 6)
    x, y = rows @ LINEAR[:, :128], rows @ LINEAR[:, 300:492]
    keypoints = np.stack([x.argmax(1), y.argmax(1)], axis=1) / 2
    return keypoints, np.minimum(x.max(1), y.max(1))


def whole_picture(model, image):
    images = normalise(torch.from_numpy(image)[None], model.input_format)
    return model.codec.decode(model.network(images))


def test_it_is_used_as_rtmpose_in_rgb_and_that_is_said(tmp_path, image, capsys, caplog):
    caplog.set_level("INFO")
    path = write_net(tmp_path / "rtmpose.onnx")
    model = load_onnx_model(path)
    assert (model.input_format, model.skeleton.name) == ("rgb_mean_std", "coco")
    assert model.codec.input_size == (64, 96) and model.codec.split == 2
    assert model.codec.geometry.alignment == "hrnet"
    said = caplog.text
    assert "taken as RTMPose: images of 64x96 in RGB" in said and "rtmlib gives BGR" in said
    keypoints, scores = whole_picture(model, image)
    wanted, wanted_scores = expected(image, [0, 1, 2])
    np.testing.assert_allclose(scores[0], wanted_scores, atol=1e-3)
    np.testing.assert_array_equal(keypoints[0], np.where(wanted_scores[:, None] > 0, wanted, -0.5))
    other, _ = expected(image, [2, 1, 0])
    assert (other != wanted).any()      # BGR would be seen
    person, = PosePredictor(path, device="cpu")(image, [[0, 0, 64, 96]])
    assert person.keypoints.shape == (17, 2) and np.isfinite(person.keypoints).all()
    assert np.isfinite(person.scores).all()


def test_a_whole_body_is_told_by_its_133_joints(tmp_path, image, caplog):
    caplog.set_level("INFO")
    path = write_net(tmp_path / "net.onnx", joints=133)
    model = load_onnx_model(path)
    assert model.skeleton.name == "coco_wholebody" and "skeleton coco_wholebody" in caplog.text
    person, = PosePredictor(path, device="cpu")(image, [[0, 0, 64, 96]])
    assert person.keypoints.shape == (133, 2)
    _, used, skeleton = load_to_evaluate(path, load_config("configs/quickstart.yaml"),
                                         torch.device("cpu"))
    assert used.data.skeleton == skeleton.name == "coco_wholebody"


def test_outputs_count_by_their_names(tmp_path, image):
    first = load_onnx_model(write_net(tmp_path / "a.onnx"))
    model = onnx.load(tmp_path / "a.onnx")
    outputs = [*model.graph.output]
    del model.graph.output[:]
    model.graph.output.extend(outputs[::-1])
    onnx.save(model, tmp_path / "b.onnx")
    second = load_onnx_model(tmp_path / "b.onnx")
    for one, other in zip(whole_picture(first, image), whole_picture(second, image), strict=True):
        assert torch.equal(one, other)


def test_a_yaml_beside_it_wins(tmp_path, caplog):
    caplog.set_level("INFO")
    model = load_onnx_model(write_net(tmp_path / "net.onnx", yaml=YAML))
    assert model.input_format == "bgr_mean_std" and "taken as RTMPose" not in caplog.text


def test_evaluation_takes_it_with_any_yaml(tmp_path):
    path = write_net(tmp_path / "net.onnx")
    config = load_config("configs/quickstart.yaml")
    network, used, skeleton = load_to_evaluate(path, config, torch.device("cpu"))
    assert (used.codec.kind, used.codec.input_size, used.codec.split) == ("simcc", (64, 96), 2)
    assert used.data.val_ann_path == config.data.val_ann_path and skeleton.name == "coco"
    assert used.val == config.val
    config = load_config("configs/quickstart.yaml", [
        "codec.kind=simcc", "model.head=simcc", "codec.input_size=[64,96]"])
    assert load_to_evaluate(path, config, torch.device("cpu"))[1] == config


@pytest.mark.parametrize("form, words", [
    ({"joints": 99}, "gives 99 joints, a number that no skeleton here has"),
    ({"height": "h"}, "takes images of any size"),
    ({"rows": 100}, "gives 100 and 192 bins for 64x96 pixels, which is no whole number"),
    ({"yaml": YAML.replace("split: 2", "split: 3")}, r"gives vectors of 128 \+ 192 bins, and"),
    ({"yaml": YAML.replace("17", "14") + "data: {skeleton: crowdpose}"},
     "gives vectors of 17 joints, but the skeleton crowdpose has 14"),
    ({"yaml": "codec: {input_size: [64, 96]}"}, "gives simcc_x and simcc_y, and codec.kind is"),
    ({"yaml": YAML, "names": ("x", "y")}, "gives no outputs simcc_x and simcc_y"),
])
def test_what_cannot_be_used_is_one_sentence(tmp_path, form, words):
    path = write_net(tmp_path / "net.onnx", **form)
    with pytest.raises(UserError, match=words) as caught:
        load_onnx_model(path)
    assert "\n" not in str(caught.value) and "net.onnx" in str(caught.value)


@pytest.mark.parametrize("size", [(192, 256), (288, 384)])
def test_crops_are_rtmlibs(shared, size):
    stored = np.load(shared / "golden" / "next" / "rtmlib_geometry.npz")
    name = f"{size[0]}x{size[1]}"
    boxes = stored["boxes_xyxy"]
    geometry = CropGeometry(size, "hrnet")
    center, scale = geometry.center_scale(np.concatenate(
        [boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1))
    np.testing.assert_allclose(center, stored[f"center_{name}"], rtol=1e-5)
    np.testing.assert_allclose(200 * scale, stored[f"scale_px_{name}"], rtol=1e-5)
    np.testing.assert_allclose(geometry.matrix(center, scale), stored[f"matrix_{name}"], rtol=1e-4,
                               atol=1e-3)
