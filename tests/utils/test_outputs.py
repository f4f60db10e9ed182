"""Outputs replace what this project wrote, and nothing else."""
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from nets.files.safetensors_file import safetensors_bytes
from utils.errors import UserError
from utils.outputs import (
    KINDS,
    ensure_output,
    ensure_replaceable,
    ensure_writable,
    is_ours,
    mark_video,
    marked,
    marked_json,
    marked_text,
    write_output,
)

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def picture(suffix: str) -> bytes:
    return cv2.imencode(suffix, PIXELS)[1].tobytes()


FOREIGN = {
    "detections": [b'[{"bbox": [1, 2, 3, 4], "image_id": 1}]',
                   b'[{"image_id": 1, "category_id": 1, "bbox": [1.0, 2, 3, 4]}]',
                   b'{"images": []}', b"[1]",
                   b'[{"image_id": 1, "category_id": 1, "keypoints": [1, 2, 2]}]'],
    "keypoint results": [b'[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}]', b"text",
                         b'[{"image_id":-1,"category_id":1,"keypoints":[1,2,2]}]'],
    "COCO annotations": [b'{"info": {"description": "COCO 2017 Dataset"}, "images": []}', b"[]",
                         b'{"info": {"description": "dogs for SimplePose"}, "images": []}'],
    "results in lines": [b'{"image": 3}\n', b'{"epoch": 1}\n', b'{"image": "SimplePose"}',
                         b'{"image": "a.jpg", "people": []}\n'],
    "table of results": [
        b"image,x,y\n", b"image,frame,seconds,person,score,x,y,width,height,activity\nmine,1\n",
        b"image,frame,seconds,person,score,x,y,width,height,nose_x\n"],
    "ranked labels": [b"place,oddness,image\n1,2,a.jpg\n", b"place,image,annotation\n"],
    "ranked images": [b"place,unsure,image\n", b"image,people\n"],
    "images to label": [b"a.jpg\nb.jpg\n", b"# images to label next\na.jpg\n"],
    "OpenPose file": [b'{"version": 1.3, "people": []}'],
    "lock": [b"[[package]]", b'{"pid": 7, "host": "here", "app": "jupyter"}', b""],
    "metrics": [b'{"epoch": 1, "loss": 0.3}\n', b'{"run": "a", "loss": 0.3}\n'],
    "picture": [picture(".jpg"), picture(".png")],
    "video": [b"\0\0\0\x20ftypisom mdat"],
    "ONNX file": [b"\x08\x08pytorch", b"\x08\x08/home/simplepose"],
    "page": [b"<!doctype html><p>my page on SimplePose"], "text": [b"my notes on SimplePose\n"],
    "JSON settings": [b'{\n  "architectures": []\n}'],
    "safetensors": [b'\xd0\0\0\0\0\0\0\0{"__metadata__":{"format":"pt"},"SimplePose":{}}'],
    "checkpoint": [b"PK\3\4a model of others", b"SimplePose"]}
OURS = {
    "detections": [
        marked_json('[{"image_id": 1, "category_id": 1, "bbox": [1.0, 2, 3, 4]}]').encode(),
        b"[]", marked_json("[]").encode()],
    "keypoint results": [
        marked_json('[{"image_id":-1,"category_id":1,"keypoints":[1,2,2]}]').encode()],
    "COCO annotations": [
        b'{"info": {"description": "a \\" dog, imported by SimplePose"}, "images": []}'],
    "results in lines": [marked_json(line).encode() for line in (
        '{"image": "a \\" b.jpg", "people": []}\n', '{"image": "", "error": ""}',
        '{"frame": 0, "seconds": 0.0, "people": []}\n')],
    "table of results": [
        b"image,frame,seconds,person,score,x,y,width,height,nose_x,nose_y,nose_score\n",
        b"image,frame,seconds,person,score,x,y,width,height,1_x,1_y,1_score,e_x,e_y,e_score\r\na",
        b'image,frame,seconds,person,score,x,y,width,height,"a,b_x","a,b_y","a,b_score"\na,1\n'],
    "ranked labels": [b"place,oddness,oks,set,image,annotation,x,y,width,height,what\n1,2"],
    "ranked images": [b"place,unsure,people,next,image,what\n"],
    "images to label": [b"# images to label next, ranked by SimplePose\na.jpg\n"],
    "OpenPose file": [b'{"version": 1.3, "generator": "SimplePose", "people": []}'],
    "lock": [b'{"program": "SimplePose", "pid": 7, "host": "here", "since": "now"}'],
    "metrics": [b'{"run": "2026-01-01 00:00:00", "model_name": "a", "kind": "val"}\n'],
    "picture": [marked(picture(".jpg")), marked(picture(".png"))],
    "page": [b'<!DOCTYPE html>\n<meta name="generator" content="SimplePose">'],
    "text": [marked_text("words"), marked_text(""), b"a: 1\n# written by SimplePose\n"],
    "JSON settings": [marked_json('{\n  "a": 1\n}').encode()],
    "safetensors": [safetensors_bytes({"a": torch.zeros(1)}),
                    safetensors_bytes({"a": torch.zeros(1)}, {"b": 1})],
    "checkpoint": [b"PK\3\4archive/data.pkl simplepose 1"],
    "ONNX file": [b"\x08\x08pytorch" + bytes(90_000) + b"\n\nsimplepose\x12"]}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_ours_is_told_from_what_is_not(kind, tmp_path):
    path = tmp_path / "file"
    assert FOREIGN[kind]
    for content in OURS.get(kind, ()):      # a video is made below
        path.write_bytes(content)
        ensure_output(path, kind, "--out")
        assert path.read_bytes() == content
    for content in [*FOREIGN[kind], b"PK\3\4", b"\0" * 200_000, b"SimplePose\n", bytes(1)]:
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"--out: {path} is there already, and is no file of "
                                            f"this project .{kind}.*give another name"):
            ensure_output(path, kind, "--out")
        assert path.read_bytes() == content
    path.write_bytes(b"")
    if b"" not in FOREIGN[kind]:
        ensure_output(path, kind, "--out")      # an empty file, as of mktemp, is no loss


def test_a_marked_list_is_the_same_list():
    for text in ("[]", '[{"a": [1]}]', '{"image": 1}'):
        assert json.loads(marked_json(text)) == json.loads(text)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_mark_leaves_the_pixels_as_they_are(suffix):
    plain = picture(suffix)
    shown = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
             for data in (plain, marked(plain))]
    assert (shown[0] == shown[1]).all() and len(plain) < len(marked(plain)) < len(plain) + 60
    if suffix == ".png":
        assert (shown[1] == PIXELS).all()


def test_a_marked_video_plays_and_is_known(tmp_path):
    path = tmp_path / "a.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (60, 40))
    for _ in range(5):
        writer.write(PIXELS)
    writer.release()
    assert not is_ours(path, "video")
    mark_video(path)
    assert is_ours(path, "video")
    capture = cv2.VideoCapture(str(path))
    assert sum(capture.read()[0] for _ in range(9)) == 5


def test_an_input_and_a_folder_are_never_replaced(tmp_path):
    path = tmp_path / "b.json"
    path.write_bytes(OURS["detections"][0])
    (tmp_path / "link.json").symlink_to(path)
    for name in ("b.json", "link.json"):
        with pytest.raises(UserError, match="--out: .*json would be overwritten, which the comm"):
            ensure_output(tmp_path / name, "detections", "--out", ["no.json", path])
    with pytest.raises(UserError, match="is a folder; give the path of a file"):
        ensure_output(tmp_path, "detections", "--out")


@pytest.mark.parametrize("ensure", [lambda path: ensure_replaceable(path, "detections", "--out"),
                                    lambda path: ensure_writable(path, "--out")])
@pytest.mark.parametrize("content", [None, b"", OURS["detections"][0], b"of others"])
def test_a_link_is_refused_whatever_it_points_at(tmp_path, ensure, content):
    if content is not None:
        (tmp_path / "b.json").write_bytes(content)
    (tmp_path / "link.json").symlink_to("b.json")
    with pytest.raises(UserError, match="^--out: .*/link.json is a link, and nothing is written"):
        ensure(tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0 and not sys.platform == "linux",
                    reason="needs a place that cannot be written")
def test_a_place_that_cannot_be_written_has_its_cure(tmp_path, monkeypatch):
    with pytest.raises(OSError, match="^--out: /proc/.* cannot be written .*give another place"):
        ensure_writable(tmp_path.__class__("/proc/nowhere/b.json"), "--out")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="^--out: .*file is a file, and a folder is to be there"):
        ensure_writable(tmp_path / "file" / "b.json", "--out")
    def full(*_):
        raise OSError(28, "No space left on device", "b.json.1.tmp")

    monkeypatch.setattr("utils.outputs.write_atomically", full)
    with pytest.raises(OSError, match="^--out: .*/new/b.json cannot be written .No space left on "):
        write_output(tmp_path / "new" / "b.json", b"[]", "--out")


def test_a_place_that_was_only_asked_about_is_as_it_was(tmp_path):
    (tmp_path / "old").mkdir()
    for folder in (tmp_path / "old", tmp_path / "old" / "new" / "newer"):
        ensure_output(folder / "b.json", "detections", "--out")
    assert [*tmp_path.rglob("*")] == [tmp_path / "old"]


def test_a_file_system_that_is_only_read_names_the_output(tmp_path, monkeypatch):
    def read_only(path, *_, **__):
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "unlink", read_only)      # also of what is not there
    with pytest.raises(OSError, match=r"^--out: \S*/b.json cannot be written .Read-only"):
        ensure_writable(tmp_path / "b.json", "--out")


def test_what_dead_processes_left_is_removed_and_what_others_write_is_not(tmp_path):
    """A killed process leaves its temporary file; one that lives is still writing it."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    ending = "simplepose.tmp"
    names = {f"b.json.{dead.pid}.{ending}": False, f"b.json.{dead.pid}.{ending}.mp4": False,
             f"b.json.{os.getpid()}.{ending}": False, f"b.json.{os.getppid()}.{ending}": True,
             f"c.json.{dead.pid}.{ending}": True, f"b.json.{dead.pid}.tmp": True,
             f"b.json.x.{ending}": True, f"b.json.9.{ending}.old.one": True}
    for name in names:
        (tmp_path / name).write_text("half")
    ensure_output(tmp_path / "b.json", "detections", "--out")
    assert {name: (tmp_path / name).exists() for name in names} == names
