"""VideoWriter: a video's frames as one .mp4 that plays as long as the source."""
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from datasets.crops.image_files import SUFFIXES
from processors.prediction.frame import Frame
from processors.prediction.video_source import LOOKED_AT, Video, read_structure, stated_frames
from utils.errors import UserError
from utils.files import read_ends, temporary
from utils.outputs import ensure_folder, ensure_output, mark_video

CODECS = {"mp4v": "mp4v", "h264": "avc1", "vp9": "vp09"}    # as --codec has them: in the file
TRIED = 2               # frames to see whether a codec can be written
LONGEST_LIVE = 250      # times a camera's picture is repeated; a longer pause is cut out
SOUND = re.compile(rb"soun|auds|A_(AAC|OPUS|VORBIS|MPEG|PCM|AC3|EAC3|FLAC|DTS)")
MPEG_SOUND = rb"\x00\x00\x01[\xc0-\xdf\xbd]"      # begins a packet of it, and is in no picture
SOUND_OF = {            # how kinds without names of tracks begin: what shows that there is sound
    b"GIF8": rb"(?!)", b"FLV": rb"\AFLV.[\x04\x05]",
    b"OggS": rb"\x01vorbis|OpusHead|Speex|\x7fFLAC",
    b"\x30\x26\xb2\x75": rb"\x40\x9e\x69\xf8\x4d\x5b\xcf\x11",      # WMV: the id of its audio
    b"\0\0\1\xba": MPEG_SOUND, b"G": MPEG_SOUND}


class VideoWriter:
    """One .mp4 at a constant rate: each picture is repeated until the next one's time comes. Of
    pictures that come faster than the rate the last one is shown, and `notes` counts the others.
    A frame without a picture shows the one before it, at the beginning the one behind it.

    It grows beside its place, in a temporary file, and takes it when it is whole. The sound of a
    file is copied by the program ffmpeg, if there is one.
    """

    def __init__(self, source: Video, out: Path, codec: str = ""):
        """codec: a key of CODECS; if not given, H.264 where OpenCV can write it, else mp4v."""
        if out.suffix.lower() in (".avi", ".mkv", ".mov", ".webm", ".m4v", *SUFFIXES):
            raise UserError(f"--out is {out}, but a video is written as .mp4: give a name that "
                            f"ends so, or a folder")
        self.path = out if out.suffix.lower() == ".mp4" else out / f"{source.name}.mp4"
        self.shown, self.results_base = self.path, self.path.with_suffix("")
        part = temporary(self.path)
        self.part = part.with_name(f"{part.name}.mp4")      # OpenCV goes by the suffix
        self.source, self.codec, self.size, self.fps = source, codec, (0, 0), 0.0
        self.frames, self.end, self.unseen, self.pending = 0, 0, 0, False
        self.writer: cv2.VideoWriter | None = None
        self.last: np.ndarray | None = None     # as it goes into the file
        self.notes: list[str] = []
        ensure_output(self.path, "video", "--out", [source.source])

    def write(self, frame: Frame, picture: np.ndarray | None) -> None:
        if picture is not None:
            if self.writer is None:
                self.writer = self._open(*picture.shape[1::-1])
            if picture.shape[1::-1] != self.size:
                picture = cv2.resize(picture, self.size, interpolation=cv2.INTER_AREA)
            picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
            self.last = picture if self.last is None else self.last
        if self.writer is None:
            return
        due = round(frame.seconds * self.fps)       # pictures before this one
        if self.source.is_camera:
            due = min(due, self.frames + LONGEST_LIVE)
        self._fill(due)
        self.unseen += self.pending         # its time was too short
        if picture is not None:
            self.last, self.pending = picture, True
        self.end = due + 1

    def _fill(self, count: int) -> None:
        """Show the last picture until `count` pictures are in the file."""
        while self.writer is not None and self.last is not None and self.frames < count:
            self.writer.write(self.last)
            self.frames, self.pending = self.frames + 1, False

    def _open(self, width: int, height: int) -> cv2.VideoWriter:
        # The codec wants even sizes: the last row or column of an odd picture is scaled away
        self.size = max(2, width - width % 2), max(2, height - height % 2)
        self.fps = self.source.rate
        ensure_folder(self.part.parent, "--out")
        wanted = self.codec or "h264"
        codec = wanted if wanted == "mp4v" or self._works(wanted) else "mp4v"
        writer = self._writer(codec)
        if not writer.isOpened():
            raise OSError(f"the video {self.part} cannot be written by OpenCV "
                          f"({self.size[0]}x{self.size[1]} pixels, mp4v): give another --out")
        self.codec = codec
        if codec != wanted:
            other = "" if wanted == "vp9" else ", and --codec vp9, which is slow, may do"
            self.notes.append(f"{self.path} is coded as mp4v, which browsers do not play: this "
                              f"OpenCV cannot write {wanted}{other}")
        return writer

    def _writer(self, codec: str) -> cv2.VideoWriter:
        self.part.unlink(missing_ok=True)
        return cv2.VideoWriter(str(self.part), cv2.VideoWriter.fourcc(*CODECS[codec]), self.fps,
                               self.size)

    def _works(self, codec: str) -> bool:
        """Whether OpenCV can write a codec, by writing."""
        black = np.zeros((*self.size[::-1], 3), np.uint8)
        with _quiet():      # a codec that is not there is no news
            writer = self._writer(codec)
            for _ in range(TRIED if writer.isOpened() else 0):
                writer.write(black)
            writer.release()
            return stated_frames(self.part) == TRIED

    def close(self) -> None:
        """Finish the file. Raises OSError if the disk did not take all of it."""
        if self.writer is None:
            return
        self._fill(self.end)
        self.writer.release()
        self.writer = None
        if stated_frames(self.part) != self.frames:     # OpenCV does not tell of a full disk
            raise OSError(f"the video {self.part} is not whole, maybe the disk is full: make room "
                          f"or give another --out")
        if self.unseen:
            self.notes.append(f"{self.path} has {self.fps:.4g} pictures a second, and lacks "
                              f"{self.unseen} frames that were shorter; the results have them")
        if self.source.is_stream:
            self.notes.append(f"{self.path} has no sound, for that of streams is not kept")
        elif not self.source.is_camera:
            self._add_sound()
        mark_video(self.part)
        os.replace(self.part, self.path)

    def _add_sound(self) -> None:
        """The source's sound into the file, or a note that it is lost."""
        program, lost = shutil.which("ffmpeg"), f"the sound is not in {self.path}"
        if program is None:
            if has_sound(Path(self.source.source)):
                self.notes.append(f"{lost}: with the program ffmpeg on the PATH it will be")
            return
        both = self.part.with_name(f"{self.part.stem}.sound.mp4")
        try:
            done = subprocess.run(
                [program, "-v", "error", "-y", "-i", f"file:{self.part}", "-i",
                 f"file:{self.source.source}", "-map", "0:v", "-map", "1:a:0", "-c:v", "copy",
                 "-c:a", "aac", "-t", f"{self.frames / self.fps:.3f}", f"file:{both}"],
                stdin=subprocess.DEVNULL, capture_output=True, start_new_session=True, check=False)
            if not done.returncode:
                os.replace(both, self.part)
            elif b"matches no streams" not in done.stderr:      # or there is none
                why = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
                self.notes.append(f"{lost}: ffmpeg failed{f' ({why[0]})' * bool(why)}")
        finally:
            both.unlink(missing_ok=True)


def has_sound(path: Path) -> bool:
    """Whether a video file has sound, as its tracks or packets tell; of kinds that are not known
    here it is taken for granted."""
    data = read_ends(path, LOOKED_AT)
    for start, sound in SOUND_OF.items():
        if data.startswith(start):
            return re.search(sound, data, re.DOTALL) is not None
    return bool(SOUND.search(data)) or read_structure(path) is None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what OpenCV and ffmpeg themselves write to stderr."""
    if sys.stderr is None:      # it is closed
        yield
        return
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
