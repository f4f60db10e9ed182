"""Form: which tool a folder or file of labels comes from, by how it looks."""
from pathlib import Path

from datasets.films.deeplabcut import CONFIG, LABELLED, TABLES
from datasets.imports.coco import ROBOFLOW
from datasets.imports.yolo_tree import YAMLS
from utils.errors import UserError
from utils.files import files_below
from utils.json_file import read_json

LOOKED_AT = 9       # files of a folder
BY_ENDING = {".xml": "cvat", ".yaml": "yolo", ".yml": "yolo", ".slp": "sleap", ".csv": "deeplabcut",
             ".h5": "deeplabcut"}


def form_of(source: Path) -> str:
    """The name of an importer. Raises FileNotFoundError or UserError if nothing tells."""
    if not source.exists():
        raise FileNotFoundError(f"{source} does not exist: give the labels")
    found = _of_folder(source) if source.is_dir() else _of_file(source)
    if not found:
        raise UserError(f"nothing in {source} tells which tool its labels come from: give a COCO "
                        f"file, a folder of labelme files, YOLO's data.yaml, an XML file of CVAT, "
                        f"a project of DeepLabCut, an .slp of SLEAP or the JSON of Label Studio, "
                        f"or say it by --from")
    return found


def _of_folder(source: Path) -> str:
    if (source / CONFIG).is_file() and (source / LABELLED).is_dir():
        return "deeplabcut"
    if any((source / name).is_file() for name in YAMLS):
        return "yolo"
    if (source / "annotations.xml").is_file():
        return "cvat"
    if next(files_below(source, ROBOFLOW), None):
        return "coco"
    if any(_of_file(path) == "labelme"
           for path in sorted(files_below(source, "*.json"))[:LOOKED_AT]):
        return "labelme"
    if next(files_below(source, TABLES), None):
        return "deeplabcut"
    return "yolo" if next(files_below(source, "*.txt"), None) else ""


def _of_file(source: Path) -> str:
    if source.name == CONFIG and (source.parent / LABELLED).is_dir():
        return "deeplabcut"
    if source.suffix.lower() in BY_ENDING:
        return BY_ENDING[source.suffix.lower()]
    content = read_json(source)
    if isinstance(content, dict):
        return "labelme" if "shapes" in content else "coco"
    first = content[0] if isinstance(content, list) and content else None
    keys = first.keys() if isinstance(first, dict) else ()
    return "mpii" if "joints" in keys else "labelstudio" if "data" in keys else ""
