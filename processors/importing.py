"""Importing: `python main.py import --from TOOL SOURCE --skeleton S --out FILE`."""
from pathlib import Path

from datasets.import_cvat import read_cvat
from datasets.import_labelme import read_labelme
from datasets.import_mpii import read_mpii
from datasets.import_yolo import read_yolo
from datasets.imported import Notes, say, write_coco
from datasets.skeleton import load_skeleton
from utils.log import show_log

IMPORTERS = {"labelme": read_labelme, "cvat": read_cvat, "yolo": read_yolo, "mpii": read_mpii}


def import_annotations(form: str, source: str | Path, skeleton: str, out: str | Path,
                       images: str | Path | None = None, category: str = "person") -> dict:
    """Annotations of another tool to a COCO keypoints file, which is returned, too.

    form: a key of IMPORTERS. skeleton: a name or the path of a YAML. images: the folder of the
    images where it cannot be told from `source`. Files of no use are named and left out. Raises
    FileNotFoundError or ValueError where nothing is left or the source is something else.
    """
    show_log()
    source, out, root = Path(source), Path(out), Path(images) if images else None
    if not source.exists():
        raise FileNotFoundError(f"{source} does not exist: give the annotations of {form}")
    if root and not root.is_dir():
        raise FileNotFoundError(f"the folder of images {root} does not exist: correct --images")
    if out.is_dir() or out.resolve() == source.resolve():
        raise ValueError(f"--out is {out}, which would be overwritten: name a new JSON file")
    notes, joints = Notes(), load_skeleton(skeleton)
    found, root = IMPORTERS[form](source, joints, root, notes)
    content = write_coco(found, root, joints, category, out, notes)
    say(content, out, notes)
    return content
