"""Importing: `python main.py import --from TOOL SOURCE --skeleton S --out FILE [--val FILE]`."""
from pathlib import Path
from typing import Any

from datasets.annotations.skeleton import load_skeleton
from datasets.imports.cvat import read_cvat
from datasets.imports.labelme import read_labelme
from datasets.imports.mpii import read_mpii
from datasets.imports.write_coco import Notes, say, write_coco
from datasets.imports.yolo import read_yolo
from utils.errors import UserError
from utils.log import show_log
from utils.outputs import ensure_output

VAL_PART = 5        # with --val one image in so many is kept for validation
IMPORTERS = {"labelme": read_labelme, "cvat": read_cvat, "yolo": read_yolo, "mpii": read_mpii}


def import_annotations(form: str, source: str | Path, skeleton: str, out: str | Path,
                       images: str | Path | None = None, category: str = "person",
                       val: str | Path | None = None, kind: str = "") -> list[dict[str, Any]]:
    """Annotations of another tool to a COCO keypoints file, or to two; returns their contents.

    form: a key of IMPORTERS. skeleton: a name or the path of a YAML. images: the folder of the
    images where it cannot be told from `source`. category: a name for all in the file. kind: the
    class that is taken, all where it is empty. val: the file for the last fifth of the images
    in the order of their names, which `out` is then without; pictures with neighbouring names are
    often alike, and a network is not to be judged on what it was trained on. Files of no use are
    named and left out. Raises FileNotFoundError or UserError where nothing is left or the source
    is something else.
    """
    show_log()
    source, root = Path(source), Path(images) if images else None
    outs = [Path(out), Path(val)] if val else [Path(out)]
    if not source.exists():
        raise FileNotFoundError(f"{source} does not exist: give the annotations of {form}")
    if root and not root.is_dir():
        raise FileNotFoundError(f"the folder of images {root} does not exist: correct --images")
    for option, path in zip(("--out", "--val"), outs, strict=False):
        ensure_output(path, "COCO annotations", option, [source])
    if val and outs[0].resolve() == outs[1].resolve():
        raise UserError(f"--out and --val are both {val}: name two files")
    notes, joints = Notes(wanted=kind), load_skeleton(skeleton)
    found, root = IMPORTERS[form](source, joints, root, notes)
    found = sorted(found, key=lambda image: image.name)
    kept = len(found) - len(found) // VAL_PART if val else len(found)
    if val and kept == len(found):
        raise UserError(f"{source} has {len(found)} annotated images, too few to keep a fifth "
                         f"for --val: annotate more, or leave --val out")
    contents = []
    for path, part in zip(outs, (found[:kept], found[kept:]), strict=False):
        contents.append(write_coco(part, root, joints, category, path, notes))
        say(contents[-1], path, notes)
        notes = Notes()
    return contents
