"""Videos for tests: written by OpenCV, and their time stamps changed in the bytes of an .mp4."""
import struct
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT, FPS = 96, 64, 12.5


def write_video(path: Path, frames: int = 20, codec: str = "mp4v", fps: float = FPS) -> Path:
    """Each frame is 12 brighter than the one before."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, (WIDTH, HEIGHT))
    for i in range(frames):
        writer.write(np.full((HEIGHT, WIDTH, 3), 12 * i % 256, np.uint8))
    writer.release()
    return path


def set_durations(path: Path, durations: list[tuple[int, float]]) -> None:
    """Give an .mp4 of OpenCV runs of (frames, seconds each) in the place of its constant rate, as
    a phone would have written it."""
    data = path.read_bytes()
    scale = int.from_bytes(data[(at := data.index(b"mdhd")) + 16:at + 20], "big")
    body = struct.pack(">II", 0, len(durations)) + b"".join(
        struct.pack(">II", count, round(seconds * scale)) for count, seconds in durations)
    new = struct.pack(">I", 8 + len(body)) + b"stts" + body
    place = data.index(b"stts") - 4
    size = int.from_bytes(data[place:place + 4], "big")
    assert data.index(b"mdat") < place      # so that no frame moves
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):      # all around it
        at = data.index(kind) - 4
        grown = int.from_bytes(data[at:at + 4], "big") + len(new) - size
        data = data[:at] + struct.pack(">I", grown) + data[at + 4:]
    data = data[:place] + new + data[place + size:]
    total = round(sum(count * seconds for count, seconds in durations) * scale)
    at = data.index(b"mdhd") + 20
    data = data[:at] + struct.pack(">I", total) + data[at + 4:]
    at = data.find(b"elst")
    if at >= 0:     # the edit list cuts to the length it says, in the unit of the whole file
        unit = int.from_bytes(data[(m := data.index(b"mvhd")) + 16:m + 20], "big")
        data = data[:at + 12] + struct.pack(">I", round(total / scale * unit)) + data[at + 16:]
    path.write_bytes(data)


def played(path: Path) -> list[np.ndarray]:
    capture, frames = cv2.VideoCapture(str(path)), []
    while (frame := capture.read())[0]:
        frames.append(frame[1])
    return frames
