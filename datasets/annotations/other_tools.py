"""Files of other tools: what they are told by, so that a refusal names the tool and the way."""
from contextlib import suppress
from pathlib import Path
from typing import Any

from utils.files import read_file
from utils.json_file import PACKED, parse_json

EXPORT = "export it there as COCO keypoints or as YOLO pose, and import that"
# Keys that a file has, or its first entry: what it is, and what to do.
KEYS: dict[tuple[str, ...], tuple[str, str]] = {
    ("item", "annotations"): ("V7 Darwin", EXPORT),
    ("_via_img_metadata",): ("VGG Image Annotator", EXPORT),
    ("filename", "regions"): ("VGG Image Annotator or makesense", EXPORT),
    ("fileref", "regions"): ("VGG Image Annotator or makesense", EXPORT),
    ("objects", "size", "tags"): ("Supervisely", EXPORT),
    ("people", "version"): ("OpenPose", "these are guesses of a network, no labels"),
    ("data_row",): ("Labelbox", EXPORT), ("Labeled Data",): ("Labelbox", EXPORT),
    ("data", "annotations"): (
        "Label Studio", "use import --from labelstudio"),
    ("items", "categories"): ("Datumaro", EXPORT),
    ("videos", "skeletons"): ("SLEAP", "save it there as .slp, and use import --from sleap"),
    ("imagePath", "shapes"): ("labelme", "use import --from labelme"),
    ("img_paths", "joint_self"): ("MPII", "use import --from mpii"),
    ("joints_vis", "image"): ("MPII", "use import --from mpii"),
    ("images", "annotations", "categories"): ("COCO", "use import --from coco"),
    ("keypoints", "image_id", "score"): ("COCO results", "these are guesses of a network, no "
                                         "labels")}
STARTS = {b"\x89HDF": ("SLEAP or DeepLabCut (HDF5)", "use import --from sleap, or of DeepLabCut "
                                                   "the CSV beside it, by --from deeplabcut"),
          b"scorer,": ("DeepLabCut (CSV)", "use import --from deeplabcut"),
          b"<?xml": ("CVAT", "use import --from cvat"),
          b"MATLAB": ("Matlab", "give MPII's train.json of HRNet or mpii_annotations.json, which "
                      "are made from it, by --from mpii"),
          **{start: (tool, "unpack it") for start, tool in PACKED.items()}}


def hint_at(path: Path, wanted: str) -> str:
    """`hint_of` the content of a file that could not be used; "" if it cannot be read."""
    with suppress(OSError):
        data = read_file(path)
        for start, found in STARTS.items():
            if data.startswith(start):
                return _hint(*found, wanted)
        for text in (data, data.partition(b"\n")[0]):       # one JSON, or one in each line
            with suppress(ValueError):
                return hint_of(parse_json(text), wanted)
    return ""


def hint_of(content: Any, wanted: str) -> str:
    """What a JSON looks like, and what to do, as the end of a sentence; "" if nothing tells it, or
    it is of the tool that is wanted."""
    entries = content if isinstance(content, list) else [content]
    entries = entries[:1] + [*content.values()][:1] if isinstance(content, dict) else entries[:1]
    return next((_hint(*found, wanted) for entry in entries if isinstance(entry, dict)
                 for keys, found in KEYS.items() if entry.keys() >= set(keys)), "")


def _hint(tool: str, cure: str, wanted: str) -> str:
    return "" if tool == wanted else f"; it looks like a file of {tool}: {cure}"
