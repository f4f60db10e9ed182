"""A real network on real images, through this project's crops, flip test, decoder and NMS."""
import json

import pytest

from configs.loader import load_config
from datasets.annotations.skeleton import load_skeleton
from processors.evaluation.evaluation import Evaluation
from processors.jobs.detect import detect
from processors.models.onnx_model import load_onnx_model
from processors.models.pose_model import ConfigSource
from processors.runtime.parallel import OneProcess
from utils.decoders import DECODERS

pytestmark = pytest.mark.slow


def evaluation(shared, *settings) -> Evaluation:
    coco = shared / "data" / "coco"
    config = load_config("configs/dp_fast_pose.yaml", [
        f"data.val_ann_path={coco}/annotations/person_keypoints_val2017.json",
        f"data.val_img_root={coco}/val2017", "data.batch_size=32", "data.num_workers=1",
        "gpus=", *settings])
    return Evaluation(config, load_skeleton("coco"), OneProcess(()))


@pytest.fixture(scope="module")
def net(shared, tmp_path_factory):
    """ultralight_simplepose: images (B, 3, 256, 192) -> heatmaps (B, 17, 64, 48)."""
    pytest.importorskip("onnxruntime")
    yaml = tmp_path_factory.mktemp("onnx") / "net.yaml"
    yaml.write_text("model: {input_format: rgb_mean_std}\ncodec: {input_size: [192, 256]}\n")
    return load_onnx_model(shared / "data" / "weights" / "ultralight_simplepose_256x192.onnx",
                           ConfigSource(yaml)).network


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


@pytest.fixture(scope="module")
def listed(shared, tmp_path_factory):
    """Annotations of the 97 val images in which every person is listed."""
    folder = shared / "data" / "coco" / "annotations"
    truth = json.loads((folder / "person_keypoints_val2017.json").read_text())
    sources = json.loads((folder / "sources.json").read_text())
    truth["images"] = [row for row in truth["images"]
                       if sources[f"{row['id']:012d}"]["all_persons_listed"]]
    ids = {row["id"] for row in truth["images"]}
    truth["annotations"] = [row for row in truth["annotations"] if row["image_id"] in ids]
    assert len(ids) == 97
    path = tmp_path_factory.mktemp("listed") / "people.json"
    path.write_text(json.dumps(truth))
    return path


@pytest.mark.parametrize("whose", ["stored", "ours"])
def test_boxes_of_yolov5n(shared, net, listed, tmp_path, whose):
    """Those made with the official code, and those of our own detector and its weights file."""
    coco, boxes = shared / "data" / "coco", tmp_path / "boxes.json"
    if whose == "ours":
        config = load_config("configs/quickstart.yaml", [
            f"detector.weights={shared}/data/weights/yolov5n.pt", "detector.confidence=0.01",
            "detector.iou=0.6", "gpus="])
        detect(config, listed, boxes, coco / "val2017")
    else:
        stored = coco / "person_detection_results" / "yolov5n_val2017_conf0.01_iou0.60.json"
        ids = {row["id"] for row in json.loads(listed.read_text())["images"]}
        boxes.write_text(json.dumps([row for row in json.loads(stored.read_text())
                                     if row["image_id"] in ids]))
    judge = evaluation(shared, f"data.val_ann_path={listed}", f"val.boxes={boxes}")
    metrics = judge.run(net, tmp_path / "r.json")
    assert metrics["AP"] == pytest.approx(0.4977, abs=0.005)


def test_a_sweep_equals_single_evaluations(shared, net, tmp_path):
    """One pass for all decoders gives the numbers that each has alone."""
    judge = evaluation(shared, "data.debug=24")
    found = judge.sweep(net, tmp_path)
    assert len(found) == 2 * len(DECODERS)
    alone = judge.run(net, tmp_path / "r.json")
    assert found["gauss_taylor, flip"].values == alone.values
