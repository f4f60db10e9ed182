"""Outputs: one rule for every file that a command writes.

It takes the place only of what this project wrote there before, never of an input or of anybody
else's file, and is never written through a link. `ensure_output` asks before the work whether that
holds and whether the place can be written. What is ours is told by how the file begins or ends.
"""
import os
import re
import stat
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from utils.errors import UserError
from utils.files import (
    naming,
    open_to_append,
    read_ends,
    remove_leftovers,
    try_to_write,
    write_atomically,
)

MARK = b"SimplePose"
SPAN = 1 << 16          # bytes of the beginning and of the end that are looked at
WHITE = " \t \t"         # behind the first bracket of our JSON, where readers skip it: COCO's
#                         results look alike whoever wrote them, and have no place for a name
ROW = rb'\[(\s*\]| \t \t\s*\{"image_id": ?-?\d+, ?"category_id": ?-?\d+, ?"%b": ?\[)'
KINDS = {               # what is written: how such a file of ours looks
    "detections": ROW % b"bbox",
    "keypoint results": ROW % b"keypoints",
    "COCO annotations": rb'\{"info": \{"description": "(\\.|[^"\\])*, imported by SimplePose"',
    "results in lines": (rb'\{ \t \t("image": "(\\.|[^"\\])*", "(people|error)"'
                         rb'|"frame": \d+, "seconds"): '),
    "table of results": (rb"image,frame,seconds,person,score,x,y,width,height"
                         rb'(,[^\n]+?_x"?,[^\n]+?_y"?,[^\n]+?_score"?)+\r?\n'),
    "ranked labels": rb"place,oddness,oks,set,image,annotation,",
    "ranked images": rb"place,unsure,people,next,image,",
    "images to label": rb"# images to label next, [^\n]* SimplePose\n",
    "OpenPose file": rb'\{"version": 1\.3, "generator": "SimplePose"',
    "lock": rb'\{"program": "SimplePose", "pid": ',
    "metrics": rb'\{"run": "\d{4}-[^"]*", "model_name": "(\\.|[^"\\])*", "kind": "',
    "picture": rb"(\xff\xd8.{0,64}\xff\xfe..SimplePose|\x89PNG.{12,40}tEXtSoftware\0SimplePose)",
    "video": rb"....ftyp.*freeSimplePose\Z",
    "ONNX file": rb"\x08.*\n\nsimplepose\x12",
    "page": rb'(?i)<!doctype html>.{0,99}<meta name="generator" content="SimplePose">',
    "JSON settings": rb"\{ \t \t\n",
    "safetensors": rb'.{8}\{"__metadata__":\{.*"generator":"SimplePose"',
    "text": rb".*\n(# )?written by SimplePose\n\Z",
    "checkpoint": rb"PK.*simplepose 1"}


def is_ours(path: Path, kind: str) -> bool:
    """Whether the file at `path` is one of the kind, a key of KINDS, that this project wrote."""
    return re.match(KINDS[kind], read_ends(path, SPAN), re.DOTALL) is not None


def ensure_replaceable(path: Path, kind: str, option: str, inputs: Iterable[str | Path] = (),
                       ) -> None:
    """Raise UserError where something lies at `path` that is not to be lost: a folder, one of the
    inputs of the command, a link, or a file that is not of this kind and ours. An empty file is
    free, but for a lock: those of other programs are empty while they hold them.

    option: what names the path, for messages.
    """
    if path.is_dir():
        raise UserError(f"{option}: {path} is a folder; give the path of a file")
    real = os.path.realpath(path)
    if any(real == os.path.realpath(one) for one in inputs):
        raise UserError(f"{option}: {path} would be overwritten, which the command reads: give "
                        f"another name")
    ensure_no_link(path, option)
    if path.exists() and not (path.is_file() and (
            kind != "lock" and not path.stat().st_size or is_ours(path, kind))):
        raise UserError(f"{option}: {path} is there already, and is no file of this project "
                        f"({kind}), so it stays as it is: give another name, or move it away")


def ensure_no_link(path: Path, option: str) -> None:
    """Raise UserError where a link lies at `path`, which would be followed or lost."""
    if path.is_symlink():
        raise UserError(f"{option}: {path} is a link, and nothing is written through links: remove "
                        f"it, or choose another name")


def ensure_not_kept(path: Path, option: str) -> None:
    """Raise UserError for a file of another user in a folder with the sticky bit, such as /tmp:
    there only its owner may replace it."""
    if os.path.lexists(path) and path.parent.stat().st_mode & stat.S_ISVTX and os.geteuid() not in (
            0, path.parent.stat().st_uid, path.lstat().st_uid):
        raise UserError(f"{option}: {path} is another user's, and its folder lets nobody else "
                        f"replace it (sticky bit): choose another folder or name")


def ensure_appendable(path: Path, option: str) -> None:
    """Raise OSError, with place and cure, where no lines can be added to a file that is there."""
    try:
        open_to_append(path).close()
    except OSError as error:
        raise cannot_write(path, option, error) from error


def ensure_apart(paths: Mapping[str, Path]) -> None:
    """Raise UserError where two options, the keys, name one file, in whatever spelling."""
    first: dict[str, str] = {}
    for option, path in paths.items():
        other = first.setdefault(os.path.realpath(path), option)
        if other != option:
            raise UserError(f"{other} and {option} are both {path}: name two files")


def ensure_output(path: Path, kind: str, option: str, inputs: Iterable[str | Path] = ()) -> None:
    """`ensure_replaceable` and `ensure_writable`, asked before the work."""
    ensure_replaceable(path, kind, option, inputs)
    ensure_not_kept(path, option)
    ensure_writable(path, option)


def ensure_outputs(folder: Path, files: Mapping[str, str], option: str) -> None:
    """`ensure_output` for the files of a folder, given as name -> kind."""
    for name, kind in files.items():
        ensure_output(folder / name, kind, option)


def ensure_writable(path: Path, option: str) -> None:
    """Raise OSError, with place and cure, where a file cannot be written at `path`; UserError for
    a link.

    Removes what killed processes left of this output, and tries to write. A folder that is not
    there is made only for that: who writes makes it, and a command that fails leaves none.
    """
    ensure_no_link(path, option)
    made = [folder for folder in path.parents if not folder.exists()]
    ensure_folder(path.parent, option)
    try:
        remove_leftovers(path)
        try_to_write(path)
    except OSError as error:
        raise cannot_write(path, option, error) from error
    finally:
        for folder in made:
            with suppress(OSError):     # another process has begun to write there
                folder.rmdir()


def ensure_folder(folder: Path, option: str) -> None:
    """Make it. Raises OSError with place and cure."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if isinstance(error, FileExistsError | NotADirectoryError):
            there = next(part for part in (folder, *folder.parents) if part.exists())
            raise NotADirectoryError(f"{option}: {there} is a file, and a folder is to be "
                                     f"there: choose another one") from error
        raise cannot_write(folder, option, error) from error


def cannot_write(path: Path, option: str, error: OSError) -> OSError:
    """An OSError of writing as a sentence with place and cure."""
    return type(error)(f"{option}: {path} cannot be written ({error.strerror or error}): make "
                       f"room or permit it, or give another place")


def write_output(path: Path, data: bytes, option: str) -> None:
    """Write a file that `ensure_output` has asked for, whole or not at all; makes its folder.
    Raises OSError with place and cure."""
    ensure_folder(path.parent, option)
    try:
        write_atomically(path, lambda file: file.write(data))
    except OSError as error:
        raise cannot_write(path, option, error) from error


def write_frame(path: Path, picture: bytes, option: str) -> None:
    """Write a frame of a film as a picture that people may label. One that is there and shows the
    same stays; labels may belong to any other, so it is not replaced: raises UserError."""
    ensure_replaceable(path, "picture", option)
    data = marked(picture)
    there = path.read_bytes() if path.is_file() else b""
    if there == data:
        return
    if there:
        raise UserError(f"{option}: {path} is there already and shows another picture, such as the "
                        f"frame of another film, to which labels may belong: give another folder")
    write_output(path, data, option)


def marked_text(text: str) -> bytes:
    """A text of which `is_ours` will know that this project wrote it."""
    return f"{text}\n\nwritten by SimplePose\n".encode()


def marked_json(text: str) -> str:
    """JSON, or its beginning, of which `is_ours` will know that this project wrote it."""
    return text[0] + WHITE + text[1:]


def marked(data: bytes) -> bytes:
    """A JPEG or PNG of which `is_ours` will know that this project made it; the pixels stay."""
    if data[:2] == b"\xff\xd8":     # a comment behind the first segment, JFIF's
        end = 4 + int.from_bytes(data[4:6], "big")
        comment = b"\xff\xfe" + (2 + len(MARK)).to_bytes(2, "big") + MARK
    else:                           # a text behind the first chunk of a PNG, its header
        end = 8 + 12 + int.from_bytes(data[8:12], "big")
        text = b"tEXtSoftware\0" + MARK
        comment = (len(text) - 4).to_bytes(4, "big") + text + zlib.crc32(text).to_bytes(4, "big")
    return data[:end] + comment + data[end:]


def mark_video(path: Path) -> None:
    """Tell in a whole .mp4 that this project made it: a box at its end that players skip."""
    with naming(path), open(path, "ab") as file:
        file.write((8 + len(MARK)).to_bytes(4, "big") + b"free" + MARK)
        file.flush()
        os.fsync(file.fileno())
