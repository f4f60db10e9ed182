"""Person detectors: the official boxes, the same in any company; odd images, bad settings."""
import json
import pickle
import urllib.error
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision

from configs.schema import DetectorConfig
from datasets.crops.images import read_image
from nets.detectors.yolov5 import YOLOv5
from processors.detection.person_detector import Detections, build_detector
from utils.errors import UserError


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A nano YOLOv5 of two classes that finds something in any image."""
    torch.manual_seed(0)
    net = YOLOv5("yolov5n", num_classes=2)
    for output in net.detect.m:
        torch.nn.init.normal_(output.weight, std=1.0)
        torch.nn.init.normal_(output.bias, std=1.0)
    path = tmp_path_factory.mktemp("weights") / "nano.pth"
    torch.save(net.state_dict(), path)
    return str(path)


@pytest.fixture(scope="module")
def small(weights):
    return build_detector(DetectorConfig(weights=weights, image_size=96, batch_size=2))


def pictures(*sizes):
    generator = np.random.default_rng(0)
    return [generator.integers(0, 255, (height, width, 3), dtype=np.uint8)
            for width, height in sizes]


def same(people, others, tolerance=0.05):
    return all(len(a.scores) == len(b.scores) and np.allclose(a.boxes, b.boxes, atol=tolerance)
               and np.allclose(a.scores, b.scores, atol=1e-4)
               for a, b in zip(people, others, strict=True))


def test_boxes_lie_in_their_images_in_order_of_their_scores(small):
    images = pictures((200, 100), (60, 90), (31, 400), (96, 96))
    for image, people in zip(images, small(images), strict=True):
        assert isinstance(people, Detections) and len(people.boxes) == len(people.scores) > 0
        assert people.boxes.dtype == people.scores.dtype == np.float32
        height, width = image.shape[:2]
        assert (people.boxes >= 0).all() and (people.boxes[:, 2:] > 0).all()
        assert (people.boxes[:, 0] + people.boxes[:, 2] <= width + 1e-3).all()
        assert (people.boxes[:, 1] + people.boxes[:, 3] <= height + 1e-3).all()
        assert (np.diff(people.scores) <= 0).all() and people.scores[-1] > 0.25


def test_images_of_all_shapes_together_as_alone(small):
    images = pictures((200, 100), (60, 90), (200, 101), (100, 200), (190, 95), (200, 100), (3, 3))
    assert same(small(images), [small([image])[0] for image in images])
    assert small([]) == []


def test_only_persons_and_only_above_the_confidence(small, weights):
    images = pictures((200, 100))
    strict = build_detector(DetectorConfig(weights=weights, image_size=96, confidence=0.6))
    few, many = strict(images)[0], small(images)[0]
    assert 0 < len(few.scores) < len(many.scores) and few.scores.min() > 0.6
    assert len(build_detector(DetectorConfig(
        weights=weights, image_size=96, max_detections=3))(images)[0].scores) == 3
    prepared = small.prepare(images[0])
    with torch.inference_mode():
        rows = small.network.net(torch.from_numpy(prepared.pixels).permute(2, 0, 1)[None] / 255)[0]
    best = rows[:, 5:].argmax(1)
    possible = (rows[:, 4] * rows[:, 5])[best == 0].numpy()     # not those that are rather a dog
    assert all(np.abs(possible - score).min() < 1e-5 for score in many.scores)
    assert 0 < (best == 1).sum() < len(best)


@pytest.mark.parametrize("change", [
    lambda rgb: rgb[..., 0], lambda rgb: rgb[..., :1],
    lambda rgb: np.dstack([rgb[..., [0, 0, 0]], rgb[..., 1]]),
    lambda rgb: rgb[..., 0].astype(np.uint16) * 256 + 7, lambda rgb: rgb[:, :, [0, 0, 0]],
], ids=["grey", "one channel", "alpha", "16 bits", "rgb"])
def test_all_kinds_of_pixels(small, change):
    grey = pictures((120, 70))[0][..., 0]
    image = change(np.dstack([grey, 255 - grey, grey]))
    assert same(small([image]), small([np.dstack([grey] * 3)]), tolerance=0)


def test_a_mirrored_view_is_an_image(small):
    image = pictures((120, 70))[0]
    assert same(small([image[:, ::-1]]), small([image[:, ::-1].copy()]), tolerance=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (5000, 4000), (20000, 3)])
def test_all_sizes(small, size):
    people = small([np.full((size[1], size[0], 3), 99, np.uint8)])[0]
    assert np.isfinite(people.boxes).all() and people.boxes.shape == (len(people.scores), 4)


def test_nobody(weights):
    detector = build_detector(DetectorConfig(weights=weights, image_size=96, confidence=1.0))
    people = detector(pictures((100, 100)))[0]
    assert people.boxes.shape == (0, 4) and people.scores.shape == (0,)
    assert people.boxes.dtype == np.float32


@pytest.mark.parametrize("image", [
    np.zeros((4, 4, 3)), np.zeros((4, 4, 2), np.uint8), np.zeros(5, np.uint8),
    np.zeros((0, 4, 3), np.uint8), np.zeros((1, 4, 4, 3), np.uint8), "photo.jpg", None,
], ids=str)
def test_what_is_no_image(small, image):
    with pytest.raises(ValueError, match="an image is an array .* give"):
        small([image])


@pytest.mark.parametrize("settings, words", [
    (dict(weights=""), "detector.weights is not set.*AGPL.*torchvision"),
    (dict(name="yolov8n"), "detector.name is 'yolov8n'.*yolov5n, yolov5s"),
    (dict(name="yolov5x"), "holds yolov5n, but detector.name is yolov5x"),
    (dict(image_size=100), "detector.image_size is 100.*multiple of 32"),
    (dict(confidence=1.5), "detector.confidence is 1.5"),
    (dict(confidence=7), "detector.confidence is 7"), (dict(image_size=0), "image_size is 0"),
    (dict(max_detections=0), "detector.max_detections is 0"),
    (dict(iou=-0.1), "detector.iou"), (dict(batch_size=0), "detector.batch_size is 0"),
    (dict(type="ssd"), "detector.type is 'ssd'"),
    (dict(type="torchvision", name="resnet50"), "detector.name is 'resnet50'.*ssdlite320"),
    (dict(type="torchvision", name="ssdlite320_mobilenet_v3_large"), "does not fit ssdlite320"),
], ids=str)
def test_settings_that_cannot_work(weights, settings, words):
    with pytest.raises(ValueError, match=words) as caught:
        build_detector(DetectorConfig(**{"weights": weights, **settings}))
    assert len(str(caught.value).splitlines()) == 1


def test_weights_that_know_other_things_than_people(weights, monkeypatch):
    def with_names(names):
        def load(*_):
            net = YOLOv5("yolov5n", 2).eval()
            net.class_names = names
            return net
        monkeypatch.setattr("processors.detection.person_detector.load_yolov5", load)
        return build_detector(DetectorConfig(weights=weights))
    with pytest.raises(ValueError, match="knows no class person, only cat, dog"):
        with_names(("cat", "dog"))
    assert with_names(("dog", "person")).network.classes == (1,)
    assert with_names(()).network.classes == (0,)


def test_only_the_class_called_person_is_taken(weights):
    detector, image = build_detector(DetectorConfig(weights=weights, image_size=96)), pictures(
        (200, 100))
    first = detector(image)
    detector.network.classes = (1,)
    assert not same(first, detector(image))


def test_bf16_stays_near(small, weights):
    rough = build_detector(DetectorConfig(weights=weights, image_size=96, amp="bf16"))
    image = pictures((200, 100))
    exact, found = small(image)[0], rough(image)[0]
    assert abs(len(exact.scores) - len(found.scores)) <= 3
    assert found.scores[0] == pytest.approx(exact.scores[0], abs=0.03)


def test_identity_tells_weights_and_settings(weights, small):
    other = build_detector(DetectorConfig(weights=weights, image_size=64))
    assert other.identity() != small.identity()
    assert len(other.identity()["weights"]) == 64 and json.dumps(other.identity())


# ---- torchvision

@pytest.fixture(scope="module")
def ssdlite(tmp_path_factory):
    torch.manual_seed(0)
    net = torchvision.models.get_model("ssdlite320_mobilenet_v3_large", weights=None,
                                       weights_backbone=None)
    for output in net.head.classification_head.module_list:     # persons and bicycles
        with torch.no_grad():
            output[1].bias.view(-1, 91)[:, 1:3] += 3
            output[1].weight *= 30
    path = tmp_path_factory.mktemp("weights") / "ssdlite.pth"
    torch.save(net.state_dict(), path)
    return DetectorConfig(type="torchvision", name="ssdlite320_mobilenet_v3_large",
                          weights=str(path), confidence=0.05, max_detections=200)


@pytest.mark.parametrize("change, words", [
    (lambda x: x * float("nan"), "not finite"), (lambda x: x.double() + 1e300, "not finite"),
    (lambda x: x.long(), "int64"), (lambda x: x.to(torch.complex64), "complex64"),
    (lambda x: x.to_sparse(), "sparse"), (lambda x: x.to("meta"), "meta"),
    (lambda x: x[:1], "does not fit"), (lambda x: "text", "does not fit"),
])
def test_weights_of_torchvision_that_find_nobody_are_refused(ssdlite, tmp_path, change, words):
    state = torch.load(ssdlite.weights)
    name = "head.classification_head.module_list.0.1.bias"
    state[name] = change(state[name])
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(UserError, match=words) as caught:
        build_detector(replace(ssdlite, weights=str(tmp_path / "x.pth")))
    assert len(str(caught.value).splitlines()) == 1


def test_torchvision_as_torchvision_itself(ssdlite):
    image = pictures((90, 60))[0]
    people = build_detector(ssdlite)([image])[0]
    net = torchvision.models.get_model(ssdlite.name, weights=None, weights_backbone=None,
                                       score_thresh=0.05, nms_thresh=0.45,
                                       detections_per_img=200)
    net.load_state_dict(torch.load(ssdlite.weights))
    with torch.inference_mode():
        result = net.eval()([torch.from_numpy(image).permute(2, 0, 1) / 255])[0]
    person = result["labels"] == 1
    assert 0 < person.sum() < len(person)
    x1, y1, x2, y2 = result["boxes"][person].numpy().T
    assert people.scores == pytest.approx(result["scores"][person].numpy())
    assert people.boxes == pytest.approx(np.stack([x1, y1, x2 - x1, y2 - y1], 1), abs=1e-3)


def test_torchvision_with_odd_images(ssdlite):
    detector = build_detector(ssdlite)
    for size in ((1, 1), (3000, 1), (1, 3000)):
        people = detector([np.full((size[1], size[0]), 9, np.uint8)])[0]
        assert (people.boxes[:, :2] + people.boxes[:, 2:] <= np.float32(size) + 1e-3).all()


def test_torchvision_weights_that_cannot_be_had(tmp_path, monkeypatch):
    def offline(*_, **__):
        raise urllib.error.URLError("no network")
    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", offline)
    with pytest.raises(ValueError, match=r"fasterrcnn_resnet50_fpn_v2 cannot be downloaded .*no "
                                         r"network.*\.pth into .*checkpoints, or set"):
        build_detector(DetectorConfig(type="torchvision"))


def test_malicious_weights_run_nothing(tmp_path):
    class Open:
        def __reduce__(self):
            return open, (str(tmp_path / "it_ran"), "w")

    for kind in ("yolov5", "torchvision"):
        for suffix in (".pt", ".pth"):
            path = tmp_path / f"evil{suffix}"
            for write in (torch.save, lambda x, path: path.write_bytes(pickle.dumps(x))):
                write({"model": Open(), "w": torch.ones(2)}, path)
                with pytest.raises(ValueError, match="evil"):
                    build_detector(DetectorConfig(
                        type=kind, weights=str(path),
                        name="" if kind == "yolov5" else "ssdlite320_mobilenet_v3_large"))
    assert not (tmp_path / "it_ran").exists()


# ---- the published network

def box_iou(boxes, others):
    """(N, 4), (M, 4) xywh -> (N, M)."""
    ends = [np.concatenate((b[:, :2], b[:, :2] + b[:, 2:]), 1) for b in (boxes, others)]
    return torchvision.ops.box_iou(*map(torch.from_numpy, ends)).numpy()


def mismatches(people, rows):
    """How many stored rows have no box of the same place and score, each box used once."""
    boxes = np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4)
    scores = np.array([row["score"] for row in rows]).reshape(-1, 1)
    fits = (box_iou(boxes, people.boxes.astype(np.float64)) > 0.99) & (
        np.abs(scores - people.scores) < 0.005)
    free, missed = np.ones(len(people.scores), bool), 0
    for fit in fits:
        places = np.flatnonzero(fit & free)
        free[places[:1]] = False
        missed += not len(places)
    return missed


def test_bus_and_zidane(shared):
    data = shared / "data"
    detector = build_detector(DetectorConfig(weights=str(data / "weights" / "yolov5n.pt")))
    stored = json.loads((data / "golden" / "yolov5n_bus_zidane.json").read_text())
    found = detector([read_image(data / "images" / name) for name in stored])
    for people, expected in zip(found, stored.values(), strict=True):
        rows = [row for row in expected["detections_conf0p25_iou0p45_all_classes"] if row[5] == 0]
        x1, y1, x2, y2, score = np.array(rows).T[:5]
        assert people.boxes == pytest.approx(np.stack([x1, y1, x2 - x1, y2 - y1], 1), abs=0.05)
        assert people.scores == pytest.approx(score, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("confidence, iou", [(0.25, 0.45), (0.01, 0.6)])
@pytest.mark.parametrize("split", ["train2017", "val2017"])
def test_all_stored_boxes(shared, split, confidence, iou):
    data = shared / "data"
    rows = json.loads((data / "coco" / "person_detection_results" / (
        f"yolov5n_{split}_conf{confidence:.2f}_iou{iou:.2f}.json")).read_text())
    detector = build_detector(DetectorConfig(
        weights=str(data / "weights" / "yolov5n.pt"), confidence=confidence, iou=iou))
    files = sorted((data / "coco" / split).glob("*.jpg"))
    assert len(files) == {"train2017": 77, "val2017": 120}[split]
    found = detector([read_image(file) for file in files])
    missed = 0
    for file, people in zip(files, found, strict=True):
        stored = [row for row in rows if row["image_id"] == int(file.stem)]
        assert len(people.scores) == len(stored), file
        missed += mismatches(people, stored)
    assert missed == 0
