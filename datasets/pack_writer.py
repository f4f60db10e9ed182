"""Pack writer: cut all persons of a data set into a crop pack, with all cores, to be continued.

What is on the disk is always the beginning of the finished pack: pieces in the order of the
persons, first the pixels of an image's persons, then their records.
"""
import fcntl
import os
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch.utils.data import Dataset

from configs.schema import AugmentConfig
from datasets.coco import MSCOCO
from datasets.crops.augment import WHOLE
from datasets.crops.crop_bounds import Piece, pieces
from datasets.crops.crop_pack import (
    OF_FINISHED,
    RECORD,
    TRAIN,
    VAL,
    VERSION,
    CropPack,
    checksum,
    header_line,
    index_path,
    pack_settings,
    person_keys,
    read_index,
)
from datasets.crops.images import ImageError
from datasets.crops.warp import view_matrix, warp
from datasets.workers import PARENT_LOOK, Loader, dead_workers_named, init_worker
from utils.errors import UserError
from utils.files import write_atomically
from utils.log import bar, log, on_terminal
from utils.outputs import ensure_folder, ensure_no_link
from utils.rgb import encode_image

QUALITY = 95
MOST_NAMED = 10     # broken images that are named one by one


class ImagePieces(Dataset):
    """Item r: the pieces of all persons of image r of a data set, as (records, bytes, problem);
    problem: why there are no pixels, or empty. augment: None for finished crops, one a person."""

    def __init__(self, dataset: MSCOCO, augment: AugmentConfig | None, pack_format: str):
        self.dataset, self.augment, self.raw = dataset, augment, pack_format == "raw"
        self.keys = person_keys(dataset.persons)

    def __len__(self) -> int:
        return len(self.dataset.persons.image_ids)

    def __getitem__(self, row: int) -> tuple[np.ndarray, bytes, str]:
        """Offsets of the records count from the first byte. Raises ImageError, unless the data
        set skips broken images."""
        dataset = self.dataset
        first, last = np.searchsorted(dataset.persons.image_rows, [row, row + 1]).tolist()
        image, problem = self._read(row)
        rows, stored = [], list[bytes]()
        for index in range(first, last):
            for piece in self._pieces(index):
                content = b"" if image is None else encode(self._pixels(image, index, piece),
                                                           self.raw)
                rows.append((self.keys[index], piece.part, piece.left, piece.top, piece.width,
                             piece.height, piece.stored_width, piece.stored_height,
                             0, sum(map(len, stored)), len(content), 0))
                stored.append(content)
        records = np.array(rows, RECORD)
        records["more"] = np.arange(len(records))[::-1]
        records["crc"] = list(map(checksum, records, stored))
        return records, b"".join(stored), problem

    def _pieces(self, index: int) -> list[Piece]:
        """What is stored of a person. A finished crop counts as its own whole image, without width
        and height where there is no file: such persons are not judged at all."""
        dataset = self.dataset
        if self.augment:
            return pieces(dataset.subject(index), dataset.skeleton, dataset.geometry, self.augment)
        size = dataset.geometry.input_size
        seen = size if dataset.image_path(index).is_file() else (0, 0)
        return [Piece(0, 0, *seen, *size, WHOLE)]

    def _pixels(self, image: np.ndarray, index: int, piece: Piece) -> np.ndarray:
        if self.augment:
            return cut(image, piece)
        view, geometry = self.dataset.subject(index).view, self.dataset.geometry
        return warp(image, view_matrix(view, geometry), geometry.input_size)

    def _read(self, row: int) -> tuple[np.ndarray | None, str]:
        """An image, or None and what is wrong with it."""
        try:
            return self.dataset.image(row), ""
        except ImageError as error:
            if not self.dataset.skip_broken:
                raise
            return None, str(error)

    def mended(self, index: int) -> bool:
        """Whether the image of person `index`, broken when it was packed, can be read now."""
        return self._read(int(self.dataset.persons.image_rows[index]))[0] is not None


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
    return encode_image(pixels, quality=QUALITY, smallest=True)


def write_pack(path: Path, dataset: MSCOCO, augment: AugmentConfig | None, pack_format: str,
               num_workers: int) -> CropPack:
    """Make or go on with the pack of a data set, or check a whole one; returns it.

    dataset: of all persons, without augmentation. augment: what to leave room for, or None for the
    finished crops of a validation set. Raises UserError for a file at `path` that is something
    else or a pack of other persons or settings.
    """
    key = TRAIN if augment else VAL
    settings = pack_settings(dataset.geometry, augment, dataset.sets[0])
    images = ImagePieces(dataset, augment, pack_format)
    header = settings | {
        "version": VERSION, "pack_format": pack_format, "persons": len(dataset),
        "digest": f"{zlib.crc32(images.keys.tobytes()):08x}",
        "ann_path": dataset.ann_paths()}
    ensure_folder(path.parent, key)
    with _held(path, key):
        records = (_kept(path, key, header, images) if path.stat().st_size
                   else _start(path, key, header))
        done = int((records["part"] == WHOLE).sum())
        if done < len(dataset):
            if done:
                log.info("going on at person %d of %d in %s", done + 1, len(dataset), path)
            _append(path, images, int(dataset.persons.image_rows[done]), num_workers)
        return CropPack(path, key)


@contextmanager
def _held(path: Path, key: str) -> Iterator[None]:
    """Keep other processes that want to write this pack away; makes the file if there is none.

    A killed writer's workers hold the lock until they notice (datasets/workers.py), so the next
    one tries for a little longer. Raises UserError if it is in vain.
    """
    index = index_path(path)
    for one in (path, index):
        ensure_no_link(one, key)
        if one.exists() and not one.is_file():      # a pipe would be waited for
            raise UserError(f"{key}: {one} is no file, but a folder, a device or a pipe: name a "
                            f"file")
    is_new, index_is_new = not path.exists(), not index.exists()
    handle = os.open(path, os.O_RDONLY | os.O_CREAT, 0o666)
    try:
        last = time.monotonic() + 3 * PARENT_LOOK
        while not _locked(handle, path):
            if time.monotonic() > last:
                raise UserError(f"{key}: another process is packing {path}: wait for it, or name "
                                f"another file")
            time.sleep(0.1)
        try:
            yield
        except BaseException:       # a full disk, or a signal: no file that holds nothing is left
            if is_new and not os.fstat(handle).st_size:
                path.unlink()
                if index_is_new:
                    index.unlink(missing_ok=True)
            raise
    finally:
        os.close(handle)


def _locked(handle: int, path: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        log.warning("%s cannot be locked (%s): see to it that nobody else packs it meanwhile",
                    path, error.strerror)
    return True


@dead_workers_named("the same command packs on from where it was")
def _append(path: Path, images: ImagePieces, first: int, num_workers: int) -> None:
    """Pack the images from row `first` on."""
    left = range(first, len(images))
    loader = Loader(images, batch_size=None, sampler=left, worker_init_fn=init_worker,
                    num_workers=min(num_workers, len(left)), collate_fn=_as_is)
    broken = 0
    with open(path, "ab") as data, open(index_path(path), "ab") as index:
        for number, (new, content, problem) in enumerate(bar(loader, f"packing {path}"), 1):
            new["offset"] += data.tell()
            data.write(content)
            data.flush()
            index.write(new.tobytes())
            index.flush()
            broken += bool(problem)
            if problem and broken <= MOST_NAMED:
                log.warning("left out: %s", problem)
            if number % max(len(left) // 10, 1) == 0 and not on_terminal():
                log.info("%d of %d images packed", number, len(left))
        os.fsync(data.fileno())
        os.fsync(index.fileno())
    if broken > MOST_NAMED:
        log.warning("left out: %d images in all", broken)


def _start(path: Path, key: str, header: dict[str, Any]) -> np.ndarray:
    """An empty pack, in an empty file that is there. An index may be left of a pack that was
    deleted."""
    if index_path(path).exists() and index_path(path).stat().st_size:
        read_index(path, key)       # raises UserError where it is another's
    write_atomically(index_path(path), lambda file: file.write(header_line(header)))
    return np.zeros(0, RECORD)


def _kept(path: Path, key: str, header: dict[str, Any], images: ImagePieces) -> np.ndarray:
    """Records up to the first that has to be made again; both files are cut behind them.

    That is one that is not whole on the disk, or whose image was broken and no longer is.
    """
    if not index_path(path).exists():
        raise UserError(f"{key}: {path} exists and is no crop pack: name another file")
    made, records = read_index(path, key)
    differ = _differences(made, header)
    if differ:
        raise UserError(f"{path} ({key}) was made with {', '.join(differ)}: delete it, or name "
                        f"another file")
    persons = np.cumsum(records["part"] == WHOLE) - 1       # of each record
    sound = 0
    with open(path, "rb") as data:
        for record, person in zip(bar(records, f"checking {path}"), persons, strict=True):
            offset, content = data.tell(), data.read(int(record["bytes"]))
            if (offset, len(content), checksum(record, content)) != (
                    record["offset"], record["bytes"], record["crc"]):
                log.warning("%s is damaged or cut short at byte %d; it is made again from there",
                            path, offset)
                break
            if not content and images.mended(int(person)):
                log.info("%s is whole now; %s is made again from there",
                         images.dataset.image_path(int(person)), path)
                break
            sound += 1
    sound = int(np.flatnonzero(records["more"][:sound] == 0).max(initial=-1)) + 1   # whole images
    records = records[:sound]
    _cut_to(path, int(records["bytes"].sum()))
    _cut_to(index_path(path), index_path(path).read_bytes().index(b"\n") + 1 + records.nbytes)
    return records


def _differences(made: dict[str, Any], asked: dict[str, Any]) -> list[str]:
    """What a pack was made with, in words, where something else is asked for."""
    keys = {"pack_format": "data.pack_format"} | OF_FINISHED
    differ = [f"{key} {made[name]} instead of {asked[name]}" for name, key in keys.items()
              if name in asked and made[name] != asked[name]]
    differ += [f"augment.{name} {made['augment'][name]:g} instead of {value:g}"
               for name, value in asked.get("augment", {}).items()
               if made["augment"][name] != value]
    if not differ and made["digest"] != asked["digest"]:    # the alignment changes boxes, too
        differ.append(f"other annotations ({made['persons']} persons of {made['ann_path']}, not "
                      f"the {asked['persons']} of {asked['ann_path']} as it is now)")
    return differ


def _cut_to(path: Path, size: int) -> None:
    if path.stat().st_size > size:
        os.truncate(path, size)


def _as_is(item: Any) -> Any:
    return item
