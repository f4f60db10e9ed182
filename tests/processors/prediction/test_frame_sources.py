"""Sources: addresses, devices, pipes, sequences, folders of videos."""
import functools
import http.server
import os
import threading

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from processors.prediction import video_source
from processors.prediction.frame_sources import find_videos, open_source
from processors.prediction.video_source import Video, is_camera, without_password
from tests.processors.prediction.videos import write_video
from utils.errors import UserError


def test_a_video_by_its_address(tmp_path):
    write_video(tmp_path / "a game.mkv", 5)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _quiet(handler)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/a%20game.mkv?token=a=b"
        video = open_source(address)
        assert len(list(video)) == 5 and video.notes() == []
        assert video.name == "a_20game" and video.at_once == 8
        with pytest.raises(UserError, match="gives no pictures that OpenCV can read: correct the"):
            open_source(f"http://127.0.0.1:{server.server_port}/none.mkv")
        server.shutdown()


def _quiet(handler):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *words, **more):
            super().__init__(*words, directory=handler.keywords["directory"], **more)

        def log_message(self, *_):
            """Nothing."""
    return Quiet


def test_passwords_are_not_shown():
    assert without_password("rtsp://me:secret@host/live?a=b") == "rtsp://host/live?a=b"
    assert without_password("rtsp://host/a@b") == "rtsp://host/a@b"
    assert without_password("photos/a@b.jpg") == "photos/a@b.jpg"


def test_pipes_and_other_devices_are_refused_rightly(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    for source in (tmp_path / "pipe.mp4", "/dev/null"):
        with pytest.raises(UserError, match="is a pipe or a device that gives no pictures"):
            open_source(str(source))


def test_the_device_of_a_camera_is_a_camera(monkeypatch, tmp_path):
    link = tmp_path / "by-id"
    link.symlink_to("/dev/null")        # a device of characters
    assert not is_camera(str(link))
    monkeypatch.setattr(video_source.os.path, "realpath", lambda path: "/dev/video7")
    assert is_camera(str(link))
    opened, real = [], cv2.VideoCapture
    path = write_video(tmp_path / "a.mp4", 3)
    monkeypatch.setattr(cv2, "VideoCapture", lambda source: opened.append(source) or real(
        str(path)))
    video = Video(str(link))
    assert opened == [str(link)] and video.is_camera
    assert video.at_once == 1 and video.name == "by-id"
    Video("0")
    assert opened[1] == 0


def test_a_sequence_has_times_and_the_order_of_its_numbers(tmp_path):
    for number in (1, 2, 10):
        cv2.imwrite(str(tmp_path / f"frame{number}.png"), np.zeros((4, 4, 3), np.uint8))
    plain, sequence = open_source(str(tmp_path)), open_source(str(tmp_path), fps=10)
    assert plain.names[:2] == ["frame1.png", "frame10.png"] and not plain.is_timed
    assert sequence.names == ["frame1.png", "frame2.png", "frame10.png"] and sequence.is_timed
    assert [frame.seconds for frame in sequence] == pytest.approx([0, 0.1, 0.2])
    assert open_source(f"{tmp_path}/*.png", fps=10).names == sequence.names
    with pytest.raises(UserError, match="--fps is for images, and .*a.mp4 says its own rate"):
        open_source(str(write_video(tmp_path / "a.mp4", 2)), fps=10)


def test_the_videos_of_a_folder(tmp_path):
    root = tmp_path / "games"
    (root / "b").mkdir(parents=True)
    for name in ("a.mp4", "a.MKV", "b/c.mov", "notes.txt", ".hidden.mp4"):
        (root / name).write_bytes(b"")
    wanted = [("a.MKV", "a.MKV"), ("a.mp4", "a.mp4"), ("b/c.mov", "b/c")]
    assert find_videos(str(root)) == ([(str(root / name), out) for name, out in wanted], "1 .txt")
    assert find_videos(f"{root}/b/*") == ([(str(root / "b/c.mov"), "c")], "")
    assert find_videos(str(root / "a.mp4")) == find_videos(str(tmp_path / "none")) == ([], "")
    (root / "photo.jpg").write_bytes(b"")
    assert find_videos(str(root)) == ([], "")       # a folder of images


def test_the_picture_of_a_camera_that_has_another_one_in_it_is_turned(tmp_path):
    """An MPO, such as phones write: a JPEG with more pictures behind it."""
    exif, path = Image.Exif(), tmp_path / "phone.mpo"
    exif[ExifTags.Base.Orientation] = 6
    pictures = [Image.new("RGB", (80, 30)) for _ in range(2)]
    pictures[0].save(path, "MPO", save_all=True, append_images=pictures[1:], exif=exif)
    (frame,) = open_source(str(path))
    assert frame.pixels.shape == (80, 30, 3)


@pytest.mark.parametrize("name, form", [("a.webp", "WEBP"), ("a.png", "PNG"), ("a.tif", "TIFF")])
def test_pictures_of_which_only_the_first_page_is_used_are_counted(tmp_path, name, form):
    pages = [Image.new("RGB", (80, 30), (grey, 0, 0)) for grey in (0, 99, 200)]
    pages[0].save(tmp_path / "one.png")
    assert open_source(str(tmp_path)).notes() == []
    pages[0].save(tmp_path / name, form, save_all=True, append_images=pages[1:])
    note, = open_source(str(tmp_path)).notes()
    assert note == ("1 of the images have more frames or pages than the first one, which alone is "
                    f"used: {name}")


@pytest.mark.parametrize("pattern, folder", [
    ("", ""), ("", "in/b"), ("/*.jpg", ""), ("/in/*/*.jpg", "in/b"), ("/**/*.jpg", "in/b"),
    ("/*.mp4", ""), ("/**", "in")])
def test_a_folder_that_may_not_be_listed_is_no_empty_folder(pattern, folder, tmp_path, closed):
    for name in ("in/a", "in/b"):
        (tmp_path / name).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / name / "1.jpg"), np.zeros((20, 40, 3), np.uint8))
    closed(tmp_path / folder)
    with pytest.raises(PermissionError, match=f"Permission denied: '{tmp_path / folder}'"):
        find_videos(f"{tmp_path}{pattern}")
    with pytest.raises(PermissionError, match=f"Permission denied: '{tmp_path / folder}'"):
        open_source(f"{tmp_path}{pattern}")
