"""Importing: `python main.py import --from TOOL SOURCE --skeleton S --out FILE [--val FILE]`."""
from collections import Counter
from pathlib import Path
from typing import Any

from datasets.annotations.skeleton import load_skeleton
from datasets.films.deeplabcut import read_deeplabcut
from datasets.films.sleap import read_sleap
from datasets.imports.coco import coco_files, read_coco_labels
from datasets.imports.cvat import read_cvat
from datasets.imports.label_studio import read_label_studio
from datasets.imports.labelme import read_labelme
from datasets.imports.mpii import read_mpii
from datasets.imports.write_coco import ImportedImage, Notes, say, write_coco
from datasets.imports.yolo import read_yolo
from datasets.imports.yolo_tree import split_of
from processors.proposal.own_skeleton import own_skeleton
from utils.errors import UserError
from utils.log import log, show_log
from utils.outputs import ensure_apart, ensure_output

VAL_PART = 5        # with --val one image in so many is kept for validation
IMPORTERS = {"labelme": read_labelme, "cvat": read_cvat, "yolo": read_yolo, "mpii": read_mpii,
             "coco": read_coco_labels, "labelstudio": read_label_studio,
             "deeplabcut": read_deeplabcut, "sleap": read_sleap}


def import_annotations(form: str, source: str | Path, skeleton: str, out: str | Path,
                       images: str | Path | None = None, category: str = "person",
                       val: str | Path | None = None, kind: str = "", split: str = "",
                       skeleton_out: str | Path | None = None) -> list[dict[str, Any]]:
    """Annotations of another tool to a COCO keypoints file, or to two; returns their contents.

    form: a key of IMPORTERS. skeleton: a name or the path of a YAML; "" for that of the labels,
    which is written to skeleton_out. images: the folder of the
    images where it cannot be told from `source`. category: a name for all in the file. kind: the
    class that is taken, split: the part of the labels, all where these are empty. val: the file
    for the validation set, which `out` is then without: see `_divided`. Files of no use are
    named and left out. Raises FileNotFoundError or UserError where nothing is left or the source
    is something else.
    """
    show_log()
    source, root = Path(source), Path(images) if images else None
    outs = [Path(path) for path in (out, val) if path]
    if not source.exists():
        raise FileNotFoundError(f"{source} does not exist: give the annotations of {form}")
    if root and not root.is_dir():
        raise FileNotFoundError(f"the folder of images {root} does not exist: correct --images")
    inputs = coco_files(source) if form == "coco" else [source]
    options = {"--out": out, "--val": val, "--skeleton-out": skeleton_out}
    ensure_apart({option: Path(path) for option, path in options.items() if path})
    for option, path in zip(options, outs, strict=False):
        ensure_output(path, "COCO annotations", option, inputs)
    if skeleton_out:
        joints = own_skeleton(form, source, kind, Path(skeleton_out))
    else:
        joints = load_skeleton(skeleton)
    notes = Notes(wanted=kind)
    found, root = IMPORTERS[form](source, joints, root, notes)
    if split:
        found = _split(found, split, source)
    parts = _divided(found, source, notes) if val else [found]
    splits = Counter(image.split for image in found)
    if len(splits) > 1 and not val:
        notes.remark(f"all splits are taken, {', '.join(f'{k} ({n})' for k, n in splits.items())} "
                     f"images: keep them apart by --split, or by --out and --val")
    contents = []
    for path, part in zip(outs, parts, strict=True):
        contents.append(write_coco(part, root, joints, category, path, notes))
        say(contents[-1], path, notes)
        notes = Notes()
    log.info("the images lie in %s (data.train_img_root, data.val_img_root)", root)
    return contents


def _split(images: list[ImportedImage], wanted: str, source: Path) -> list[ImportedImage]:
    """The images of one part. Raises UserError that lists the parts."""
    found = [image for image in images if split_of(wanted) in (image.split, split_of(image.split))]
    if not found:
        parts = ", ".join(sorted({image.split for image in images if image.split})) or "none"
        raise UserError(f"{source} has no images of the split {wanted} (--split); its splits are: "
                        f"{parts}")
    return found


def _divided(images: list[ImportedImage], source: Path, notes: Notes) -> list[list[ImportedImage]]:
    """Training and validation set, as the labels say; other parts, such as test, are left out.

    Where they do not say it, the last fifth in the order of the names validates: pictures with
    neighbouring names are often alike, and a network is not to be judged on what it was trained on.
    """
    train, val, test = ([image for image in images if split_of(image.split) == name]
                        for name in ("train", "val", "test"))
    if train and val:
        notes.count("images of other splits than train and val left out (--split)",
                    len(images) - len(train) - len(val))
        return [train, val]
    if len(test) < len(images):
        notes.count("images of the split test left out (--split)", len(test))
        images = [image for image in images if split_of(image.split) != "test"]
    images = sorted(images, key=lambda image: image.name)
    kept = len(images) - len(images) // VAL_PART
    if kept == len(images):
        raise UserError(f"{source} has {kept} annotated images, too few to keep a fifth for "
                        f"--val: annotate more, or leave --val out")
    return [images[:kept], images[kept:]]
