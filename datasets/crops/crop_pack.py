"""CropPack: persons cut out of their images beforehand, in one file with an index.

PATH holds the pieces (datasets/crops/crop_bounds.py) one after the other, as JPEG or raw pixels.
PATH.index holds a line of JSON, which tells what the pack was made for, and a record of fixed size
for each piece. Both are only ever appended to (datasets/pack_writer.py), so what an
interruption leaves is the beginning of a pack. Reading is one `readinto`: nothing is mapped, so a
full or failing disk is an error with a name, and memory does not grow.

A pack of training persons has room for their augmentation and is warped once more. That of the
persons to judge has the finished crops, to the last bit what the image would give.
"""
import hashlib
import json
import os
import zlib
from io import FileIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from configs.schema import AugmentConfig
from datasets.annotations.annotated_sets import AnnotatedSet
from datasets.annotations.persons import PersonTable
from datasets.crops.augment import WHOLE
from datasets.crops.images import ImageError, decode
from utils.errors import UserError
from utils.files import open_file, read_file
from utils.geometry import CropGeometry
from utils.json_file import parse_json

VERSION = 3
PIECE = [
    ("key", "<u8"),             # of the person, see person_keys
    ("part", "<i4"),            # WHOLE, UPPER or LOWER
    ("left", "<i4"), ("top", "<i4"), ("width", "<i4"), ("height", "<i4"),   # in the image
    ("stored_width", "<i4"), ("stored_height", "<i4")]
RECORD = np.dtype([
    *PIECE,
    ("crc", "<u4"),             # see `checksum`
    ("offset", "<i8"), ("bytes", "<i8"),    # in the data file; 0 bytes: the image was broken
    ("more", "<i4")])           # records that follow for persons of the same image
PIXELS = {"alignment": "codec.alignment", "exif": "data.exif", "bits": "data.bits"}
OF_FINISHED = PIXELS | {"input_size": "codec.input_size", "opencv": "OpenCV"}    # which warps
TRAIN, VAL = "data.train_pack", "data.val_pack"     # the settings that name a pack
KINDS = {TRAIN: "training crops", VAL: "finished crops of validation"}
ROOM = ("rotation", "scale", "box_jitter", "perspective", "half_body")


class CropPack:
    """A whole pack, checked against what training or validation asks for."""

    def __init__(self, path: str | Path, key: str = TRAIN):
        """key: TRAIN or VAL, the setting that names the pack and says what it has to hold.

        Raises FileNotFoundError or UserError, one sentence, for a pack that cannot be used."""
        self.path, self.key, self.finished = Path(path), key, key == VAL
        self.header, self.records = read_index(self.path, key)
        made, people = int((self.records["part"] == WHOLE).sum()), self.header["persons"]
        if made < people or (people and self.records["more"][-1]):
            raise UserError(f"{self} is not finished, it has {made} of {people} persons: run "
                             f"`python main.py pack` with the same settings, it goes on")
        stated = int(self.records["bytes"].sum())
        size = self.path.stat().st_size
        if size != stated:
            raise UserError(f"{self} is {'cut short' if size < stated else 'damaged'}: it has "
                             f"{size} bytes and should have {stated}; copy or pack it again")
        # where a piece lies in its image: first pixel edge, and image pixels per stored pixel
        self.origins = np.stack([self.records["left"], self.records["top"]], 1).astype(np.float64)
        self.steps = np.stack([self.records["width"] / self.records["stored_width"],
                               self.records["height"] / self.records["stored_height"]], 1)
        self._raw = self.header["pack_format"] == "raw"
        self._checked = np.zeros(len(self.records), bool)
        self._buffer = np.empty(0, np.uint8)
        self._file: FileIO | None = None
        self._process = 0

    def __str__(self) -> str:
        return f"{self.path} ({self.key})"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_file": None}      # open files do not go to other processes

    def check_settings(self, settings: dict[str, Any]) -> None:
        """Raise UserError if `settings` (see pack_settings) ask for more than was packed."""
        made = self.header
        again = "set it back, or pack again under another name"
        for name, key in (OF_FINISHED if self.finished else PIXELS).items():
            if made[name] != settings[name]:
                raise UserError(f"{self} was made with {key} {made[name]}, not {settings[name]}: "
                                f"{again}")
        if self.finished:
            return
        size, asked = made["input_size"], settings["input_size"]
        if asked[0] > size[0] or asked[0] * size[1] != asked[1] * size[0]:
            raise UserError(f"{self} was made for codec.input_size {size}, not {asked}: {again}")
        for name in ROOM:
            if settings["augment"][name] > made["augment"][name]:
                raise UserError(
                    f"{self} has room for augment.{name} {made['augment'][name]:g}, but "
                    f"{settings['augment'][name]:g} is asked for: {again}")

    def rows(self, persons: PersonTable, ann_path: str) -> np.ndarray:
        """Record of each person and part, (N, 3) int32, -1 where a person has no such part.

        Raises UserError if persons are not in the pack: it belongs to other annotations.
        """
        keys = person_keys(persons)
        rows = np.full((len(keys), 3), -1, np.int32)
        for part in range(3):
            mine = np.flatnonzero(self.records["part"] == part)
            mine = mine[np.argsort(self.records["key"][mine], kind="stable")]
            if not len(mine):
                continue
            known = self.records["key"][mine]
            place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
            rows[:, part] = np.where(known[place] == keys, mine[place], -1)
        absent = np.flatnonzero(rows[:, WHOLE] < 0)
        made_from = self.header["ann_path"]
        if 0 < len(absent) == len(keys) and ann_path != made_from:
            raise UserError(f"{self} was made from {made_from}, not from {ann_path}, of whose "
                             f"persons it has none: name the right pack, or make one with `python "
                             f"main.py pack` under another name")
        if len(absent):
            raise UserError(
                f"{ann_path} has changed since {self} was made: {len(absent)} of {len(keys)} "
                f"persons are new or different, first annotation {persons.ids[absent[0]]}; bring "
                f"the old file back or pack again under another name")
        return rows

    def read(self, row: int) -> np.ndarray:
        """Pixels of a piece, (H, W, 3) uint8 RGB, valid until the next call.

        Each process checks a piece when it reads it for the first time. Raises ImageError, also
        for a person whose image was broken when the pack was made.
        """
        record = self.records[row]
        if not record["bytes"]:
            raise ImageError(f"{self} has no pixels of a person whose image was broken when it was "
                             f"made: mend the image and pack again")
        data = self._read_bytes(int(record["offset"]), int(record["bytes"]))
        if not self._checked[row]:
            if checksum(record, data.data) != record["crc"]:
                raise ImageError(f"{self} is damaged at byte {record['offset']}: `python main.py "
                                 f"pack` with the same settings repairs it")
            self._checked[row] = True
        if self._raw:
            return data.reshape(int(record["stored_height"]), int(record["stored_width"]), 3)
        pixels = decode(data)
        if pixels is None:
            raise ImageError(f"{self} has a crop at byte {record['offset']} that is no image")
        return pixels

    def _read_bytes(self, offset: int, size: int) -> np.ndarray:
        """(size,) uint8 in a buffer that is used again."""
        if len(self._buffer) < size:
            self._buffer = np.empty(size + size // 4, np.uint8)
        data = self._buffer[:size]
        try:
            if self._file is None or self._process != os.getpid():  # a position of its own
                self._file, self._process = open(self.path, "rb", buffering=0), os.getpid()
            self._file.seek(offset)
            read = self._file.readinto(data.data)
        except OSError as error:
            raise ImageError(f"{self} cannot be read: {error.strerror}") from error
        if read != size:
            raise ImageError(f"{self} is cut short at byte {offset + (read or 0)}: copy it again")
        return data

    def summary(self) -> str:
        """One line."""
        return (f"{self.path}: {len(self.records)} crops of {self.header['persons']} persons, "
                f"{self.header['pack_format']}, {self.records['bytes'].sum() / 1e6:.1f} MB")


def index_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.index")


def read_index(path: Path, key: str = TRAIN) -> tuple[dict[str, Any], np.ndarray]:
    """Header and records of a pack, whole or not yet; a record that was cut off is left out. key:
    the setting that names it. Raises FileNotFoundError or UserError, also for a pack of the other
    kind."""
    try:
        open_file(path).close()
        line, _, rest = read_file(index_path(path)).partition(b"\n")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{key}: {error.filename} does not exist; make the pack "
                                f"with `python main.py pack`, or correct the path") from None
    except OSError as error:
        raise UserError(f"{key}: {error.filename} cannot be read: {error.strerror}"
                         ) from error
    header = _parse_header(line)
    if header is None:
        raise UserError(f"{index_path(path)} ({key}) is no index of a crop pack of this "
                        f"version, or is damaged: pack again under another name")
    kind = VAL if header.get("finished") else TRAIN
    if kind != key:
        raise UserError(f"{path} ({key}) has {KINDS[kind]}, for {kind}, and not {KINDS[key]}: name "
                        f"the right pack, or make one under another name")
    whole = len(rest) // RECORD.itemsize * RECORD.itemsize
    return header, np.frombuffer(rest[:whole], RECORD)


def header_line(header: dict[str, Any]) -> bytes:
    """First line of an index: the header and its checksum."""
    crc = zlib.crc32(json.dumps(header).encode())
    return json.dumps(header | {"crc": crc}).encode() + b"\n"


def _parse_header(line: bytes) -> dict[str, Any] | None:
    """The header in a line of `header_line`, or None if it is none of this version."""
    try:
        header = parse_json(line)
    except ValueError:
        return None
    if not isinstance(header, dict) or header.get("version") != VERSION:
        return None
    header.pop("crc", None)
    return header if header_line(header) == line + b"\n" else None


def checksum(record: np.void, content: bytes | memoryview) -> int:
    """CRC-32 of a piece and of its stored bytes: a wrong place would put the joints elsewhere."""
    return zlib.crc32(content, zlib.crc32(record.tobytes()[:np.dtype(PIECE).itemsize]))


def pack_settings(geometry: CropGeometry, augment: AugmentConfig | None, part: AnnotatedSet,
                  ) -> dict[str, Any]:
    """What decides about room and resolution of a pack, and about its pixels; augment: None for
    finished crops."""
    pixels = {"input_size": list(geometry.input_size), "alignment": geometry.alignment,
              "exif": "obey" if part.exif == "obey" else "ignore", "bits": part.bits}
    if augment is None:
        return pixels | {"finished": True, "opencv": cv2.__version__}
    room = {name: float(getattr(augment, name)) for name in ROOM}
    room["half_body"] = float(room["half_body"] > 0)        # as often as it likes, once packed
    if not augment.rotation_prob:
        room["rotation"] = 0.0
    return pixels | {"augment": room}


def person_keys(persons: PersonTable) -> np.ndarray:
    """(N,) uint64: hash of all that decides about a person's crops, the same in every order and
    selection of persons."""
    names = [zlib.crc32(f"{name}{exif}".encode()) for name, exif in zip(
        persons.file_names.tolist(), persons.exif.tolist(), strict=True)]
    images = np.column_stack([persons.image_ids, persons.image_sizes, names]).astype(np.int64)
    columns = (images[persons.image_rows], persons.ids[:, None], persons.boxes,
               persons.keypoints.reshape(len(persons), 2 * persons.visibility.shape[1]),
               persons.visibility)
    rows = np.concatenate([np.ascontiguousarray(column).view(np.uint8) for column in columns], 1)
    digests = [hashlib.blake2b(row, digest_size=8).digest() for row in rows]
    return np.frombuffer(b"".join(digests), "<u8")
