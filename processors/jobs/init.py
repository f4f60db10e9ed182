"""A YAML from labels: `python main.py init LABELS --out FILE.yaml`."""
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs.convert import fill
from configs.loader import with_overrides
from configs.schema import Config
from configs.strict_yaml import parse_yaml
from datasets.annotations.annotated_sets import AnnotatedSet
from datasets.annotations.coco_file import read_coco
from datasets.annotations.skeleton import Skeleton, load_skeleton, skeleton_from_dict
from datasets.doctor.raw_labels import RawLabels, read_raw
from datasets.imports.coco import coco_files, kinds_of
from datasets.imports.write_coco import ImportedImage, Notes, say, write_coco
from processors.jobs.import_labels import IMPORTERS
from processors.proposal.choices import Choice, choices
from processors.proposal.facts import Facts, facts_of
from processors.proposal.form import form_of
from processors.proposal.grouping import divide
from processors.proposal.joints import known_skeleton, mended_skeleton, with_known_sigmas
from processors.proposal.machine import this_machine, weights_for
from processors.proposal.own_skeleton import described_skeleton, skeleton_yaml
from processors.proposal.yaml_text import yaml_text
from utils.errors import UserError
from utils.log import log, show_log
from utils.outputs import ensure_output, ensure_writable, write_output

ROUGH = 30      # people, below which AP jumps


@dataclass(frozen=True)
class Files:
    """What is written: the YAML, and beside it."""
    out: Path
    train: Path
    val: Path
    skeleton: Path


@dataclass(frozen=True)
class Joints:
    """The skeleton of labels: its name or path in the YAML, and its content if it is to be
    written."""
    skeleton: Skeleton
    place: str
    reason: str
    raw: dict[str, Any] | None = None


def propose(source: Path, out: Path, images: Path | None = None, kind: str = "", form: str = "",
            skeleton: str = "") -> Config:
    """Write a YAML that trains on labels, and beside it annotation files for training and
    validation and, where need be, a skeleton; returns the settings.

    kind: the class that is taken. form: a key of IMPORTERS, "" if the labels tell. skeleton: a name
    or a path, "" for that of the labels. Raises UserError or OSError.
    """
    show_log()
    source, form = source.resolve(), form or form_of(source)
    if images and not images.is_dir():
        raise FileNotFoundError(f"the folder of images {images} does not exist: correct --images")
    files = _free_files(out, coco_files(source) if form == "coco" else [source])
    joints = _joints(form, source, kind, skeleton, files)
    train, val, how = _written(form, source, images, kind, joints, files)
    if joints.raw:
        joints = _finished(joints, train, source)
    facts = facts_of(train, joints.skeleton, int(val.persons.sum()))
    machine = this_machine()
    text = yaml_text(
        [f"Made by SimplePose for {machine.name}, from", str(source),
         f"To train: python main.py train {files.out}",
         "All settings, also those that are not here: docs/configuration.md."],
        [*_places(files, train.part.img_root, facts, how),
         Choice("data.skeleton", joints.place, joints.reason),
         *choices(facts, machine, weights_for(machine))])
    config = with_overrides(fill(Config(), parse_yaml(text), str(out)), (), str(out))
    if joints.raw:
        write_output(files.skeleton, skeleton_yaml(joints.raw).encode(), "--out")
    write_output(files.out, text.encode(), "--out")
    log.info("%s is written: read it, then type python main.py train %s", out, out)
    return config


def _free_files(out: Path, inputs: list[Path]) -> Files:
    """Raises UserError where one of them may not be written; a YAML, which may have been edited,
    never is twice."""
    if out.suffix not in (".yaml", ".yml"):
        raise UserError(f"--out: {out} is to be a YAML: give a name that ends in .yaml")
    with_overrides(Config(model_name=out.stem), (), "--out")
    out = out.parent.resolve() / out.name       # not where a link of this name points
    stem = out.with_suffix("")
    files = Files(out, *(stem.with_name(stem.name + end) for end in (
        "_train.json", "_val.json", "_skeleton.yaml")))
    for path in (files.out, files.skeleton):
        if path.exists() and (not path.is_file() or path.stat().st_size):
            raise UserError(f"--out: {path} is there already and may have been edited, so it stays "
                            f"as it is: move it away, or give another name")
        ensure_writable(path, "--out")
    for path in (files.train, files.val):
        ensure_output(path, "COCO annotations", "--out", inputs)
    return files


def _joints(form: str, source: Path, kind: str, given: str, files: Files) -> Joints:
    """The skeleton that is given, or a known one with the joints of the labels, or theirs."""
    if form == "coco" and not given:
        kinds = [str(row.get("name")) for row in kinds_of(read_coco(coco_files(source)[0]),
                                                          kind).values()]
        if len(kinds) > 1:
            raise UserError(f"{source} has the classes {', '.join(sorted(kinds))}: take one by "
                            f"--category")
    if form == "mpii" and not given:
        given = "mpii"
    raw, said = ({}, False) if given else described_skeleton(form, source, kind)
    if given or (known := known_skeleton(raw["joints"])):
        path = str(Path(given).resolve()) if Path(given).suffix else given
        return Joints(load_skeleton(given or known), path or known,
                      "as given" if given else "a known one, with the joints of the labels")
    return Joints(skeleton_from_dict(raw, source), str(files.skeleton),
                  "the labels" if said else "names", raw)


def _finished(joints: Joints, train: RawLabels, source: Path) -> Joints:
    """The skeleton of the labels with what the people show and known joints tell."""
    raw, by = mended_skeleton(joints.raw or {}, train, joints.reason)
    raw, sigmas = with_known_sigmas(raw)
    skeleton = skeleton_from_dict(raw, source)
    return Joints(skeleton, joints.place,
                  f"{skeleton.num_joints} joints with {len(skeleton.flip_pairs) or 'no'} pairs of "
                  f"left and right, as {by} tell; how exactly joints are labelled (sigmas): "
                  f"{sigmas}", raw)


def _written(form: str, source: Path, images: Path | None, kind: str, joints: Joints, files: Files,
             ) -> tuple[RawLabels, RawLabels, str]:
    """Import the labels into two files; what stands in them, and how they were told apart."""
    log.info("%s: labels of %s, which are imported into %s and %s", source, form, files.train,
             files.val)
    notes = Notes(wanted=kind)
    found, root = IMPORTERS[form](source, joints.skeleton, images, notes)
    root = root.resolve()
    kinds = sorted(notes.classes.keys() - {""})
    if len(kinds) > 1:
        raise UserError(f"{source} has the classes {', '.join(kinds)}: take one by --category")
    train, val, how = divide(_there(found, root, source, notes), str(source))
    category = kinds[0] if kinds else (joints.raw or {}).get("name", "person")
    labels = []
    for part, path in ((train, files.train), (val, files.val)):
        say(write_coco(part, root, joints.skeleton, category, path, notes), path, notes)
        notes = Notes()
        labels.append(read_raw(AnnotatedSet(path, root, joints.skeleton, "", "--out", "--images"),
                               path.name))
    return labels[0], labels[1], how


def _there(found: list[ImportedImage], root: Path, source: Path, notes: Notes,
           ) -> list[ImportedImage]:
    """The images whose files are there. Raises UserError if none is."""
    there = [image for image in found if (root / image.name).is_file()]
    if found and not there:
        raise UserError(f"none of the {len(found)} images of {source} is in {root}, such as "
                        f"{found[0].name}: give their folder by --images")
    notes.count("images that are not there left out", len(found) - len(there))
    return there


def _places(files: Files, root: Path, facts: Facts, how: str) -> list[Choice]:
    """Where everything is: whole paths, so that it does not matter where training is started."""
    few = ", so few that AP is rough" if facts.val_persons < ROUGH else ""
    return [
        Choice("model_name", files.out.stem, "begins the names of the files of this run"),
        Choice("data.train_ann_path", str(files.train), f"{facts.persons} people to learn from"),
        Choice("data.val_ann_path", str(files.val),
               f"{facts.val_persons} people to judge by{few}: {how}"),
        Choice("data.train_img_root", str(root), "where the pictures lie"),
        Choice("data.val_img_root", str(root), "the same"),
        Choice("val.weight_path", str(files.out.parent / "weights"),
               "where weights, curves and pictures of the run go")]
