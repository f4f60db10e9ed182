"""A real network on real images, through this project's crops, flip test, decoder and NMS."""
import numpy as np
import pytest
import torch
from torch import nn

from configs.loader import load_config
from datasets.skeleton import load_skeleton
from processors.evaluation import Evaluation
from processors.parallel import OneProcess

pytestmark = pytest.mark.slow


class OnnxNet(nn.Module):
    """ultralight_simplepose: images (B, 3, 256, 192) -> heatmaps (B, 17, 64, 48)."""

    def __init__(self, path):
        super().__init__()
        self.session = pytest.importorskip("onnxruntime").InferenceSession(
            str(path), providers=["CPUExecutionProvider"])

    def forward(self, images):
        return torch.cat([torch.from_numpy(self.session.run(None, {"data": image[None]})[0])
                          for image in np.ascontiguousarray(images.numpy())])


def evaluation(shared, *settings) -> Evaluation:
    coco = shared / "data" / "coco"
    config = load_config("configs/dp_fast_pose.yaml", [
        f"data.val_ann_path={coco}/annotations/person_keypoints_val2017.json",
        f"data.val_img_root={coco}/val2017", "data.batch_size=32", "data.num_workers=1",
        "gpus=", *settings])
    return Evaluation(config, load_skeleton("coco"), OneProcess(()))


@pytest.fixture(scope="module")
def net(shared):
    return OnnxNet(shared / "data" / "weights" / "ultralight_simplepose_256x192.onnx")


@pytest.mark.parametrize("decoder, wanted", [("quarter", 0.5069), ("gauss_taylor", 0.5133)])
def test_ground_truth_boxes(shared, net, tmp_path, decoder, wanted):
    metrics = evaluation(shared, f"codec.decoder={decoder}").run(net, tmp_path / "r.json")
    assert metrics["AP"] == pytest.approx(wanted, abs=0.003)


@pytest.mark.parametrize("name, settings, wanted", [
    ("COCO_val2017_detections_AP_H_56_person", ["val.only_images_with_boxes=true"], 0.5355)])
def test_detected_boxes(shared, net, tmp_path, name, settings, wanted):
    boxes = shared / "data" / "coco" / "person_detection_results" / f"{name}.json"
    metrics = evaluation(shared, f"val.boxes={boxes}", *settings).run(net, tmp_path / "r.json")
    assert metrics["AP"] == pytest.approx(wanted, abs=0.005)


def test_a_sweep_equals_single_evaluations(shared, net, tmp_path):
    """One pass for all decoders gives the numbers that each has alone."""
    judge = evaluation(shared, "data.debug=24")
    found = judge.sweep(net, tmp_path)
    assert len(found) == 6
    alone = judge.run(net, tmp_path / "r.json")
    assert found["gauss_taylor, flip"].values == alone.values
