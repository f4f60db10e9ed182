"""`python main.py predict photo.jpg` and nothing else: published weights, and a place beside."""
import hashlib
import io
import json
import os
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torchvision.models import get_model

import main
from nets import build_net
from nets.zoo.published import FREE_DETECTOR, FREE_POSE, PUBLISHED
from processors.pose_predictor import PosePredictor
from processors.prediction.frame_writers import PLAIN, place_beside
from tests.processors.pose_checkpoints import small_config, write_checkpoint
from tests.processors.prediction.videos import write_video
from utils.errors import UserError

POSE = {"model": {"type": "pose_resnet_dconv", "name": "resnet18"},
        "codec": {"input_size": [64, 96]}}
DETECTOR = "ssdlite320_mobilenet_v3_large"
NOWHERE = "http://127.0.0.1:9"


def saved(content):
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


@pytest.fixture(scope="module")
def files():
    """A pose network as mmpose writes it, and a detector of torchvision that has learned
    nothing."""
    torch.manual_seed(0)
    net = build_net(**POSE["model"])
    state = {key.replace("head.upsample", "head.deconv_layers").replace(
        "head.output", "head.final_layer"): value for key, value in net.state_dict().items()}
    detector = get_model(DETECTOR, weights=None, weights_backbone=None)
    return {FREE_POSE: saved({"state_dict": state, "meta": {}}),
            FREE_DETECTOR: saved(detector.state_dict())}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def published(web, files, cache, monkeypatch):
    """The two names, as small networks on a server."""
    sections = {FREE_POSE: POSE, FREE_DETECTOR: {
        "detector": {"type": "torchvision", "name": DETECTOR}}}
    for name, data in files.items():
        path = f"/{name.replace('/', '_')}-{hashlib.sha256(data).hexdigest()[:8]}.pth"
        web.files[path] = data
        monkeypatch.setitem(PUBLISHED, name, replace(
            PUBLISHED[name], address=web.address + path, sections=sections[name]))
    return web


@pytest.fixture
def photo(tmp_path):
    (tmp_path / "photos").mkdir()
    path = tmp_path / "photos" / "photo.jpg"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8))
    return path


def predict(capsys, *words):
    status = main.main(["predict", *map(str, words), "gpus="])
    out, err = capsys.readouterr()
    return status, out + err


def names(folder):
    return sorted(os.listdir(folder))


def test_a_photo_alone(published, photo, capsys):
    before = photo.read_bytes()
    status, said = predict(capsys, photo)
    assert status == 0, said
    assert f"no --weights are given: {FREE_POSE}, under Apache-2.0, finds the joints" in said
    assert f"no detector is given: {FREE_DETECTOR}, under BSD-3-Clause, finds the people" in said
    assert names(photo.parent) == ["photo.jpg", "photo_pose.jpg", "photo_pose.jsonl"]
    assert photo.read_bytes() == before
    [line] = (photo.parent / "photo_pose.jsonl").read_text().splitlines()
    assert json.loads(line)["image"] == "photo.jpg"
    assert len(published.asked) == 2
    status, said = predict(capsys, photo)       # again, from the cache, over what is ours
    assert status == 0 and len(published.asked) == 2, said


def test_a_picture_of_the_user_is_never_replaced_and_nothing_fetched(published, photo, capsys):
    mine = photo.with_name("photo_pose.jpg")
    mine.write_bytes(photo.read_bytes())
    status, said = predict(capsys, photo)
    assert status == 2 and "photo_pose.jpg is there already" in said and not published.asked
    assert mine.read_bytes() == photo.read_bytes()


def test_without_a_network_it_says_what_to_fetch_by_hand(cache, photo, capsys, monkeypatch):
    for name in (FREE_POSE, FREE_DETECTOR):
        monkeypatch.setitem(PUBLISHED, name, replace(
            PUBLISHED[name], address=f"{NOWHERE}/{name.partition('/')[2]}.pth"))
    for name in [name for name, row in PUBLISHED.items() if row.place]:
        monkeypatch.delitem(PUBLISHED, name)        # or what comes with the project stands in
    status, said = predict(capsys, photo)
    error = said.splitlines()[-1]
    assert status == 2 and error.startswith("error: no --weights are given, and ")
    for name in (FREE_POSE, FREE_DETECTOR):
        assert PUBLISHED[name].address in error
    assert str(cache) in error and names(photo.parent) == ["photo.jpg"]


def test_without_a_network_what_comes_with_the_project_is_taken(cache, photo, capsys,
                                                                monkeypatch):
    """The real file, and no stand-in."""
    for name in (FREE_POSE, FREE_DETECTOR):
        monkeypatch.setitem(PUBLISHED, name, replace(
            PUBLISHED[name], address=f"{NOWHERE}/{name.partition('/')[2]}.pth"))
    status, said = predict(capsys, photo)
    assert status == 0, said
    assert "simplepose/r18_160x128, which comes with this project, is taken" in said
    assert "each picture is taken as one person, its whole area as the box" in said
    assert names(photo.parent) == ["photo.jpg", "photo_pose.jpg", "photo_pose.jsonl"]


def test_a_damaged_one_of_the_project_is_said_too(cache, photo, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(PUBLISHED, FREE_POSE, replace(
        PUBLISHED[FREE_POSE], address=f"{NOWHERE}/x.pth"))
    monkeypatch.setattr("nets.zoo.weights_by_name.ROOT", tmp_path)
    [row] = [row for row in PUBLISHED.values() if row.place]
    path, problem = tmp_path / row.place, f"{row.name} is not at"
    for _ in range(2):
        status, said = predict(capsys, photo)
        assert status == 2 and f"{NOWHERE}/x.pth" in said and f"; {problem}" in said, said
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"cut short")
        problem = f"{path} is damaged or another file than was published"


def test_without_a_detector_a_picture_is_one_person(published, photo, capsys, monkeypatch):
    monkeypatch.setitem(PUBLISHED, FREE_DETECTOR, replace(
        PUBLISHED[FREE_DETECTOR], address=f"{NOWHERE}/x.pth"))
    status, said = predict(capsys, photo)
    assert status == 0 and "each picture is taken as one person" in said
    assert "1 person in 1 image," in said and f"{NOWHERE}/x.pth" in said


def test_the_weights_of_this_project_stand_in(published, files, photo, tmp_path, capsys,
                                              monkeypatch):
    """A row with a place in the project: what will be shipped with it."""
    monkeypatch.setattr("nets.zoo.weights_by_name.ROOT", tmp_path)
    monkeypatch.setitem(PUBLISHED, FREE_POSE, replace(
        PUBLISHED[FREE_POSE], address=f"{NOWHERE}/x.pth"))
    monkeypatch.setitem(PUBLISHED, "ours", replace(
        PUBLISHED[FREE_POSE], name="ours", address="", place="weights/ours.pth", licence="MIT"))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "ours.pth").write_bytes(files[FREE_POSE])
    status, said = predict(capsys, photo)
    assert status == 0 and "ours, which comes with this project, is taken" in said
    assert "ours, under MIT, finds the joints" in said


def test_what_the_user_names_is_what_is_taken(published, photo, tmp_path, capsys):
    weights = write_checkpoint(tmp_path / "x.pth", small_config())
    status, said = predict(capsys, photo, "--weights", weights)
    assert status == 0 and "no detector is given, so each picture is taken as one person" in said
    assert not published.asked
    boxes = tmp_path / "boxes.json"
    boxes.write_text('[{"image_id": 1, "file_name": "photo.jpg", "category_id": 1, '
                     '"bbox": [5, 5, 30, 50], "score": 1}]')
    status, said = predict(capsys, photo, "--boxes", boxes)
    assert status == 0 and "finds the people" not in said and len(published.asked) == 1, said
    status, said = predict(capsys, photo, "--weights", FREE_POSE,
                           f"detector.weights={FREE_DETECTOR}")
    assert status == 0 and len(published.asked) == 2, said
    assert "one person" not in said


def test_pose_predictor_takes_names(published, photo):
    predictor = PosePredictor(FREE_POSE, detector=FREE_DETECTOR, device="cpu")
    assert predictor.model.config.codec.input_size == (64, 96)
    assert predictor.detector.config.type == "torchvision"
    [person] = predictor(photo, boxes=[(5, 5, 30, 50)])
    assert person.keypoints.shape == (17, 2) and len(published.asked) == 2
    with pytest.raises(UserError, match="yolov5s names a detector"):
        PosePredictor("yolov5s")


def test_folders_and_videos_have_places_beside_them(published, photo, tmp_path, capsys,
                                                    monkeypatch):
    weights = write_checkpoint(tmp_path / "x.pth", small_config())
    videos = tmp_path / "clips"
    videos.mkdir()
    video = write_video(tmp_path / "walk.mp4")
    video.rename(videos / "walk.mov")
    monkeypatch.chdir(photo.parent)
    for source, place, found in (
            (photo.parent, "photos_pose", ["photo.jpg", "results.jsonl"]),
            (".", "photos_pose", ["photo.jpg", "results.jsonl"]),
            (f"{photo.parent}/*.jpg", "photos_pose", ["photo.jpg", "results.jsonl"]),
            (videos, "clips_pose", ["walk.jsonl", "walk.mp4"])):
        status, said = predict(capsys, source, "--weights", weights)
        assert status == 0 and names(tmp_path / place) == found, said
    status, said = predict(capsys, videos / "walk.mov", "--weights", weights)
    assert status == 0 and names(videos) == ["walk.mov", "walk_pose.jsonl", "walk_pose.mp4"], said
    status, said = predict(capsys, photo, "--weights", weights, "--no-pictures", "--format", "coco")
    assert status == 0 and names(photo.parent) == ["photo.jpg", "photo_pose.json"], said
    for source in ("0", "rtsp://127.0.0.1:9/x", "/"):
        with pytest.raises(UserError, match="there is no place beside .*: give --out"):
            place_beside(source, None, PLAIN)
