"""Label Studio: the JSON of a project, whose keypoints are joints.

A task is a picture. Keypoints and rectangles are regions with places in percent; keypoints belong
to the rectangle that is their parent or that a relation ties them to, or by where they lie
(datasets/imports/joining.py). The label of the rectangle is the class. Nothing tells of hidden
joints. Predictions are no labels; of several annotations of a task the newest counts.
"""
import re
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from datasets.annotations.joint_names import own_name
from datasets.annotations.other_tools import hint_at
from datasets.annotations.skeleton import Skeleton
from datasets.crops.image_files import HEIF, SUFFIXES
from datasets.imports.joining import Drawing
from datasets.imports.write_coco import (
    VISIBLE,
    BadFile,
    ImportedImage,
    Notes,
    ends_of,
    is_inside,
)
from utils.errors import UserError
from utils.json_file import read_json

POINT, BOX = "keypointlabels", "rectanglelabels"
UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")     # before the names of files that were uploaded
MOST = 1.005        # of the picture's size; a box that reaches farther is none


def read_label_studio(source: Path, skeleton: Skeleton, root: Path | None, notes: Notes,
                      ) -> tuple[list[ImportedImage], Path]:
    """All labelled pictures of a file, and the folder that their names start from: `root`, or
    "images" beside the file, or its own. Raises UserError."""
    beside = source.parent / "images"
    root = root or (beside if beside.is_dir() else source.parent)
    found = notes.usable(read_tasks(source), lambda task: _image(
        task, f"{source}, task {task.get('id', '?')}", skeleton, root, notes))
    images = [image for image in found if image]
    notes.leave_out_strangers(skeleton)
    return images, root


def read_tasks(source: Path) -> list[dict[str, Any]]:
    """Raises UserError if the file is something else."""
    tasks = read_json(source)
    if not (isinstance(tasks, list) and tasks and all(
            isinstance(task, dict) and isinstance(task.get("data"), dict) for task in tasks)):
        hint = hint_at(source, "Label Studio") or ": export the project as JSON, not as JSON-MIN"
        raise UserError(f"{source} is no file of Label Studio{hint}")
    return tasks


def regions_of(task: dict[str, Any]) -> list[dict[str, Any]] | None:
    """What is drawn on a picture, by the newest annotation that was not cancelled; None if there is
    none."""
    listed = task.get("annotations") or task.get("completions")
    drawn = [one for one in listed if isinstance(one, dict) and not one.get("was_cancelled")
             and isinstance(one.get("result"), list)] if isinstance(listed, list) else []
    newest = max(drawn, key=lambda one: str(one.get("updated_at") or ""), default=None)
    return None if newest is None else [one for one in newest["result"] if isinstance(one, dict)]


def label_of(region: dict[str, Any], kind: str) -> str:
    """The label of a region of a kind, "" for one of another kind."""
    value = region.get("value")
    names = value.get(kind) if isinstance(value, dict) and region.get("type") == kind else None
    return str(names[0]) if isinstance(names, list) and names else ""


def _image(task: dict[str, Any], where: str, skeleton: Skeleton, root: Path, notes: Notes,
           ) -> ImportedImage | None:
    regions = regions_of(task)
    if regions is None:
        notes.count("tasks without an annotation, or that were skipped, left out", 1)
        return None
    notes.count("tasks with several annotations, of which the newest counts", sum(
        isinstance(one, dict) and not one.get("was_cancelled")
        for one in task.get("annotations") or ()) > 1)
    drawing, groups, size = Drawing(skeleton, where, notes), _groups(regions), None
    for region in regions:
        point, box = label_of(region, POINT), label_of(region, BOX)
        if not point and not box:
            notes.count(f"regions of the kind {region.get('type')} left out",
                        region.get("type") != "relation")
            continue
        place, size = _place(region, where)
        group = groups.get(str(region.get("id")))
        joint = own_name(point, skeleton.joint_names)
        if not np.isfinite(place).all():    # as sleap-io writes what is not labelled
            notes.count("regions without a place left out", 1)
        elif box and (place[:, 0] > size[0] * MOST).any() | (place[:, 1] > size[1] * MOST).any():
            notes.count("boxes that reach out of their picture left out", 1)
        elif box:
            drawing.box(place, box, group)
        elif joint:
            drawing.joint(joint, (float(place[0, 0]), float(place[0, 1])), VISIBLE, group)
        else:
            notes.strangers[point] += 1
    return ImportedImage(_name(task, root, where), size, drawing.persons())


def _place(region: dict[str, Any], where: str) -> tuple[np.ndarray, tuple[int, int]]:
    """The corners (4, 2) of a region in pixels, the first alone of a keypoint, and the (width,
    height) of the picture. Raises BadFile."""
    value = region["value"]
    if region.get("image_rotation"):
        raise BadFile(f"{where} is turned in Label Studio, and its places with it: turn it back")
    try:
        size = int(region["original_width"]), int(region["original_height"])
        at = np.array([float(value["x"]), float(value["y"])]) * size / 100
        reach = np.array([float(value.get(side) or 0) for side in ("width", "height")]) * size / 100
        turn = np.radians(float(value.get("rotation") or 0))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BadFile(f"{where} has a region without numbers for its place and the size of the "
                      f"picture: export it again") from error
    turned = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    corners = at + np.array([(0, 0), (1, 0), (0, 1), (1, 1)]) * reach @ turned
    return corners, size


def _groups(regions: list[dict[str, Any]]) -> dict[str, str]:
    """For the id of each region that is tied to another one, by a relation or as its parent, the
    name of their group."""
    ties = [(str(one.get("from_id")), str(one.get("to_id"))) for one in regions
            if one.get("type") == "relation"]
    ties += [(str(one.get("id")), str(one["parentID"])) for one in regions if one.get("parentID")]
    groups: dict[str, str] = {}
    for one, other in ties:
        old, new = groups.get(one, one), groups.get(other, other)
        groups |= {key: new for key, group in groups.items() if group == old}
        groups |= {one: new, other: new}
    return groups


def _name(task: dict[str, Any], root: Path, where: str) -> str:
    """The file of a picture below the folder `root`."""
    values = [task["data"].get("image"), *task["data"].values(), *_of_film(task)]
    texts = [value for value in values if isinstance(value, str)
             and PurePosixPath(_path_in(value)).suffix.lower() in (*SUFFIXES, *HEIF)]
    if not texts:
        raise BadFile(f"{where} names no picture in its data: export it as JSON")
    path = PurePosixPath(_path_in(texts[0]).lstrip("/"))
    tries = [*map(str, ends_of(path)), UPLOADED.sub("", path.name)]
    found = next((name for name in tries if is_inside(name) and (root / name).is_file()), None)
    return found or path.name


def _path_in(text: str) -> str:
    """The path in an address, or in that of a file of the server's own disk (?d=folder/a.jpg)."""
    try:
        parts = urlsplit(text.replace("\\", "/"), allow_fragments=text.startswith("http"))
    except ValueError as error:
        raise BadFile(f"{text} is no address of a picture ({error}): export it again") from error
    return parse_qs(parts.query).get("d", [unquote(parts.path)])[0]


def _of_film(task: dict[str, Any]) -> list[Any]:
    """The picture that sleap-io writes: of a list, by its number, or the only one."""
    meta = task.get("meta")
    film = meta.get("video") if isinstance(meta, dict) else None
    if not isinstance(film, dict):
        return []
    names, number = film.get("filename"), film.get("frame_idx")
    if isinstance(names, list) and type(number) is int and 0 <= number < len(names):
        return [names[number]]
    return [names]
