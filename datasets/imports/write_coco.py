"""Imported: annotations of other tools as a COCO keypoints file, with all that it needs.

Each importer of this folder gives `ImportedImage`s and counts in `notes` what it had to
leave out; a file that it cannot use is a BadFile, which is named and left out.
"""
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from datasets.annotations.skeleton import Skeleton
from datasets.crops.image_header import ImageHeader, read_header
from datasets.crops.images import ImageError, read_image
from utils.errors import UserError
from utils.log import bar, log
from utils.oks import AREA_OF_BOX
from utils.outputs import write_output
from utils.shown import counted

PADDING = 0.1       # around the joints of a person without a box, part of their longer side
SMALLEST = 4.0      # pixels of padding, or joints in a line would make a box without size
TAKEN = {"obey": "taken as labelled upright", "ignore": "taken as labelled as stored",
         "": "left to the setting data.exif"}
NOT_LABELLED, HIDDEN, VISIBLE = 0, 1, 2     # COCO's v


class BadFile(UserError):
    """A file, or one image of it, that cannot be imported; one sentence with its name."""


@dataclass(frozen=True)
class ImportedPerson:
    joints: np.ndarray              # (K, 3) float64: x, y in image pixels, and COCO's v
    box: Sequence[float] | None     # xywh, image pixels; None: it is made around the joints
    head_box: Sequence[float] | None = None     # xywh, image pixels, for PCKh
    area: float | None = None       # of the person, pixels squared; None: it goes by the box
    crowd: bool = False             # COCO's iscrowd


@dataclass(frozen=True)
class ImportedImage:
    name: str                       # of the file, relative to the folder of images
    size: tuple[int, int] | None    # (width, height) as the annotations say, None if they do not
    persons: list[ImportedPerson]
    exif: str = "obey"              # what its tool does with an EXIF orientation, or "ignore", ""
    split: str = ""                 # train, val, test or another part of the data set, "": not said
    id: int | None = None           # in the annotations, None: it is numbered


@dataclass
class Notes:
    """What was left out or changed, and why; and the class that is asked for."""
    wanted: str = ""        # name or number of a class, "": all
    classes: Counter[str] = field(default_factory=Counter)      # persons of each that are taken
    remarks: list[str] = field(default_factory=list)            # sentences about the whole
    counts: Counter = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)        # sentences about files
    strangers: Counter[str] = field(default_factory=Counter)    # names of points of no joint

    def leave_out(self, error: Exception) -> None:
        self.bad.append(str(error))

    def usable(self, items: Iterable[Any], read: Callable[[Any], Any]) -> Iterator[Any]:
        """What `read` makes of each item; those that are of no use are named and left out."""
        for item in items:
            try:
                yield read(item)
            except (BadFile, ImageError) as error:
                self.leave_out(error)

    def count(self, what: str, count: int) -> None:
        """Note what was left out or changed, where that is anything."""
        if count:
            self.counts[what] += count

    def remark(self, sentence: str) -> None:
        """Say something about the whole, once."""
        if sentence not in self.remarks:
            self.remarks.append(sentence)

    def takes(self, name: str, *others: str) -> bool:
        """Whether a person of a class is asked for, and count it. name: "" if nothing tells its
        class. others: what the class is called besides."""
        if self.wanted and self.wanted not in (name, *others):
            kind = f"of the class '{name}'" if name else "whose class nothing tells"
            self.counts[f"persons {kind} left out (--class)"] += 1
            return False
        self.classes[name] += 1
        return True

    def leave_out_strangers(self, skeleton: Skeleton) -> None:
        """Count the points of no joint as left out, once all are known."""
        if self.strangers:
            first = ", ".join(f"'{name}'" for name in list(self.strangers)[:3])
            others = len(self.strangers) - 3
            more = f" and {others} more names" if others > 0 else ""
            self.counts[f"points {first}{more} that are no joint of {skeleton.name} left out"] = (
                self.strangers.total())


def is_inside(name: str) -> bool:
    """Whether the name of an image, or one of Windows, stays inside the folder of images."""
    path = PurePosixPath(name.replace("\\", "/"))
    return not (path.is_absolute() or PureWindowsPath(name).drive or ".." in path.parts)


def ends_of(path: PurePath, most: int | None = None) -> list[PurePath]:
    """A path of another machine without more and more of its first folders, at first with `most`
    parts: a/b/c.jpg, b/c.jpg, c.jpg."""
    parts = path.parts[-most:] if most else path.parts
    return [type(path)(*parts[start:]) for start in range(len(parts))]


def empty_joints(skeleton: Skeleton) -> np.ndarray:
    """(K, 3) zeros, to be filled by `place_joint`."""
    return np.zeros((skeleton.num_joints, 3))


def place_joint(joints: np.ndarray, skeleton: Skeleton, name: str, point: tuple[float, float],
                v: int, where: str) -> None:
    """Put in a joint by name. Raises BadFile if it is there already or is not finite."""
    row = joints[skeleton.joint_names.index(name)]
    if row[2]:
        raise BadFile(f"{where} has the joint {name} twice for one person: give the joints of "
                      f"each person a group of their own")
    if not np.isfinite(point).all():
        raise BadFile(f"{where} has the joint {name} at {point}, which is no place: correct it")
    row[:] = *point, v


def write_coco(images: list[ImportedImage], root: Path, skeleton: Skeleton, category: str,
               out: Path, notes: Notes) -> dict[str, Any]:
    """Verify the images in the folder `root` and write the file; returns its content.

    Ids are running numbers in the order of the names. Raises UserError if nothing is left.
    """
    images = sorted(images, key=lambda image: image.name)
    twice = [name for name, count in Counter(i.name for i in images).items() if count > 1]
    if twice:
        raise UserError(f"{len(twice)} images are annotated twice, first {twice[0]}: keep one "
                         f"file for each image, or take one part by --split")
    rows: list[dict] = []
    annotations: list[dict] = []
    proofs, left = Counter[str](), []
    for image, header in zip(images, _verified(images, root, notes), strict=True):
        if header is None:
            continue
        number = len(rows) + 1 if image.id is None else image.id
        size = image.size or header.shown_size(image.exif)
        rows.append({"id": number, "file_name": image.name, "width": size[0], "height": size[1]})
        proofs[header.proven(image.size)] += 1
        if header.leaves_open(size):
            left.append((rows[-1], image.exif))
        alone = sum(one.box is not None or bool(np.any(one.joints[:, 2] > 0))
                    for one in image.persons) == 1
        for person in image.persons:
            found = _annotation(person, size, alone, notes)
            if found:
                annotations.append({"id": len(annotations) + 1, "image_id": number,
                                    "category_id": 1, **found})
    for row, exif in left:      # as the pictures of the same labels whose sizes prove something
        if proofs["ignore"] != proofs["obey"]:
            exif = max(("obey", "ignore"), key=lambda choice: proofs[choice])
        row["exif"] = exif      # "": data.exif decides
        notes.counts[f"pictures with an EXIF orientation that no size settles {TAKEN[exif]}"] += 1
    if not any(row["num_keypoints"] for row in annotations):
        reason = f"; first reason: {notes.bad[0]}" if notes.bad else ""
        raise UserError(f"no person with joints was found for {out}{_counted(notes)}{reason}; "
                         f"give the skeleton and the tool of these labels (--skeleton, --from)")
    content = {
        "info": {"description": f"{category}, imported by SimplePose"},    # first: utils/outputs.py
        "images": rows, "annotations": annotations,
        "categories": [{"id": 1, "name": category, "keypoints": list(skeleton.joint_names),
                        "skeleton": [[a + 1, b + 1] for a, b in skeleton.limbs]}]}
    write_output(out, json.dumps(content).encode(), "--out and --val")
    return content


def _verified(images: list[ImportedImage], root: Path, notes: Notes,
              ) -> Iterator[ImageHeader | None]:
    """The header of each image; None, with a note, for those of no use."""
    def look(image: ImportedImage) -> ImageHeader | Exception:
        if not is_inside(image.name):
            return BadFile(f"the image {image.name} is outside of the folder of images, {root}: "
                           f"correct its name")
        try:
            pixels = read_image(root / image.name, image.size, image.exif)
            header = read_header(root / image.name)
        except (UserError, OSError) as error:
            return error
        size = pixels.shape[1], pixels.shape[0]
        if image.size not in (None, size):
            return BadFile(f"image {root / image.name} has {size[0]}x{size[1]} pixels, but its "
                           f"annotation says {image.size[0]}x{image.size[1]}: its joints would be "
                           f"in the wrong places")
        return header or ImageHeader(size)

    with ThreadPoolExecutor(4) as pool:
        for found in bar(pool.map(look, images), "looking at the images", total=len(images)):
            if isinstance(found, Exception):
                notes.leave_out(found)
            yield None if isinstance(found, Exception) else found


def _annotation(person: ImportedPerson, size: tuple[int, int], alone: bool, notes: Notes,
                ) -> dict | None:
    """The fields of COCO that tell of a person; None, with a note, for one of no use. alone: in
    its picture.

    A box around one joint would say where it is and how large nothing is. What has but one is
    looked for in the whole picture, if it is the only one there.
    """
    labelled = person.joints[:, 2] > 0
    if person.box is None and labelled.sum() == 1:
        if not alone or len(labelled) > 1:
            notes.counts["persons without a box, with one joint, left out: label boxes"] += 1
            return None
        notes.counts["boxes of whole pictures, for one joint has no size"] += 1
        person = replace(person, box=(0, 0, *size))
    if person.box is None and not labelled.any():
        notes.counts["persons without joints and box left out"] += 1
        return None
    if person.box is None:
        notes.counts["boxes made around the joints"] += 1
        box = box_of_joints(person.joints[labelled, :2], size)
    else:
        box = np.asarray(person.box, np.float64)
    if not (np.isfinite(box).all() and min(box[2:]) > 0 and (box[:2] < size).all()
            and (box[:2] + box[2:] > 0).all()):
        notes.counts["persons whose box has no size or is outside their image left out"] += 1
        return None
    notes.count("persons with a box only: not trained on, not judged",
                not labelled.any() and not person.crowd)
    bbox = [round(float(value), 3) for value in box]
    joints = np.where(labelled[:, None], person.joints, 0)
    head = {} if person.head_box is None else {
        "bbox_head": [round(float(value), 3) for value in person.head_box]}
    area = AREA_OF_BOX * bbox[2] * bbox[3] if person.area is None else person.area
    return {"bbox": bbox, **head, "area": round(area, 3), "iscrowd": int(person.crowd),
            "num_keypoints": int(labelled.sum()),
            "keypoints": [round(value, 3) for value in joints.ravel().tolist()]}


def box_of_joints(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(4,) xywh around joints (N, 2), padded and cut to an image of `size` (width, height)."""
    low, high = points.min(axis=0), points.max(axis=0)
    padding = max(PADDING * (high - low).max(), SMALLEST)
    low, high = np.maximum(low - padding, 0), np.minimum(high + padding, size)
    return np.concatenate([low, high - low])


def say(content: dict[str, Any], out: Path, notes: Notes) -> None:
    """The summary of an import."""
    posed = sum(row["num_keypoints"] > 0 for row in content["annotations"])
    log.info("%s: %s with joints in %s%s", out, counted(posed, "person"),
             counted(len(content["images"]), "image"), _counted(notes))
    kinds = [f"{kind or 'none'} ({count})" for kind, count in notes.classes.most_common()]
    if len(notes.classes.keys() - {""}) > 1:
        log.warning("%d classes are mixed, all as %s: %s; take one by --class NAME", len(kinds),
                    content["categories"][0]["name"], ", ".join(kinds[:20]))
    for sentence in notes.remarks:
        log.warning("%s", sentence)
    for sentence in notes.bad[:20]:
        log.warning("left out: %s", sentence)
    if len(notes.bad) > 20:
        log.warning("left out: %d more files", len(notes.bad) - 20)


def _counted(notes: Notes) -> str:
    return "".join(f"; {count} {what}" for what, count in notes.counts.items())
