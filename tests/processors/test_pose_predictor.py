"""PosePredictor: the same people as evaluation finds, from any image, in one call."""
import json
import pickle
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import processors.pose_predictor as pose_predictor_module
from configs.schema import DataConfig, DetectorConfig
from datasets.annotations.skeleton import load_skeleton
from datasets.crops.warp import warp_averaged
from processors.detection.person_detector import Detections
from processors.evaluation.evaluation import Evaluation
from processors.models.load_pose_model import load_pose_model
from processors.models.pose_model import PoseModel, build_codec
from processors.pose_predictor import PosePredictor
from processors.runtime.parallel import OneProcess
from tests.processors.pose_checkpoints import small_config, write_checkpoint
from tests.turned_pictures import store_turned

JOINTS = 17


class PaintedJoints:
    """Stands for a network: all joints are where the picture is brightest."""

    def __call__(self, images):
        maps = torch.nn.functional.avg_pool2d(images[:, :1], 5, 4, padding=2)
        return maps.repeat(1, JOINTS, 1, 1).relu()


class TwoPeople:
    """Stands for a detector: nobody in a dark image, else two boxes, and the first one again."""

    def prepare(self, image):
        return image

    def find(self, images):
        return [Detections(np.float32([[10, 10, 40, 60], [80, 20, 40, 60], [10, 10, 40, 61]]),
                       np.float32([0.9, 0.8, 0.7])) if image.any() else
                Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
                for image in images]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("weights") / "x_best.pth", small_config())


@pytest.fixture(scope="module")
def predictor(weights):
    return PosePredictor(weights, device="cpu")


def painted(flip_test=False, detector=None, **val) -> PosePredictor:
    config, skeleton = small_config(**val), load_skeleton("coco")
    return PosePredictor(PoseModel(PaintedJoints(), build_codec(config, skeleton), skeleton,
                                   "rgb_mean", config, torch.device("cpu")),
                         detector, flip_test=flip_test)


def spots(*points, size=(200, 120)) -> np.ndarray:
    image = np.zeros((size[1], size[0], 3), np.uint8)
    for x, y in points:
        cv2.circle(image, (x, y), 4, (255, 255, 255), -1)
    return cv2.GaussianBlur(image, (0, 0), 2)


@pytest.mark.parametrize("flip_test", [False, True])
def test_joints_come_back_in_pixels_of_the_image(flip_test):
    people = painted(flip_test)(spots((40, 45), (150, 70)),
                                boxes=[(20, 20, 40, 60), (130, 40, 40, 60)])
    for person, spot in zip(people, [(40, 45), (150, 70)], strict=True):
        assert np.abs(person.keypoints - spot).max() < 2
        assert person.keypoints.shape == (17, 2) and person.keypoints.dtype == np.float32
        assert person.scores.shape == (17,) and person.id is None
    assert people[1].box.tolist() == [130, 40, 40, 60]


def test_one_image_gives_a_list_and_a_list_gives_lists(tmp_path, predictor):
    image = spots((40, 45))
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), image)
    one, from_file = predictor(image), predictor(str(path))
    assert len(one) == 1 and one[0].box.tolist() == [0, 0, 200, 120]    # the whole image
    assert np.array_equal(one[0].keypoints, from_file[0].keypoints)
    assert np.array_equal(predictor(Image.fromarray(image))[0].keypoints, one[0].keypoints)
    assert [len(people) for people in predictor(np.stack([image, image]))] == [1, 1]
    many = predictor([image, path, image[:60]])
    assert [len(people) for people in many] == [1, 1, 1]
    assert many[1][0].keypoints == pytest.approx(one[0].keypoints, abs=0.05)
    assert predictor([]) == []
    assert predictor([image], boxes=[[]]) == [[]]


def test_a_detector_and_the_suppression_of_doubles():
    found = painted(detector=TwoPeople())([spots((30, 40), (100, 50)), spots(), spots((30, 40))])
    assert [len(people) for people in found] == [2, 0, 2]
    first = found[0]
    assert first[0].score > first[1].score      # best first
    assert [person.box.tolist() for person in first] == [[10, 10, 40, 60], [80, 20, 40, 60]]
    assert first[0].score == pytest.approx(0.9 * first[0].scores.mean(), rel=1e-4)


def test_scores_of_boxes_count_where_they_were_detected():
    image = spots((30, 40))
    detected = painted(detector=TwoPeople(), score_rule="alphapose")(image)[0]
    given, = painted(score_rule="alphapose")(image, boxes=[detected.box])
    assert detected.score - given.score == pytest.approx(0.9, abs=1e-4)


def test_portions_change_nothing(predictor, monkeypatch):
    images = [np.random.default_rng(i).integers(0, 255, (60 + i, 80, 3), np.uint8)
              for i in range(5)]
    boxes = [[(5, 5, 30, 40), (20, 10, 40, 40)][:1 + i % 2] for i in range(5)]
    together = predictor(images, boxes)
    monkeypatch.setattr(pose_predictor_module, "IMAGES_AT_ONCE", 2)
    monkeypatch.setattr(pose_predictor_module, "PEOPLE_AT_ONCE", 1)
    for one, other in zip(together, predictor(images, boxes), strict=True):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert np.array_equal(a.box, b.box)
            assert a.scores == pytest.approx(b.scores, abs=1e-4)


@pytest.mark.parametrize("alignment", ["hrnet", "udp"])
def test_the_same_numbers_as_evaluation(tmp_path, alignment):
    """Through val.boxes, the loader and to_results on one side, through the API on the other."""
    rng = np.random.default_rng(3)
    rows = []
    for number in (1, 2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), rng.integers(0, 255, (90, 130, 3), np.uint8))
        rows += [{"image_id": number, "category_id": 1, "score": 0.5 + 0.1 * i,
                  "bbox": [10.0 + 30 * i, 12.5, 30.0, 55.0]} for i in range(3)]
    images = [{"id": n, "file_name": f"{n}.png", "width": 130, "height": 90} for n in (1, 2)]
    person = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 30, 55], "area": 900,
              "iscrowd": 0, "num_keypoints": 17, "keypoints": [20, 30, 2] * 17}
    (tmp_path / "a.json").write_text(json.dumps({
        "images": images, "annotations": [person], "categories": [{"id": 1, "name": "person"}]}))
    (tmp_path / "boxes.json").write_text(json.dumps(rows))
    config = small_config(boxes=str(tmp_path / "boxes.json"))
    config = replace(
        config, codec=replace(config.codec, alignment=alignment),
        data=DataConfig(val_ann_path=str(tmp_path / "a.json"), val_img_root=str(tmp_path),
                        num_workers=0, batch_size=4))
    path = write_checkpoint(tmp_path / "x.pth", config)

    class Stored:
        def prepare(self, image):
            return image

        def find(self, images):
            return [Detections(np.float32([row["bbox"] for row in rows if row["image_id"] == n]),
                           np.float32([row["score"] for row in rows if row["image_id"] == n]))
                    for n in (1, 2)]

    predictor = PosePredictor(path, Stored(), device="cpu")
    evaluation = Evaluation(config, load_skeleton("coco"), OneProcess(()))
    evaluation.run(predictor.model.network, tmp_path / "results.json")
    found = predictor([tmp_path / "1.png", tmp_path / "2.png"])
    wanted = [[row for row in evaluation.results if row["image_id"] == n] for n in (1, 2)]
    assert [len(group) for group in found] == [len(group) for group in wanted] != [0, 0]
    for person, row in zip(sum(found, []), sum(wanted, []), strict=True):
        table = np.reshape(row["keypoints"], (17, 3))
        assert person.keypoints == pytest.approx(table[:, :2], abs=1e-2)
        assert person.scores == pytest.approx(table[:, 2], abs=1e-4)
        assert person.score == pytest.approx(row["score"], abs=1e-4)


@pytest.mark.parametrize("image", [
    np.zeros((1, 1, 3), np.uint8), np.zeros((40, 30), np.uint8), np.zeros((40, 30, 4), np.uint8),
    np.full((40, 30, 3), 60000, np.uint16), np.zeros((1, 500, 3), np.uint8)])
def test_images_of_every_kind(predictor, image):
    people = predictor(image)
    assert len(people) == 1 and np.isfinite(people[0].keypoints).all()
    assert predictor.draw(image, people).shape == (*image.shape[:2], 3)
    assert predictor.draw(image, []).dtype == np.uint8


def test_a_photo_of_20_megapixels_is_averaged_not_sampled():
    """A checkerboard of single pixels is grey from afar; taking one pixel of many is not."""
    image = np.zeros((4000, 5000, 3), np.uint8)
    cv2.circle(image, (2500, 2100), 400, (255, 255, 255), -1)
    image = cv2.resize(cv2.GaussianBlur(image[::8, ::8], (0, 0), 30), (5000, 4000))
    person, = painted()(image, boxes=[(1000, 500, 3000, 3000)])
    assert np.abs(person.keypoints - (2500, 2100)).max() < 60       # a pixel of the crop
    image[:] = 0
    image[::2, ::2] = image[1::2, 1::2] = 255
    grey = warp_averaged(image, np.array([[0.07, 0, -20], [0, 0.07, -30]]), (64, 96))
    assert np.abs(grey.astype(int) - 127).max() < 12


def test_a_phones_picture_is_turned_upright(tmp_path, predictor):
    path = tmp_path / "phone.jpg"
    cv2.imwrite(str(path), np.zeros((30, 80, 3), np.uint8))
    data = path.read_bytes()
    exif = (b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0")
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    path.write_bytes(data[:2] + segment + data[2:])
    assert predictor(path)[0].box.tolist() == [0, 0, 30, 80]


@pytest.mark.parametrize("boxes, words", [
    ([(0, 0, 0, 5)], "above 0"), ([(0, 0, np.nan, 5)], "give"), ([1, 2, 3, 4], "give"),
    ([(1, 2, 3)], "give")])
def test_wrong_boxes(predictor, boxes, words):
    with pytest.raises(ValueError, match=words):
        predictor(spots(), boxes=boxes)


def test_answers_that_are_no_numbers_are_said(predictor):
    def network(images):
        return PaintedJoints()(images) * torch.nan

    broken = PosePredictor(replace(predictor.model, network=network))
    with pytest.raises(ValueError, match="for 2 of 2 boxes hold NaN"):
        broken(spots((40, 40)), boxes=[(10, 10, 40, 60), (20, 10, 40, 60)])
    found = Detections(np.array([[10, 10, 40, 60]], np.float32), np.ones(1, np.float32))
    with pytest.raises(ValueError, match="for 1 of 1 boxes hold NaN"):
        broken.each([spots((40, 40))], [found])


def test_wrong_images(tmp_path, predictor):
    with pytest.raises(ValueError, match="none.jpg does not exist"):
        predictor(tmp_path / "none.jpg")
    with pytest.raises(ValueError, match="uint8"):
        predictor(np.zeros((5, 5, 3)))
    with pytest.raises(ValueError, match="boxes for 1 images, but 2"):
        predictor([spots()] * 2, boxes=[[]])


# ---- everything comes from the checkpoint ------------------------------------------------------

def test_a_skeleton_of_ones_own_travels_in_the_checkpoint(tmp_path):
    config = replace(small_config(joints=2), data=DataConfig(skeleton="/gone/stick.yaml"))
    stick = {"name": "stick", "joints": ["head", "foot"], "limbs": [["head", "foot"]]}
    predictor = PosePredictor(write_checkpoint(tmp_path / "x.pth", config, skeleton=stick),
                              device="cpu")
    assert predictor.skeleton.joint_names == ("head", "foot")
    assert predictor(spots((40, 40)))[0].keypoints.shape == (2, 2)
    old = write_checkpoint(tmp_path / "old.pth", config, skeleton=None)
    with pytest.raises(FileNotFoundError, match="/gone/stick.yaml does not exist"):
        PosePredictor(old)
    old = write_checkpoint(tmp_path / "old.pth", small_config(), skeleton=None)
    assert PosePredictor(old, device="cpu").skeleton == load_skeleton("coco")


def test_settings_from_the_checkpoint_the_yaml_and_the_overrides(tmp_path):
    config = small_config(flip_test=False)
    config = replace(config, codec=replace(config.codec, alignment="udp"),
                     detector=DetectorConfig(weights="/of/another/machine.pt"))
    path = write_checkpoint(tmp_path / "x.pth", config)
    yaml = tmp_path / "c.yaml"
    yaml.write_text("codec: {input_size: [192, 256]}\ndetector: {type: torchvision}\n"
                    "val: {nms: none}\n")
    model = load_pose_model(path, "cpu")
    assert model.codec.input_size == (64, 96) and model.codec.alignment.name == "udp"
    assert model.config.detector == DetectorConfig()
    model = load_pose_model(path, "cpu", yaml, ["codec.decoder=argmax"])
    assert model.codec.input_size == (64, 96) and model.codec.decoder == "argmax"
    assert model.config.detector.type == "torchvision" and model.config.val.nms == "none"
    assert not PosePredictor(path, device="cpu").flip_test
    assert PosePredictor(path, device="cpu", flip_test=True).flip_test


def test_weights_of_others_need_a_yaml(tmp_path, weights):
    path = tmp_path / "foreign.pth"
    torch.save(torch.load(weights)["ema"], path)
    with pytest.raises(ValueError, match="does not say which network .* --config"):
        PosePredictor(path)
    yaml = tmp_path / "c.yaml"
    yaml.write_text("model: {name: resnet18}\ncodec: {input_size: [64, 96]}\n")
    assert len(PosePredictor(path, config=yaml, device="cpu")(spots((40, 40)))) == 1
    yaml.write_text("model: {name: resnet18, num_joints: 21}\ncodec: {input_size: [64, 96]}\n"
                    "data: {skeleton: hand21}\n")
    with pytest.raises(ValueError, match="another number of joints than .* 21"):
        PosePredictor(path, config=yaml)


def test_files_that_cannot_be_used(tmp_path, weights):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    for name in ("evil.pth", "evil.pt"):
        torch.save({"ema": Evil()}, tmp_path / name)
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"ema": Evil()}))
    (tmp_path / "text.pth").write_text("no weights")
    for name in ("evil.pth", "plain.pth", "text.pth"):
        with pytest.raises(ValueError, match=name) as caught:
            PosePredictor(tmp_path / name)
        assert len(str(caught.value).splitlines()) == 1
    for name in ("evil.pt", "text.pth", weights):
        with pytest.raises(ValueError) as caught:
            PosePredictor(weights, detector=tmp_path / name, device="cpu")
        assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "ran").exists()
    with pytest.raises(FileNotFoundError, match="none.pth"):
        PosePredictor(tmp_path / "none.pth")
    other = write_checkpoint(tmp_path / "joints.pth", small_config(joints=5))
    with pytest.raises(ValueError, match="num_joints is 5, but .* 17"):
        PosePredictor(other)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_the_same_by_its_path_and_opened_by_pillow(tmp_path, orientation):
    path = tmp_path / "a.png"
    picture = np.zeros((96, 64, 3), np.uint8)
    picture[20:26, 10:16] = 255
    cv2.imwrite(str(path), picture)
    store_turned(path, orientation)
    predictor = painted()
    (expected,) = predictor(picture)
    for image in (path, str(path), Image.open(path), Image.open(path).convert("P")):
        (person,) = predictor(image)
        assert np.array_equal(person.keypoints, expected.keypoints)
        assert np.array_equal(predictor.draw(image, [person]), predictor.draw(picture, [person]))


def test_deep_pictures_keep_the_bits_of_training(tmp_path):
    predictor = painted()
    predictor.model = replace(predictor.model, config=replace(
        predictor.model.config, data=DataConfig(bits=12)))
    deep = np.full((64, 48), 1023, np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), deep)
    for image in (tmp_path / "a.png", deep, Image.fromarray(deep)):
        assert predictor.draw(image, []).max() == 63
