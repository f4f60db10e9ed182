"""A YAML from labels: `python main.py init LABELS --out FILE.yaml`."""
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from configs.convert import fill
from configs.loader import with_overrides
from configs.schema import Config
from configs.strict_yaml import parse_yaml
from datasets.annotations.annotated_sets import AnnotatedSet
from datasets.annotations.skeleton import Skeleton, load_skeleton, skeleton_from_dict
from datasets.doctor.raw_labels import RawLabels, read_raw
from datasets.imports.coco import coco_files, posed_kinds
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
from utils.shown import counted, first_few

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
    doubt: str = ""         # in words, why people are not to be mirrored by its pairs


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
    kind = kind or _only_kind(form, source)
    joints = _joints(form, source, kind, skeleton, files)
    with ExitStack() as unless_written:
        for path in (files.train, files.val):
            unless_written.callback(path.unlink, missing_ok=True)
        train, val, how = _written(form, source, images, kind, joints, files)
        if joints.raw:
            joints = _finished(joints, train, source)
        facts = facts_of(train, joints.skeleton, int(val.persons.sum()), joints.doubt)
        machine = this_machine()
        text = yaml_text(
            [f"Made by SimplePose for {machine.name}, from", str(source),
             f"To train: python main.py train {quote(str(files.out))}",
             "All settings, also those that are not here: docs/configuration.md."],
            [*_places(files, train.part.img_root, facts, how),
             Choice("data.skeleton", joints.place, joints.reason + _never_labelled(train)),
             *choices(facts, machine, weights_for(machine))])
        config = with_overrides(fill(Config(), parse_yaml(text), str(out)), (), str(out))
        if joints.raw:
            write_output(files.skeleton, skeleton_yaml(joints.raw).encode(), "--out")
        write_output(files.out, text.encode(), "--out")
        unless_written.pop_all()
    log.info("%s is written: read it, then type python main.py train %s", out, quote(str(out)))
    return config


def _never_labelled(train: RawLabels) -> str:
    """In words, which are said, too."""
    names = np.array(train.part.skeleton.joint_names)
    never = names[~np.any(train.labelled, axis=0)].tolist()
    if never:
        log.warning("nobody to learn from has %s labelled: nothing is learned of them",
                    first_few(never, 6))
    return f"; nobody has {first_few(never, 6)} labelled" if never else ""


def _free_files(out: Path, inputs: list[Path]) -> Files:
    """Raises UserError where one of them is there already: a YAML may have been edited, and another
    one, by whatever name, may train on the rest."""
    if out.suffix not in (".yaml", ".yml"):
        raise UserError(f"--out: {out} is to be a YAML: give a name that ends in .yaml")
    with_overrides(Config(model_name=out.stem), (), "--out")
    out = out.parent.resolve() / out.name       # not where a link of this name points
    stem = out.with_suffix("")
    files = Files(out, *(stem.with_name(stem.name + end) for end in (
        "_train.json", "_val.json", "_skeleton.yaml")))
    there = [path.name for path in (files.out, files.skeleton, files.train, files.val)
             if path.exists() and (not path.is_file() or path.stat().st_size)]
    if there:
        raise UserError(f"--out: {', '.join(there)} in {out.parent} would be replaced, so nothing "
                        f"is written: give another name, or remove what no YAML needs any more")
    for path in (files.out, files.skeleton):
        ensure_writable(path, "--out")
    for path in (files.train, files.val):
        ensure_output(path, "COCO annotations", "--out", inputs)
    return files


def _only_kind(form: str, source: Path) -> str:
    """The class of COCO's labels that has joints. Raises UserError where several have."""
    kinds = posed_kinds(coco_files(source)) if form == "coco" else set()
    if len(kinds) > 1:
        raise UserError(f"{source} has the classes {first_few(sorted(kinds), 20)}: take one by "
                        f"--category")
    return next(iter(kinds), "")


def _joints(form: str, source: Path, kind: str, given: str, files: Files) -> Joints:
    """The skeleton that is given, or a known one with the joints of the labels, or theirs."""
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
    raw, by, doubt = mended_skeleton(joints.raw or {}, train, joints.reason)
    if doubt:
        log.warning("nothing is mirrored in training: %s", doubt)
    raw, sigmas = with_known_sigmas(raw)
    skeleton = skeleton_from_dict(raw, source)
    return Joints(skeleton, joints.place,
                  f"{counted(skeleton.num_joints, 'joint')} with "
                  f"{counted(len(skeleton.flip_pairs), 'pair')} of left and right, as {by}; how "
                  f"exactly joints are labelled (sigmas): {sigmas}", raw, doubt)


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
    gone = [image.name for image in found if not (root / image.name).is_file()]
    if gone:
        notes.counts[f"images that are not there left out ({first_few(gone)})"] = len(gone)
    return there


def _places(files: Files, root: Path, facts: Facts, how: str) -> list[Choice]:
    """Where everything is: whole paths, so that it does not matter where training is started."""
    few = ", so few that AP is rough" if facts.val_persons < ROUGH else ""
    people = "person" if facts.val_persons == 1 else "people"
    return [
        Choice("model_name", files.out.stem, "begins the names of the files of this run"),
        Choice("data.train_ann_path", str(files.train), f"{facts.persons} people to learn from"),
        Choice("data.val_ann_path", str(files.val),
               f"{facts.val_persons} {people} to judge by{few}: {how}"),
        Choice("data.train_img_root", str(root), "where the pictures lie"),
        Choice("data.val_img_root", str(root), "the same"),
        Choice("val.weight_path", str(files.out.parent / "weights"),
               "where weights, curves and pictures of the run go")]
