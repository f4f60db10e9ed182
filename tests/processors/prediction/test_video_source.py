"""Video: true times, no frames that nobody saw, and files that were cut off."""
import struct

import cv2
import numpy as np
import pytest

from processors.prediction.frame_sources import open_source
from processors.prediction.video_source import Video, read_structure
from tests.processors.prediction.videos import FPS, set_durations, write_video
from utils.errors import UserError


def read(path) -> tuple[list[float], list[str]]:
    video = Video(str(path))
    return [frame.seconds for frame in video], video.notes()


@pytest.mark.parametrize("name, codec", [("a.mp4", "mp4v"), ("a.mkv", "mp4v"), ("a.webm", "VP80"),
                                         ("a.avi", "MJPG"), ("a.mov", "mp4v")])
def test_a_constant_rate_in_every_container(tmp_path, name, codec):
    seconds, notes = read(write_video(tmp_path / name, 20, codec))
    assert seconds == pytest.approx(np.arange(20) / FPS, abs=0.001) and not notes


def test_a_phones_video_has_the_times_of_its_stamps(tmp_path):
    path = write_video(tmp_path / "phone.mp4", 60, fps=25)
    set_durations(path, [(30, 0.033), (30, 0.1)])
    seconds, notes = read(path)
    wanted = np.cumsum([0] + [0.033] * 30 + [0.1] * 29)
    assert seconds == pytest.approx(wanted, abs=0.002) and not notes
    assert seconds[20] == pytest.approx(0.66, abs=0.002)        # 1.33 by the mean rate


class Stamped:
    """A capture with other time stamps."""

    def __init__(self, path, stamps):
        self.real, self.stamps = cv2.VideoCapture(str(path)), iter(stamps)

    def get(self, key):
        return next(self.stamps) if key == cv2.CAP_PROP_POS_MSEC else self.real.get(key)

    def __getattr__(self, name):
        return getattr(self.real, name)


@pytest.mark.parametrize("stamps, wanted, guessed", [
    ([0] * 5, [0, .08, .16, .24, .32], 4), ([500, 540, 580, 700, 800], [0, .04, .08, .2, .3], 0),
    ([0, 80, 40, 200, 240], [0, .08, .16, .2, .24], 1), ([float("nan")] * 5, None, 4),
    ([0, 40, 9e9, 120, 160], [0, .04, .12, .2, .28], 3), ([9000, 0, 40, 80, 120], None, 4)])
def test_stamps_that_do_not_rise_are_replaced_and_said(tmp_path, monkeypatch, stamps, wanted,
                                                       guessed):
    path, real = write_video(tmp_path / "a.mp4", 5), cv2.VideoCapture
    with monkeypatch.context() as patch:
        patch.setattr(cv2, "VideoCapture", lambda _: Stamped.__new__(Stamped))
        patch.setattr(Stamped, "__new__", lambda kind: _stamped(kind, real(str(path)), stamps))
        seconds, notes = read(path)
    assert seconds == pytest.approx(wanted or np.arange(5) / FPS)
    if not guessed:
        assert not notes
        return
    note, = notes
    assert f"{guessed} of 5 frames have no rising time stamp" in note and "12.5 frames/s" in note


def _stamped(kind, real, stamps):
    capture = object.__new__(kind)
    capture.real, capture.stamps = real, iter(stamps)
    return capture


def lengthen(path, factor: float) -> None:
    """Let a Matroska file say that it is longer, as if its sound were."""
    data = bytearray(path.read_bytes())
    at = data.index(b"\x44\x89\x88") + 3
    length, = struct.unpack(">d", data[at:at + 8])
    data[at:at + 8] = struct.pack(">d", factor * length)
    path.write_bytes(data)


@pytest.mark.parametrize("name, codec", [("a.mkv", "mp4v"), ("a.webm", "VP80")])
def test_frames_that_opencv_only_works_out_are_not_missed(tmp_path, name, codec):
    path = write_video(tmp_path / name, 20, codec)
    lengthen(path, 2)
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT) == 40
    seconds, notes = read(path)
    assert len(seconds) == 20 and not notes


@pytest.mark.parametrize("name, codec", [("a.mkv", "mp4v"), ("a.webm", "VP80"), ("a.avi", "MJPG")])
def test_a_file_that_was_cut_off_is_said(tmp_path, name, codec):
    path = write_video(tmp_path / name, 20, codec)
    assert read_structure(path)[0] == 0
    data = path.read_bytes()
    path.write_bytes(data[:len(data) * 7 // 10])
    seconds, (note,) = read(path)
    assert 0 < len(seconds) < 20
    assert f"a{path.suffix} was cut off: it lacks its last {len(data) - path.stat().st_size} " in (
        note) and f"ends at frame {len(seconds)}" in note


def test_an_mp4_that_was_cut_off_is_said(tmp_path):
    """With its table of frames in front, as for the web; without it nothing can be read."""
    path = write_video(tmp_path / "a.mp4", 20)
    data = path.read_bytes()
    at = data.index(b"moov") - 4
    moov = data[at:at + int.from_bytes(data[at:at + 4], "big")]
    start, rest = data.index(b"mdat") - 4, bytearray(moov)
    place = rest.index(b"stco") + 12
    for _ in range(int.from_bytes(rest[place - 4:place], "big")):
        moved = int.from_bytes(rest[place:place + 4], "big") + len(moov)
        rest[place:place + 4] = struct.pack(">I", moved)
        place += 4
    whole = data[:start] + bytes(rest) + data[start:at]
    path.write_bytes(whole)
    assert len(read(path)[0]) == 20 and read_structure(path) == (0, True)
    path.write_bytes(whole[:-(at - start) // 2])
    seconds, (note,) = read(path)
    assert "was cut off: it lacks its last" in note and 0 < len(seconds) < 20


def test_frames_that_an_mp4_counts_and_does_not_give_are_said_once(tmp_path):
    path = write_video(tmp_path / "a.mp4", 20)
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 12
    length = int.from_bytes(data[at:at + 4], "big")
    data[at:at + 4] = struct.pack(">I", length // 2)        # trimmed, as phones do it
    path.write_bytes(data)
    video = Video(str(path))
    frames = list(video)
    assert all(not frame.error for frame in frames) and len(frames) < 20
    note, = video.notes()
    assert f"counts 20 frames and gave {len(frames)}" in note


def test_what_is_not_read_to_its_end_says_nothing_of_it(tmp_path):
    video = open_source(str(write_video(tmp_path / "a.mp4", 20)))
    next(iter(video))
    assert video.notes() == []


@pytest.mark.parametrize("matrix, turn", [
    ((1, 0, 0, 1), lambda pixels: pixels), ((-1, 0, 0, 1), lambda pixels: pixels[:, ::-1]),
    ((1, 0, 0, -1), lambda pixels: pixels[::-1]),
    ((-1, 0, 0, -1), lambda pixels: pixels[::-1, ::-1]),
    ((0, 1, 1, 0), lambda pixels: pixels.swapaxes(0, 1)),
    ((0, 1, -1, 0), lambda pixels: np.rot90(pixels, -1))])
def test_a_video_is_turned_and_mirrored_as_its_matrix_says(tmp_path, matrix, turn):
    path = tmp_path / "a.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 32))
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:16, :32] = 255         # one corner
    for _ in range(3):
        writer.write(picture)
    writer.release()
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    for place, value in zip((0, 4, 12, 16), matrix, strict=True):
        data[at + place:at + place + 4] = struct.pack(">i", value << 16)
    path.write_bytes(data)
    frame = next(iter(Video(str(path))))
    expected = turn(picture)
    assert frame.pixels.shape == expected.shape
    assert np.abs(frame.pixels.astype(int) - expected).mean() < 10


def test_pixels_that_are_not_square_are_said(tmp_path, monkeypatch):
    path, real = write_video(tmp_path / "a.mp4", 3), cv2.VideoCapture

    class Wide:
        def __init__(self, source):
            self.real = real(source)

        def get(self, key):
            sides = {cv2.CAP_PROP_SAR_NUM: 4, cv2.CAP_PROP_SAR_DEN: 3}
            return sides[key] if key in sides else self.real.get(key)

        def __getattr__(self, name):
            return getattr(self.real, name)

    assert not read(path)[1]
    monkeypatch.setattr(cv2, "VideoCapture", Wide)
    note, = read(path)[1]
    assert "has pixels that are 4:3 wide and not square" in note


def test_an_empty_file_is_called_empty(tmp_path):
    (tmp_path / "a.mp4").touch()
    with pytest.raises(UserError, match="a.mp4 is empty: copy it again"):
        Video(str(tmp_path / "a.mp4"))


def test_ffmpeg_says_nothing_of_a_file_that_it_cannot_read(tmp_path, capfd):
    path = write_video(tmp_path / "a.mp4", 5)
    data = path.read_bytes()
    path.write_bytes(data[:data.index(b"moov") - 4])
    with pytest.raises(UserError, match="no video that OpenCV can read, or has sound only"):
        Video(str(path))
    assert capfd.readouterr().err == ""
