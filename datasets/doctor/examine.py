"""The doctor: what is wrong with a data set, and what it costs; `python main.py check CONFIG`.

Unlike training it does not stop at the first fault: it reads what can be read, asks every check,
and gives all they find.
"""
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import isclose
from pathlib import Path

from configs.schema import Config
from datasets.annotations.annotated_sets import AnnotatedSet, extra_sets
from datasets.annotations.coco_file import LISTS
from datasets.annotations.joint_names import same_joints
from datasets.annotations.skeleton import Skeleton, load_skeleton
from datasets.crops.crop_pack import TRAIN, VAL, CropPack
from datasets.doctor import (
    check_images,
    check_left_right,
    check_pixels,
    check_positions,
    check_records,
)
from datasets.doctor.check_detections import detections
from datasets.doctor.check_unlabelled import unlabelled
from datasets.doctor.finding import Finding, examples_of, told
from datasets.doctor.raw_labels import RawLabels, read_raw
from datasets.doctor.sigma_estimate import Repeated, estimate_sigmas
from utils.errors import UserError
from utils.shown import sentence

# What is asked of each set. Reading itself finds two more: "file" and "category".
CHECKS: dict[str, Callable[[RawLabels], Iterator[Finding]]] = {check.__name__: check for check in (
    check_records.joint_names, check_records.joint_count, check_records.image_ids,
    check_records.annotation_ids, check_records.areas, check_records.num_keypoints,
    check_positions.nobody, check_positions.unlabelled_joints, check_positions.visibility,
    check_positions.piled_joints, check_positions.joints_outside, check_positions.boxes,
    check_positions.boxes_hold, check_records.duplicates, check_left_right.flip_pairs,
    check_left_right.mirrored_persons, check_images.missing_images, check_pixels.image_sizes,
    check_pixels.orientations, check_pixels.bit_depths)}

# Published sigmas are 0.004 (a point of the face) to 0.15; outside of this they have other units.
SIGMA_RANGE = (0.001, 0.5)
SAME_SIGMA = 0.05       # parts of it; some are rounded


@dataclass(frozen=True)
class Diagnosis:
    findings: tuple[Finding, ...]
    training: tuple[RawLabels, ...]     # data.train_ann_path and data.extra_sets
    val: RawLabels
    repeated: Repeated | None = None    # sigmas, if there are labels to compare with

    @property
    def serious(self) -> bool:
        return any(finding.serious for finding in self.findings)

    @property
    def sets(self) -> tuple[str, ...]:
        return tuple(summary(labels) for labels in (*self.training, self.val)) + tuple(
            f"{train.name} and {self.val.name}: too many pixels to compare all pictures; the same "
            f"one is found by its file, its name or its labels only" for train in self.training
            if check_images.too_many_pixels(train, self.val))

    @property
    def verdict(self) -> str:
        wrong = sum(finding.serious for finding in self.findings)
        return f"{wrong} thing{'s' * (wrong != 1)} wrong" if wrong else "nothing wrong found"

    def __str__(self) -> str:
        sigmas = ["", str(self.repeated)] if self.repeated else []
        return "\n".join([*self.sets, "", *map(str, self.findings), self.verdict, *sigmas])


def examine(config: Config, skeleton: Skeleton, repeated: Path | None = None) -> Diagnosis:
    """Look at all sets of a Config. repeated: annotations of some of the same images by somebody
    else, to estimate sigmas from. Raises UserError only for data.extra_sets whose skeleton
    cannot be used, and for a `repeated` that says nothing."""
    data = config.data
    train_part, val_part = (AnnotatedSet(
        Path(getattr(data, f"{split}_ann_path")), Path(getattr(data, f"{split}_img_root")),
        skeleton, data.category, f"data.{split}_ann_path", f"data.{split}_img_root", data.exif,
        data.bits) for split in ("train", "val"))
    sets = {"training set": train_part} | {
        part.ann_key.partition(".ann")[0]: part for part in extra_sets(
            data.extra_sets, skeleton, data.category, data.exif, data.bits)}
    detected = not config.val.ground_truth_boxes  # then the validation set need not be annotated
    training = [read_raw(part, name) for name, part in sets.items()]
    val = read_raw(val_part, "validation set", ("images", "categories") if detected else LISTS)
    findings = [*told("num_joints", "model.num_joints", joints(config.model.num_joints, skeleton)),
                *told("sigmas", "data.skeleton", sigmas(skeleton))]
    for labels in (*training, val):
        findings += labels.faults
        for name, check in CHECKS.items():
            packed = data.val_pack if labels is val else data.train_pack
            if not (name == "missing_images" and packed):
                findings += told(name, labels.name, check(labels))
    findings += told("overlap", "", check_images.overlap(training, val))
    findings += told("train_pack", TRAIN, pack(data.train_pack, TRAIN, "training refuses it"))
    findings += told("val_pack", VAL, pack(data.val_pack, VAL, "evaluation refuses it"))
    findings += told("unlabelled", "data.unlabelled", unlabelled(config, skeleton))
    if detected:
        findings += told("detections", "val.boxes",
                         detections(Path(config.val.boxes), val, config.val.box_score))
    findings = sorted(merged(findings), key=lambda finding: not finding.serious)
    return Diagnosis(tuple(findings), tuple(training), val,
                     estimate_sigmas((*training, val), repeated) if repeated else None)


def merged(findings: list[Finding]) -> list[Finding]:
    """What is the same in several sets said once, as wrong flip pairs are."""
    places: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        places[finding.check, finding.sentence].append(finding)
    return [replace(same[0], where=" and ".join(finding.where for finding in same))
            for same in places.values()]


def pack(path: str, key: str, cost: str) -> Iterator[Finding]:
    """A crop pack that cannot be used; one that is still to be made is not looked for."""
    if path and Path(path).exists():
        try:
            CropPack(path, key)
        except (UserError, OSError) as error:
            yield Finding(sentence(error).removeprefix(f"{key}: "), cost)


def joints(num_joints: int, skeleton: Skeleton) -> Iterator[Finding]:
    """Another number of joints in the YAML than the skeleton has."""
    if num_joints != skeleton.num_joints:
        yield Finding(f"it is {num_joints}, but the skeleton {skeleton.name} has "
                      f"{skeleton.num_joints} joints", "training refuses it: make them equal")


def sigmas(skeleton: Skeleton) -> Iterator[Finding]:
    """Sigmas of a skeleton that are guessed, in other units, or not those of COCO."""
    low, high = SIGMA_RANGE
    odd = [f"{name} {sigma:g}" for name, sigma in zip(
        skeleton.joint_names, skeleton.sigmas, strict=True) if not low <= sigma <= high]
    if odd:
        yield Finding(f"{len(odd)} sigmas of the skeleton {skeleton.name} are not between {low} "
                      f"and {high}", "a sigma is an error divided by the root of the area, 0.025 "
                      "for COCO's eyes and 0.107 for hips, and with others AP is near 1 or 0 "
                      "whatever the network does: write parts, not percents or pixels", len(odd),
                      examples_of(odd))
    coco = load_skeleton("coco")
    differ = [f"{name} {sigma:g}, not {coco.sigmas[place]:g}" for name, sigma, place in zip(
        skeleton.joint_names, skeleton.sigmas, same_joints(skeleton.joint_names, coco.joint_names),
        strict=True) if place >= 0 and name not in skeleton.guessed_sigmas
        and not isclose(sigma, coco.sigmas[place], rel_tol=SAME_SIGMA)]
    if differ and not odd:
        yield Finding(f"{len(differ)} joints of the skeleton {skeleton.name} have a name of COCO's "
                      "and another sigma", "AP is not comparable with that of others (k in COCO's "
                      "papers is twice the sigma): take COCO's, unless you have measured yours",
                      len(differ), examples_of(differ), serious=False)
    for note in skeleton.notes():
        yield Finding(note, "the sigma says how exactly a joint can be labelled; too large ones "
                      "make AP look better, too small ones worse: write them into the skeleton, or "
                      "have some images labelled by a second person and estimate them (check "
                      "--repeated)", len(skeleton.guessed_sigmas), serious=False)


def summary(labels: RawLabels) -> str:
    """A set in one line, with how much of it was looked at."""
    images = len(labels.file_names)
    return (f"{labels.name}: {labels.part.ann_path}: {images} images, {len(labels.ids)} "
            f"annotations, {int(labels.persons.sum())} persons with joints; sizes read from "
            f"{min(images, check_pixels.MOST_HEADERS)} images")
