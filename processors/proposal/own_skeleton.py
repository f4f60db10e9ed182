"""Own skeleton: the skeleton that labels bring along, as a YAML file that training takes.

COCO's categories have keypoints and skeleton, data.yaml has kpt_shape, kpt_names and flip_idx, CVAT
the parts and the drawing of its skeletons, or at least the names of its points, as labelme and
Label Studio have; SLEAP has nodes, edges and symmetries, DeepLabCut bodyparts and a drawing. What
mirrors what is taken from flip_idx and symmetries, otherwise from the names.
"""
import json
import re
from collections import Counter
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import Any

from datasets.annotations.coco_file import read_coco
from datasets.annotations.joint_names import partners
from datasets.annotations.part_fields import has_parts, names_in_parts
from datasets.annotations.skeleton import Skeleton, skeleton_from_dict
from datasets.films.deeplabcut import drawn_limbs, read_tables
from datasets.films.sleap import sleap_skeleton
from datasets.imports.coco import coco_files, kinds_of
from datasets.imports.cvat import cvat_tree
from datasets.imports.label_studio import BOX, POINT, label_of, read_tasks, regions_of
from datasets.imports.yolo import numbers_of_class
from datasets.imports.yolo_tree import data_yaml
from utils.errors import UserError
from utils.files import files_below
from utils.json_file import read_json
from utils.log import log
from utils.outputs import ensure_writable, write_output

SELDOM = 20     # a name that comes so many times less often than another one is none of a joint
Parts = tuple[str, Sequence[str], Sequence[tuple[int, int]], Sequence[int]]
#        name, joints, limbs, and for each joint the one that it mirrors, none if that is not said


def own_skeleton(form: str, source: Path, wanted: str, out: Path) -> Skeleton:
    """Write the skeleton of the labels to `out` and return it.

    wanted: the class whose skeleton it is, "" for the only one. Raises UserError if the labels
    have none, or if something else lies there, such as one that was edited since.
    """
    raw, mirrored = described_skeleton(form, source, wanted)
    found = skeleton_from_dict(raw, source)
    text = skeleton_yaml(raw).encode()
    if out.exists() and not (out.is_file() and out.read_bytes() in (b"", text)):
        raise UserError(f"--skeleton-out: {out} is there already with other content, so it stays "
                        f"as it is: use it by --skeleton, or give another name")
    ensure_writable(out, "--skeleton-out")
    write_output(out, text, "--skeleton-out")
    told = ", ".join("-".join(pair) for pair in raw["flip_pairs"]) or "none"
    log.info("%s: %d joints (data.skeleton=%s model.num_joints=%d); flip_pairs %s: %s", out,
             found.num_joints, out, found.num_joints, "as the labels say" if mirrored else
             "guessed by the names, look at them", told)
    return found


def described_skeleton(form: str, source: Path, wanted: str) -> tuple[dict[str, Any], bool]:
    """What `skeleton_from_dict` reads, and whether the labels themselves say what mirrors what.
    Raises UserError if they have no joints."""
    if form not in OWN:
        raise UserError(f"the labels of {form} bring no skeleton along: write one and give it by "
                        f"--skeleton")
    name, joints, limbs, mirrored = OWN[form](source, wanted)
    pairs = [(place, other) for place, other in enumerate(mirrored or partners(joints))
             if place < other]
    return {"name": name, "joints": list(joints),
            "flip_pairs": [[joints[a], joints[b]] for a, b in pairs],
            "limbs": [[joints[a], joints[b]] for a, b in limbs]}, bool(mirrored)


def skeleton_yaml(raw: dict[str, Any]) -> str:
    """The text of a skeleton's file."""
    lines = ["# SimplePose made this from labels"]
    for key, value in raw.items():      # JSON is YAML, and quotes what needs it
        nested = isinstance(value, list) and value and isinstance(value[0], list)
        lines += [f"{key}:", *(f"  - {json.dumps(row, ensure_ascii=False)}" for row in value)] if (
            nested) else [f"{key}: {json.dumps(value, ensure_ascii=False)}"]
    return "\n".join(lines) + "\n"


def _numbered(count: int) -> list[str]:
    return [f"joint{number}" for number in range(1, count + 1)]


def _of_yolo(source: Path, wanted: str) -> Parts:
    said = data_yaml(source)
    classes = numbers_of_class(said, wanted)
    joints = next((said.joint_names[number] for number in classes if number in said.joint_names),
                  _numbered(said.shape[0]) if said.shape else [])
    if not joints:
        raise UserError(f"{source} has no data.yaml with kpt_shape or kpt_names: write a skeleton "
                        f"and give it by --skeleton")
    name = said.names[classes[0]] if classes else "skeleton"
    return name, joints, [], said.flip if len(said.flip) == len(joints) else ()


def _of_coco(source: Path, wanted: str) -> Parts:
    file = read_coco(coco_files(source)[0])
    row = next(iter(kinds_of(file, wanted).values()), {})
    named = row.get("keypoints")
    joints = [str(name) for name in named] if isinstance(named, list) else []
    if not joints:
        lengths = Counter(len(annotation["keypoints"]) // 3 for annotation in file.annotations
                          if isinstance(annotation, dict)
                          and isinstance(annotation.get("keypoints"), list))
        joints = _numbered(max(lengths, key=lambda length: lengths[length], default=0))
    if has_parts(file.annotations):
        joints += names_in_parts()
    if not joints:
        raise UserError(f"{file.name} has no keypoints: write a skeleton and give it by --skeleton")
    listed = row["skeleton"] if isinstance(row.get("skeleton"), list) else []
    limbs = [tuple(limb) for limb in listed if isinstance(limb, list)
             and len(limb) == 2 and all(type(joint) is int for joint in limb)]
    first = 0 if any(0 in limb for limb in limbs) else 1     # COCO counts from 1, some from 0
    limbs = [(a - first, b - first) for a, b in limbs if a != b
             and first <= min(a, b) and max(a, b) < len(joints) + first]
    if len(limbs) < len(listed):
        log.warning("%s: %d limbs that are no two joints left out", file.name,
                    len(listed) - len(limbs))
    return str(row.get("name") or "skeleton"), joints, limbs, ()


def _of_cvat(source: Path, wanted: str) -> Parts:
    tree = cvat_tree(source)
    labels = [{part.tag: part.text or "" for part in label} for label in tree.iter("label")]
    if not any(label.get("parent") for label in labels):    # an export without its labels
        labels = [{"parent": skeleton.get("label", ""), "name": point.get("label", "")}
                  for skeleton in tree.iter("skeleton") for point in skeleton.iter("points")]
    parents = dict.fromkeys(label["parent"] for label in labels if label.get("parent"))
    points = _usual(Counter(point.get("label", "") for image in tree.iter("image")
                            for point in image.findall("points")))
    if not parents and points:
        return wanted or "skeleton", points, [], ()
    if not parents or wanted and wanted not in parents:
        raise UserError(f"{source} describes no skeleton{f' of {wanted}' if wanted else ''}: write "
                        f"one and give it by --skeleton")
    if len(parents) > 1 and not wanted:
        raise UserError(f"{source} has the skeletons {', '.join(parents)}: take one by --class")
    name = wanted or next(iter(parents))
    joints = list(dict.fromkeys(label.get("name", "") for label in labels
                                if label.get("parent") == name))
    drawing = next((label.get("svg", "") for label in labels
                    if label.get("name") == name and not label.get("parent")), "")
    nodes, limbs = {}, []
    for tag, text in re.findall(r"<(circle|line)\b([^>]*)", drawing):
        said: dict[str, Any] = dict(re.findall(r'data-([a-z-]+)="([^"]*)"', unescape(text)))
        if tag == "circle" and said.get("label-name") in joints:
            nodes[said.get("node-id")] = joints.index(said["label-name"])
        elif tag == "line":
            limbs.append((said.get("node-from"), said.get("node-to")))
    return name, joints, [(nodes[a], nodes[b]) for a, b in limbs if a in nodes and b in nodes], ()


def _of_labelme(source: Path, wanted: str) -> Parts:
    points, boxes = Counter[str](), Counter[str]()
    for path in sorted(files_below(source, "*.json")) if source.is_dir() else [source]:
        content = read_json(path)
        shapes = content.get("shapes") if isinstance(content, dict) else None
        for shape in shapes if isinstance(shapes, list) else []:
            if isinstance(shape, dict) and isinstance(shape.get("label"), str):
                (points if shape.get("shape_type") == "point" else boxes)[shape["label"]] += 1
    if not points:
        raise UserError(f"{source} has no points of labelme, which would be the joints: label some")
    return wanted or max(boxes, key=boxes.__getitem__, default="skeleton"), _usual(points), [], ()


def _usual(names: Counter[str]) -> list[str]:
    """Names of points in the order in which they came, without those that are seldom: mistypings,
    which an import counts and leaves out."""
    return [name for name, count in names.items() if SELDOM * count >= max(names.values())]


def _of_label_studio(source: Path, wanted: str) -> Parts:
    points, boxes = Counter[str](), Counter[str]()
    for region in (region for task in read_tasks(source) for region in regions_of(task) or ()):
        points[label_of(region, POINT)] += 1
        boxes[label_of(region, BOX)] += 1
    del points[""], boxes[""]
    if not points:
        raise UserError(f"{source} has no keypoints of Label Studio, which would be the joints: "
                        f"label some")
    return wanted or max(boxes, key=boxes.__getitem__, default="skeleton"), _usual(points), [], ()


def _of_deeplabcut(source: Path, wanted: str) -> Parts:
    joints = list(dict.fromkeys(joint for table in read_tables(source)
                                for joint in table.joint_names))
    limbs = [(joints.index(a), joints.index(b)) for a, b in drawn_limbs(source)
             if a in joints and b in joints]
    return "animal", joints, limbs, ()


OWN = {"yolo": _of_yolo, "coco": _of_coco, "cvat": _of_cvat, "labelme": _of_labelme,
       "labelstudio": _of_label_studio, "deeplabcut": _of_deeplabcut, "sleap": sleap_skeleton}
