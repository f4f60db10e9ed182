"""Grouping: which images validate, so that no film and no folder is on both sides.

Frames of a film are nearly the same picture; a network that has seen one of them is judged too well
by the next. A film is told by its folder and by the names of its frames without their last number.
"""
import re
from collections import defaultdict
from pathlib import PurePosixPath
from zlib import crc32

from datasets.imports.write_coco import ImportedImage
from datasets.imports.yolo_tree import split_of
from utils.errors import UserError

PART = 0.15                 # of all people validate
LEAST, MOST = 0.1, 0.2      # whole films are taken if they come to this
MOST_OF_FEW = 0.34          # or a single one, where there are few: a third at most
COPY = re.compile(r"[_.](jpe?g|png)\.rf\.\w+$", re.IGNORECASE)      # Roboflow's copies of an image
LAST_NUMBER = re.compile(r"\d+(?=\D*$)")

Images = list[ImportedImage]


def divide(images: Images, source: str) -> tuple[Images, Images, str]:
    """Training images, validation images, and in words how they were told apart.

    Raises UserError if there are too few to keep some.
    """
    train, val, test = ([image for image in images if split_of(image.split) == name]
                        for name in ("train", "val", "test"))
    if people(train) and people(val):
        return train, val, f"as the labels divide them{_aside(len(images) - len(train + val))}"
    if len(test) < len(images):     # what is to test at the end is kept for it
        images = [image for image in images if split_of(image.split) != "test"]
    aside = _aside(len(test) * (split_of(images[0].split) != "test")) if images else ""
    if sum(people([image]) > 0 for image in images) < 2:
        raise UserError(f"{source} shows people with joints in fewer than two images, and one is "
                        f"needed to learn from and another one to judge by: label more, or say by "
                        f"--from and --skeleton how the labels are to be read")
    films = defaultdict(list)
    for image in sorted(images, key=lambda image: _in_order(image.name)):
        films[film_of(image.name)].append(image)
    chosen = _whole(films, people(images))
    if chosen:
        train = [image for film in films.keys() - chosen for image in films[film]]
        words = (f"{len(chosen)} of {len(films)} films or folders" if len(films) < len(images) else
                 f"{len(chosen)} of {len(films)} pictures")
        val = [image for film in chosen for image in films[film]]
        return train, val, f"{words}, drawn by lot{aside}"
    train, val = [], []
    for some in films.values():
        kept = _cut(some)
        train, val = train + some[:kept], val + some[kept:]
    where = "the end of each film or folder, of which none could be spared"
    if len(films) == 1 or not people(train) or not people(val):
        some = [image for film in films.values() for image in film]
        kept = _cut(some)
        train, val, where = some[:kept], some[kept:], "the last ones by their names"
    return train, val, (f"{where}; a film or a day of its own, in another folder, would judge more "
                        f"strictly{aside}")


def _aside(count: int) -> str:
    return f"; {count} images of other parts, such as test, are in neither file" if count else ""


def people(images: Images) -> int:
    """How many have a labelled joint."""
    return sum(bool((person.joints[:, 2] > 0).any()) for image in images
               for person in image.persons)


def film_of(name: str) -> str:
    """What the frames of a film have in common, and the copies of an image."""
    path = PurePosixPath(name)
    stem = COPY.sub("", path.name.removesuffix(path.suffix))
    return f"{path.parent}/{LAST_NUMBER.sub('', stem)}"


def _in_order(name: str) -> str:
    """A name with its numbers so long that 9 comes before 10, and its film first."""
    return f"{film_of(name)}/" + re.sub(r"\d+", lambda found: found[0].zfill(20), name)


def _whole(films: dict[str, Images], total: int) -> set[str]:
    """Films that have about PART of the people; none if none fit."""
    counts = {film: people(some) for film, some in films.items()}
    chosen: set[str] = set()
    found = 0
    for film in sorted(films, key=lambda film: (crc32(film.encode()), film)):
        if found < LEAST * total and found + counts[film] <= MOST * total:
            chosen.add(film)
            found += counts[film]
    if found >= LEAST * total:
        return chosen
    film = min(films, key=lambda film: (abs(counts[film] - PART * total), film))
    return {film} if LEAST * total <= counts[film] <= MOST_OF_FEW * total else set()


def _cut(images: Images) -> int:
    """How many of them train: those with all but PART of the people. At least one with people stays
    on either side, where there are two."""
    found, total = 0, people(images)
    for place in range(len(images) - 1, 0, -1):
        found += people([images[place]])
        if PART * total <= found < total:
            return place
    return len(images)
