"""Image files: their endings, and from a list of names to the files that are not there."""
import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")     # looked for in folders


def missing_files(root: str | Path, names: Iterable[str], alike: Callable[[str], str] = str,
                  ) -> list[str]:
    """Those of `names` (relative to `root`, "folder/file.jpg" too) that do not exist.

    Lists every folder once instead of asking for every file, which takes minutes on a network
    disk. alike: gives the same for file names that count as the same.
    """
    listed: dict[str, set[str]] = {}
    missing = []
    for name in names:
        folder, file_name = os.path.split(name)
        if folder not in listed:
            listed[folder] = set(map(alike, entries_of(os.path.join(root, folder))))
        if alike(file_name) not in listed[folder]:
            missing.append(name)
    return missing


def spelled_otherwise(root: str | Path, missing: Sequence[str]) -> str:
    """Why names of `missing_files` may be missing, as the end of a sentence's part; "" if no
    other spelling of them is there."""
    for words, change, alike in SPELLINGS:
        changed = [change(name) for name in missing]
        count = len(missing) - len(missing_files(root, changed, alike))
        if count:
            there = "they are" if count == len(missing) else f"{count} of them are"
            return f"; {there} there {words}"
    return ""


def _bare(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _letters(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


SPELLINGS: tuple[tuple[str, Callable[[str], str], Callable[[str], str]], ...] = (
    ("with / in the place of \\", lambda name: name.replace("\\", "/"), str),
    ("without the folder in file_name", _bare, str),
    ("with letters written in another Unicode form (NFC, NFD)",
     str, lambda name: unicodedata.normalize("NFC", name)),
    ("in another case, such as .JPG for .jpg", str, _letters),
    ("without the folder in file_name, and in another case or Unicode form", _bare, _letters))


def entries_of(folder: str) -> dict[str, os.DirEntry]:
    """What is in a folder, by name; nothing where there is no such folder."""
    try:
        return {entry.name: entry for entry in os.scandir(folder)}
    except PermissionError:
        raise
    except (OSError, ValueError):       # not there, a name of another system, or too long
        return {}
