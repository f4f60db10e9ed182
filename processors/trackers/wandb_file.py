"""An offline file of Weights & Biases: records of protobuf in the log form of LevelDB."""
import struct
from collections.abc import Iterator
from pathlib import Path

BLOCK, HEADER = 32768, 7        # bytes; the file itself begins with as many as each part does
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def parts(content: bytes) -> Iterator[bytes]:
    """The records. What a kill cut off is left out."""
    position, record = HEADER, b""
    while position + HEADER <= len(content):
        left = BLOCK - position % BLOCK
        if left < HEADER:
            position += left
            continue
        length, kind = struct.unpack_from("<HB", content, position + 4)     # behind the checksum
        part = content[position + HEADER:position + HEADER + length]
        if kind not in (FULL, FIRST, MIDDLE, LAST) or len(part) < length:
            return
        record = part if kind in (FULL, FIRST) else record + part
        if kind in (FULL, LAST):
            yield record
        position += HEADER + length


def rows_in(path: Path) -> Iterator[int]:
    """The numbers of the rows that were logged."""
    from wandb.proto.wandb_internal_pb2 import Record
    for part in parts(path.read_bytes()):
        record = Record.FromString(part)
        if record.WhichOneof("record_type") == "history":
            yield record.history.step.num
