"""VideoWriter: as long as the source, whatever its rate; its codec and its sound are said."""
import re

import cv2
import numpy as np
import pytest

from processors.prediction.frame import Frame
from processors.prediction.video_source import Video
from processors.prediction.video_writer import VideoWriter, has_sound
from tests.processors.prediction.videos import played, set_durations, write_video


@pytest.fixture(autouse=True)
def no_ffmpeg(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def copied(path, out):
    """The frames of a video as a video again."""
    video = Video(str(path))
    writer = VideoWriter(video, out)
    for frame in video:
        writer.write(frame, frame.pixels)
    writer.close()
    return writer, cv2.VideoCapture(str(writer.path)).get(cv2.CAP_PROP_FPS)


@pytest.mark.parametrize("durations", [[(30, 0.04), (30, 0.1)], [(30, 0.1), (30, 0.04)],
                                       [(59, 0.04), (1, 0.04)], [(10, 0.04), (1, 3.0), (49, 0.04)]])
def test_it_plays_as_long_as_the_source_and_shows_each_frame_at_its_time(tmp_path, durations):
    path = write_video(tmp_path / "a.mp4", 60, fps=25)
    set_durations(path, durations)
    writer, fps = copied(path, tmp_path / "out")
    frames = played(writer.path)
    times = np.cumsum([0] + [seconds for count, seconds in durations for _ in range(count)])[:60]
    assert len(frames) / fps == pytest.approx(times[-1] + 1 / fps, abs=1.5 / fps)
    for slot in range(0, len(frames), 7):
        shown = np.searchsorted(times, slot / fps + 1e-3, side="right") - 1
        near = [abs(frames[slot].mean() - 12 * i % 256) for i in range(max(shown - 2, 0), shown + 3)
                if i < 60]
        assert min(near) < 8, (slot, shown)


def test_frames_that_are_shorter_than_the_rate_are_counted(tmp_path):
    video = Video(str(write_video(tmp_path / "a.mp4", 3, fps=10)))
    writer = VideoWriter(video, tmp_path / "out")
    for number, seconds in enumerate((0.0, 0.1, 0.12, 0.2, 0.3)):
        writer.write(Frame(number, seconds, "", None), np.zeros((64, 96, 3), np.uint8))
    writer.close()
    assert len(played(writer.path)) == 4
    assert any("lacks 1 frames that were shorter" in note for note in writer.notes)


def test_frames_without_a_picture_show_the_one_beside_them(tmp_path):
    video = Video(str(write_video(tmp_path / "a.mp4", 3, fps=10)))
    writer = VideoWriter(video, tmp_path / "out")
    for number, shade in enumerate((None, 50, None, None, 200, None)):
        picture = None if shade is None else np.full((64, 96, 3), shade, np.uint8)
        writer.write(Frame(number, number / 10, "", None), picture)
    writer.close()
    shades = [round(frame.mean() / 10) for frame in played(writer.path)]
    assert shades == [5, 5, 5, 5, 20, 20]


def test_the_camera_is_shown_as_long_as_it_took(tmp_path):
    frames = Video.__new__(Video)      # without a camera
    frames.is_camera, frames.is_stream, frames.name, frames.fps = True, False, "camera0", 10.0
    frames.source, frames.shortest = "0", 0.0
    writer = VideoWriter(frames, tmp_path / "out")
    for seconds in (0.0, 0.5, 0.6):
        writer.write(Frame(0, seconds, "", None), np.zeros((20, 20, 3), np.uint8))
    writer.close()
    assert len(played(tmp_path / "out" / "camera0.mp4")) == 7


class Broken:
    """A codec that opens and writes nothing."""
    def isOpened(self):
        return True

    def write(self, picture):
        """Nothing."""

    release = isOpened


@pytest.mark.parametrize("other", [cv2.VideoWriter, Broken])
def test_a_codec_that_cannot_be_written_is_said(tmp_path, monkeypatch, capfd, other):
    real = cv2.VideoWriter

    def without(path, code, *rest):
        return other() if code == real.fourcc(*"avc1") else real(path, code, *rest)
    without.fourcc = real.fourcc
    monkeypatch.setattr(cv2, "VideoWriter", without)
    writer, _ = copied(write_video(tmp_path / "a.avi", 5, "MJPG"), tmp_path / "out")
    assert len(played(writer.path)) == 5 and not capfd.readouterr().err
    note, = writer.notes
    assert "coded as mp4v, which browsers do not play" in note and "--codec vp9" in note


def test_vp9_is_written_where_opencv_has_it(tmp_path):
    video = Video(str(write_video(tmp_path / "a.avi", 5, "MJPG")))
    writer = VideoWriter(video, tmp_path / "out", "vp9")
    for frame in video:
        writer.write(frame, frame.pixels)
    writer.close()
    if writer.notes:
        pytest.skip(writer.notes[0])
    assert len(played(writer.path)) == 5 and b"vp09" in writer.path.read_bytes()


def ffmpeg(tmp_path, script: str) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_sound_that_is_lost_is_said(tmp_path):
    path = write_video(tmp_path / "a.avi", 5, "MJPG")
    assert not has_sound(path)
    path.write_bytes(path.read_bytes() + b"JUNK\x08\0\0\0....auds")     # as the track is called
    assert has_sound(path) and any("the sound is not in" in note and "ffmpeg" in note
                                   for note in copied(path, tmp_path / "out")[0].notes)
    (tmp_path / "a.mxf").write_bytes(b"of a kind that is not looked into")
    assert has_sound(tmp_path / "a.mxf")


@pytest.mark.parametrize("silent, sound", [
    (b"GIF89a" + bytes(40), None), (b"FLV\1\1" + bytes(40), b"FLV\1\5" + bytes(40)),
    (b"OggS" + bytes(30) + b"\x80theora", b"OggS" + bytes(30) + b"\1vorbis"),
    (b"0&\xb2u\x8ef\xcf\x11", b"0&\xb2u\x8ef\xcf\x11..\x40\x9e\x69\xf8\x4d\x5b\xcf\x11.."),
    (b"\0\0\1\xba....\0\0\1\xe0", b"\0\0\1\xba....\0\0\1\xe0..\0\0\1\xc0"),
    (b"G\x40\0" + bytes(200) + b"\0\0\1\xe0", b"G\x40\0" + bytes(200) + b"\0\0\1\xbd")],
    ids=["gif", "flv", "ogv", "wmv", "mpg", "ts"])
def test_sound_of_kinds_without_names_of_tracks(tmp_path, silent, sound):
    (tmp_path / "a").write_bytes(silent)
    assert not has_sound(tmp_path / "a")
    (tmp_path / "a").write_bytes(sound or silent)
    assert has_sound(tmp_path / "a") == (sound is not None)


@pytest.mark.parametrize("script, words", [
    ('for last; do :; done\n/bin/cp "$PWD/made.mp4" "${last#file:}"', ""),
    ('echo "Stream map matches no streams" >&2; exit 1', ""),
    ('echo "no room" >&2; exit 1', "the sound is not in .*: ffmpeg failed .no room.")])
def test_ffmpeg_is_asked_for_the_sound(tmp_path, monkeypatch, script, words):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "made.mp4", 7)       # what ffmpeg makes
    ffmpeg(tmp_path, script)
    writer, _ = copied(write_video(tmp_path / "a.avi", 5, "MJPG"), tmp_path / "out")
    assert len(played(writer.path)) == (7 if "cp" in script else 5)
    notes = " ".join(note for note in writer.notes if "sound" in note)
    assert re.search(words, notes) if words else not notes
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.mp4"]
