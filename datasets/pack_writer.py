"""Pack writer: cut all persons of a data set into a crop pack, with all cores, to be continued.

What is on the disk is always the beginning of the finished pack: pieces in the order of the
persons, first the pixels of an image's persons, then their records.
"""
import json
import os
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch.utils.data import DataLoader, Dataset

from configs.schema import AugmentConfig
from datasets.augment import WHOLE
from datasets.coco import MSCOCO
from datasets.crop_pack import (
    RECORD,
    VERSION,
    CropPack,
    index_path,
    pack_settings,
    person_keys,
    read_index,
)
from datasets.images import ImageError
from datasets.loaders import init_worker
from datasets.room import Piece, pieces
from utils.files import write_atomically
from utils.log import bar, log, on_terminal

QUALITY = 95


class ImagePieces(Dataset):
    """Item r: the pieces of all persons of image r of a data set, as (records, bytes)."""

    def __init__(self, dataset: MSCOCO, augment: AugmentConfig, pack_format: str):
        self.dataset, self.augment, self.raw = dataset, augment, pack_format == "raw"
        self.keys = person_keys(dataset.persons)

    def __len__(self) -> int:
        return len(self.dataset.persons.image_ids)

    def __getitem__(self, row: int) -> tuple[np.ndarray, bytes]:
        """Offsets of the records count from the first byte. Raises ImageError."""
        dataset = self.dataset
        first, last = np.searchsorted(dataset.persons.image_rows, [row, row + 1]).tolist()
        try:
            image = dataset.image(row)
        except ImageError:
            if not dataset.skip_broken:
                raise
            image = None
        records, stored = [], []
        for index in range(first, last):
            for piece in pieces(dataset.subject(index), dataset.skeleton, dataset.input_size,
                                dataset.alignment, self.augment):
                content = b"" if image is None else encode(cut(image, piece), self.raw)
                records.append((self.keys[index], piece.part, piece.left, piece.top, piece.width,
                                piece.height, piece.stored_width, piece.stored_height,
                                zlib.crc32(content), sum(map(len, stored)), len(content), 0))
                stored.append(content)
        records = np.array(records, RECORD)
        records["more"] = np.arange(len(records))[::-1]
        return records, b"".join(stored)


def cut(image: np.ndarray, piece: Piece) -> np.ndarray:
    """Pixels of a piece at its stored size, (H, W, 3) uint8."""
    pixels = image[piece.top:piece.top + piece.height, piece.left:piece.left + piece.width]
    if (piece.width, piece.height) == (piece.stored_width, piece.stored_height):
        return pixels
    return cv2.resize(pixels, (piece.stored_width, piece.stored_height),
                      interpolation=cv2.INTER_AREA)     # the mean of what becomes a pixel


def encode(pixels: np.ndarray, raw: bool) -> bytes:
    """Stored bytes of RGB pixels."""
    if raw:
        return pixels.tobytes()
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    options = (cv2.IMWRITE_JPEG_QUALITY, QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1)
    return cv2.imencode(".jpg", bgr, options)[1].tobytes()


def write_pack(path: Path, dataset: MSCOCO, augment: AugmentConfig, pack_format: str,
               num_workers: int) -> CropPack:
    """Make or finish the pack of a data set, or check a finished one; returns it.

    dataset: of all training persons, without augmentation. Raises ValueError for a file at
    `path` that is something else or a pack of other persons or settings.
    """
    settings = pack_settings(dataset.input_size, dataset.alignment, augment)
    jobs = ImagePieces(dataset, augment, pack_format)
    header = settings | {
        "version": VERSION, "pack_format": pack_format, "persons": len(dataset),
        "digest": f"{zlib.crc32(jobs.keys.tobytes()):08x}",
        "ann_path": " + ".join(str(part.ann_path) for part in dataset.sets)}
    path.parent.mkdir(parents=True, exist_ok=True)
    begun = path.exists() and index_path(path).exists()
    records = _kept(path, header) if begun else _start(path, header)
    done = int((records["part"] == WHOLE).sum())
    if done == len(dataset):
        return CropPack(path)
    if done:
        log.info("going on at person %d of %d in %s", done + 1, len(dataset), path)
    left = range(int(dataset.persons.image_rows[done]), len(jobs))
    loader = DataLoader(jobs, batch_size=None, sampler=left, worker_init_fn=init_worker,
                        num_workers=min(num_workers, len(left)), collate_fn=_as_is)
    with open(path, "ab") as data, open(index_path(path), "ab") as index:
        for number, (new, content) in enumerate(bar(loader, f"packing {path}"), 1):
            new["offset"] += data.tell()
            data.write(content)
            data.flush()
            index.write(new.tobytes())
            index.flush()
            if number % max(len(left) // 10, 1) == 0 and not on_terminal():
                log.info("%d of %d images packed", number, len(left))
        os.fsync(data.fileno())
        os.fsync(index.fileno())
    return CropPack(path)


def _start(path: Path, header: dict[str, Any]) -> np.ndarray:
    """An empty pack. The data file is made first, so an index never stands alone for long."""
    if path.exists() and (path.is_dir() or path.stat().st_size):
        raise ValueError(f"data.train_pack: {path} exists and is no crop pack: name another file")
    path.touch()
    line = json.dumps(header).encode() + b"\n"
    write_atomically(index_path(path), lambda file: file.write(line))
    return np.zeros(0, RECORD)


def _kept(path: Path, header: dict[str, Any]) -> np.ndarray:
    """Records up to the first that is not whole on the disk; both files are cut behind them."""
    made, records = read_index(path)
    differ = [f"{key} {made.get(key)} instead of {value}" for key, value in header.items()
              if key != "ann_path" and made.get(key) != value]
    if differ:
        raise ValueError(f"{path} (data.train_pack) was made with {', '.join(differ)}: delete it, "
                         f"or name another file")
    sound = 0
    with open(path, "rb") as data:
        for record in bar(records, f"checking {path}"):
            content = data.read(int(record["bytes"]))
            if len(content) != record["bytes"] or zlib.crc32(content) != record["crc"]:
                log.warning("%s is damaged or cut short at byte %d; it is made again from there",
                            path, record["offset"])
                break
            sound += 1
    sound = int(np.flatnonzero(records["more"][:sound] == 0).max(initial=-1)) + 1   # whole images
    records = records[:sound]
    _cut_to(path, int(records["bytes"].sum()))
    _cut_to(index_path(path), index_path(path).read_bytes().index(b"\n") + 1 + records.nbytes)
    return records


def _cut_to(path: Path, size: int) -> None:
    if path.stat().st_size > size:
        os.truncate(path, size)


def _as_is(item: tuple) -> tuple:
    return item
