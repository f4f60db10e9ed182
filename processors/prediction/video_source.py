"""Video: the frames of a file, a stream or a camera, each with the time at which it is shown."""
import os
import re
import stat
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import cv2
import numpy as np

from datasets.crops.image_files import SUFFIXES
from processors.prediction.frame import Frame
from processors.prediction.overlap import LARGEST
from utils.errors import UserError
from utils.files import read_ends

USUAL_FPS = 25.0        # of a video or camera that does not say
FASTEST = 120.0         # frames/s that a file is believed to have without seeing them
MOST = 1e9              # frames of a video; some files state nonsense
LONGEST_PAUSE = 600.0   # seconds between two frames; a longer one is a damaged time stamp
MP4 = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")     # boxes that begin one
LOOKED_AT = 4 << 20     # bytes at both ends of a file in which its tracks are described
AVI, MATROSKA = b"RIFF", b"\x1aE\xdf\xa3"
SEGMENT = b"\x18\x53\x80\x67"       # of Matroska and WebM: the element that all frames are in

# What is wrong with a file stands in our own sentences; -8 is ffmpeg's word for silence
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


class Video:
    """A video file, a stream by its address, or a camera by its number or device; read once, from
    its beginning.

    seconds of a frame: of a file or stream those of its time stamps, since many phones and screen
    recorders have no constant rate. A stamp that does not rise is replaced by the time before and
    1/fps, and `notes` says how many. Of a camera: when the picture came.
    """
    is_video = is_timed = True
    every = 0       # see `thin_out`

    def __init__(self, source: str, name: str = ""):
        """name: what the video is called that is made of it, without its suffix. Raises UserError
        for what OpenCV cannot open, or has no picture."""
        self.is_camera, self.is_stream = is_camera(source), is_address(source)
        self.source, self.name = without_password(source), name or _name(source)
        live = self.is_camera or (self.is_stream and not source.lower().startswith("http"))
        self.capture = cv2.VideoCapture(int(source) if source.isdigit() and self.is_camera
                                        else source)
        self.ahead = self._read() if self.capture.isOpened() else None
        if self.ahead is None:
            raise UserError(self._refusal())
        large = 0 if self.ahead[1] is None else self.ahead[1].nbytes
        # a live picture is to be shown soon
        self.at_once = 1 if live else max(1, min(8, LARGEST // max(large, 1)))
        fps = self.capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps <= 1000 else USUAL_FPS
        self.stated = 0 if live else _stated(self.capture)
        self.shortest, self.guessed, self.done = 0.0, 0, 0
        self.seconds = 0.0
        self.mirrored = not (self.is_camera or self.is_stream) and _is_mirrored(Path(source))
        self.is_turned = self.capture.get(cv2.CAP_PROP_ORIENTATION_META) % 180 == 90

    def __len__(self) -> int:
        """About how many frames there are; 0 if that is not known. Of most kinds of files OpenCV
        works it out from their length, sound and pauses included."""
        return -(-self.stated // (self.every or 1))

    def thin_out(self, every: int) -> None:
        """Give frames 0, every, 2 every, ... only, each with the name of a picture. They may be too
        far apart to tell who is who."""
        self.every, self.is_timed = every, False

    @property
    def rate(self) -> float:
        """Frames a second that show it as it is: those stated, or more if the first frames came
        faster."""
        seen = 1 / self.shortest if self.shortest else self.fps
        return self.fps if self.is_camera or seen / 1.25 < self.fps <= FASTEST else min(
            seen, FASTEST)

    def _read(self) -> tuple[bool, np.ndarray | None, float] | None:
        """Whether the next frame could be read, the frame, its time stamp; None at the end."""
        if not self.capture.grab():
            return None
        stamp = self.capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        return *self.capture.retrieve(), stamp

    def __iter__(self) -> Iterator[Frame]:
        start, first = time.monotonic(), self.ahead[2] if self.ahead else 0.0
        while self.ahead is not None:
            done, pixels, stamp = self.ahead
            number = self.done
            if self.is_camera:
                self.seconds = time.monotonic() - start
            elif number:
                self._advance(stamp - first)
            name = f"{Path(self.name).name}_{number:06d}.jpg" if self.every else ""
            if number % (self.every or 1):
                pass
            elif done and pixels is not None and pixels.size:
                if self.mirrored:       # OpenCV has done the rotation only
                    pixels = cv2.flip(pixels, int(self.is_turned))
                yield Frame(number, self.seconds, name, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
            else:
                yield Frame(number, self.seconds, name, None, f"frame {number} cannot be decoded")
            self.done += 1
            self.ahead = self._read()

    def _advance(self, seconds: float) -> None:
        """To the time of the next frame."""
        step = seconds - self.seconds
        if 0 < step <= LONGEST_PAUSE:
            self.seconds = seconds
            if self.done < self.at_once:    # those that are there before the first is written
                self.shortest = min(step, self.shortest or step)
        else:
            self.seconds += 1 / self.fps
            self.guessed += 1

    def notes(self) -> list[str]:
        """Sentences on what is not as it should be, as far as it was read."""
        found = []
        if self.guessed:
            found.append(f"{self.source}: {self.guessed} of {self.done} frames have no rising time "
                         f"stamp, so their times are counted by {self.fps:g} frames/s")
        shape = [self.capture.get(side) for side in (cv2.CAP_PROP_SAR_NUM, cv2.CAP_PROP_SAR_DEN)]
        if min(shape) > 0 and shape[0] != shape[1]:
            found.append(f"{self.source} has pixels that are {shape[0]:g}:{shape[1]:g} wide and not"
                         f" square: they are taken as square, and people look too wide or narrow")
        if self.ahead is not None or self.is_camera or self.is_stream:
            return found
        missing, counted = read_structure(Path(self.source)) or (0, False)
        if missing:
            found.append(f"{self.source} was cut off: it lacks its last {missing} bytes, and ends "
                         f"at frame {self.done}, {self.seconds:.1f} s; copy it again")
        elif counted and self.done < self.stated:
            found.append(f"{self.source} counts {self.stated} frames and gave {self.done}: the "
                         f"others are damaged, or were trimmed away without being removed")
        return found

    def _refusal(self) -> str:
        if self.is_camera:
            return f"there is no camera {self.source} that OpenCV can open: give another number"
        if self.is_stream:
            return (f"{self.source} gives no pictures that OpenCV can read: correct the address, "
                    f"or see that it can be reached from here")
        if not os.path.getsize(self.source):
            return f"{self.source} is empty: copy it again"
        return (f"{self.source} is no image ({', '.join(SUFFIXES)}) and no video that OpenCV can "
                f"read, or has sound only: copy it again or convert it")


def stated_frames(path: str | Path) -> int:
    """About how many frames a video file has, as OpenCV tells; 0 if it cannot be read."""
    capture = cv2.VideoCapture(str(path))
    count = _stated(capture) if capture.isOpened() else 0
    capture.release()
    return count


def _stated(capture: cv2.VideoCapture) -> int:
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return int(count) if 0 < count < MOST else 0


def is_camera(source: str) -> bool:
    """A camera's number, or its device such as /dev/video0 or /dev/v4l/by-id/...."""
    path = Path(source)
    if not path.exists():
        return source.isascii() and source.isdigit()
    return (stat.S_ISCHR(path.stat().st_mode)
            and os.path.realpath(path).startswith("/dev/video"))


def is_address(source: str) -> bool:
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", source) is not None


def without_password(source: str) -> str:
    """An address as it can be shown: without name and password of a user."""
    return re.sub(r"^([A-Za-z0-9+.-]+://)[^/@]*@", r"\1", source)


def _name(source: str) -> str:
    if is_address(source):
        parts = urlsplit(source)
        return re.sub(r"[^\w.-]+", "_", Path(parts.path).stem or parts.hostname or "stream")
    return f"camera{source}" if source.isdigit() and is_camera(source) else Path(source).stem


def _is_mirrored(path: Path) -> bool:
    """Whether the matrix of a track of an MP4 or MOV file mirrors it, as of some front cameras."""
    data = read_ends(path, LOOKED_AT)
    for found in re.finditer(b"tkhd([\0\1])", data) if data[4:8] in MP4 else ():
        at = found.end() + (51 if found[1] == b"\1" else 39)
        a, b, _, c, d = struct.unpack(">5i", data[at:at + 20].ljust(20, b"\0"))
        if a * d < b * c:
            return True
    return False


def read_structure(path: Path) -> tuple[int, bool] | None:
    """How many bytes a file lacks that it says it has, which tells that it was cut off, and
    whether the number of frames that OpenCV tells is counted there, not worked out.

    Known of MP4 and MOV, of AVI, and of Matroska and WebM; None of others.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(12)
        if head[4:8] in MP4:
            return max(_end_of_boxes(file, size) - size, 0), True
        if head[:4] == AVI:
            stated = int.from_bytes(head[4:8], "little")
            return max(8 + stated - size, 0) if stated < 0xFFFFFFFF else 0, False
        if head[:4] == MATROSKA:
            file.seek(4)
            header = _ebml_size(file)
            file.seek(header or 0, os.SEEK_CUR)
            segment = _ebml_size(file) if file.read(4) == SEGMENT else None
            return max(file.tell() + segment - size, 0) if segment is not None else 0, False
    return None


def _end_of_boxes(file: BinaryIO, size: int) -> int:
    """Where the last box of an MP4 file ends, as it says. ISO/IEC 14496-12."""
    end = 0
    while end + 8 <= size:
        file.seek(end)
        length, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        if length == 1:
            length = int.from_bytes(file.read(8), "big")
        if length < 8 or not kind.isalnum():    # up to the end of the file, or no box
            break
        end += length
    return end


def _ebml_size(file: BinaryIO) -> int | None:
    """A number of RFC 8794: the zeros before its first one tell its bytes; None: unknown size."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    number = int.from_bytes(bytes([first[0]]) + file.read(more), "big") & (1 << 7 * (more + 1)) - 1
    return None if number == (1 << 7 * (more + 1)) - 1 else number
