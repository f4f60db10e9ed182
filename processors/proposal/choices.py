"""Choices: each setting of a proposed YAML, with the reason for it. All rules of thumb stand here.

A choice is (key, value, reason); what is not named keeps its default.
"""
import math
from dataclasses import dataclass
from itertools import product
from typing import Any

from processors.proposal.facts import Facts
from processors.proposal.joints import is_upright_body
from processors.proposal.machine import GPU_BACKBONE, SHIPPED, Machine
from utils.shown import counted

PADDED = 1.25               # the crop is so much larger than the box
SIDES = {"cpu": (80, 112), "gpu": (112, 160, 224, 320)}     # pixels: sqrt of the input's area
ENLARGED = 1.5              # people are not shown much larger than they were photographed
WIDEST = 3.0                # width / height of the input, or height / width
UPRIGHT_SIZE = (128, 192)   # of people, with the small network's weights: better than smaller and
                            # larger ones (docs/results.md)
UPRIGHT = 45.0              # degrees of spread, above which there is no up and down
GB_A_PERSON = 0.25          # of memory to train on 192x256 pixels; half of the memory is used
STEPS = {"cpu": 1200, "gpu": 4000}      # of training on STEPS_FOR people; with the square root of
STEPS_FOR = 200                         # their number for fewer, in proportion for more,
MOST_STEPS = {"cpu": 20_000, "gpu": 100_000}    # up to here, or as few epochs as there may be
MOST_BATCH = {"cpu": 16, "gpu": 64}
STEPS_AN_EPOCH = 10         # at least, or batches are made smaller,
LEAST_BATCH = 16            # but not than this: batch norm's statistics would jump
EPOCHS = (10, 300)
EVALUATIONS = 20            # in a run
RATE = {"new": 0.0015, "pretrained": 0.0007}    # for batches of 16, with the square root of others
NOTHING = "starts from nothing; a file of weights may stand here"
FEW = 2000                  # people; fewer have been seen in few lights


@dataclass(frozen=True)
class Choice:
    key: str
    value: Any
    reason: str


def choices(facts: Facts, machine: Machine, weights: str) -> list[Choice]:
    """All that depends on people and machine. weights: as `weights_for` gives them."""
    kind = "gpu" if machine.gpu else "cpu"
    size = UPRIGHT_SIZE if is_known_sight(facts, weights) else input_size(facts, kind)
    batch = batch_size(facts, machine, size)
    steps = facts.persons // batch
    epochs = epochs_of(facts, kind, steps)
    interval = interval_of(epochs)
    return [
        Choice("data.batch_size", batch,
               f"people in a step: {_why_so_many(facts, machine, batch)}"),
        Choice("data.num_workers", min(machine.cores, 8 if machine.gpu else 2),
               f"processes that read pictures, for {counted(machine.cores, 'core')}"),
        *_network(facts, machine, weights), *_codec(facts, size, weights), *_augment(facts),
        *_optim(facts, batch, steps, epochs, weights),
        Choice("val.interval", interval,
               f"epochs between evaluations, which makes {epochs // interval} of them"),
        *([] if facts.mirrored else [
            Choice("val.flip_test", False, "mirror images are not asked, as none are learned")]),
        Choice("val.metrics", ["coco", "pck"], "AP of COCO, and the share of joints that are found "
                                              "within a part of the box's side"),
        Choice("gpus", [0] if machine.gpu else [], machine.gpu or
               "no GPU is here, so it runs on the processor; [0] is the first GPU")]


def is_known_sight(facts: Facts, weights: str) -> bool:
    """Whether training starts from the small network and shows what that has seen: upright people.
    Shown much smaller than it has seen them, it would first have to learn other sizes, of which few
    people are lost for what they are to teach."""
    return (weights == SHIPPED and is_upright_body(facts.skeleton)
            and not facts.spread > UPRIGHT and facts.aspect < 1)


def input_size(facts: Facts, kind: str) -> tuple[int, int]:
    """Width and height, multiples of 32, of the boxes' shape and about the area of the largest side
    that people have the pixels for. Square for those that are turned any way: else their ends
    would be turned out of it."""
    has = [side for side in SIDES[kind] if side <= ENLARGED * PADDED * facts.side]
    side = max(has, default=SIDES[kind][0])
    aspect = 1 if facts.spread > UPRIGHT else min(max(facts.aspect, 1 / WIDEST), WIDEST)

    def misfit(size: tuple[int, int]) -> float:
        width, height = size
        return (abs(math.log(width / height / aspect))
                + 0.5 * abs(math.log(width * height / side ** 2)))
    multiples = range(64, 577, 32)
    return min(product(multiples, multiples), key=misfit)


def batch_size(facts: Facts, machine: Machine, size: tuple[int, int]) -> int:
    """A power of two that fits into memory and makes enough steps; at least 2."""
    a_person = GB_A_PERSON * size[0] * size[1] / (192 * 256)
    most = min(MOST_BATCH["gpu" if machine.gpu else "cpu"], machine.memory / 2 / a_person,
               max(facts.persons / STEPS_AN_EPOCH, LEAST_BATCH), facts.persons)
    return max(2 ** int(math.log2(max(most, 1))), min(2, facts.persons))


def _why_so_many(facts: Facts, machine: Machine, batch: int) -> str:
    if batch < LEAST_BATCH:
        return (f"as many as {machine.memory:.3g} GB hold" if 2 * batch <= facts.persons else
                f"there are but {facts.persons}" if facts.persons > 1 else "there is but one")
    return (f"{LEAST_BATCH}, or more where they still make {STEPS_AN_EPOCH} steps an epoch, as far "
            f"as {machine.memory:.3g} GB hold them")


def epochs_of(facts: Facts, kind: str, steps: int) -> int:
    """So many that the number of steps is right. steps: in an epoch."""
    share = facts.persons / STEPS_FOR
    wanted = min(STEPS[kind] * max(math.sqrt(share), share), MOST_STEPS[kind])
    return int(min(max(round(wanted / steps), EPOCHS[0]), EPOCHS[1]))


def interval_of(epochs: int) -> int:
    """Epochs between evaluations."""
    return max(1, round(epochs / EVALUATIONS))


def _network(facts: Facts, machine: Machine, weights: str) -> list[Choice]:
    if weights == SHIPPED:
        own = [Choice("model.name", "resnet18", "18 layers, as the weights have that it starts "
                                                "from"),
               Choice("model.level", -2, "without its last stage, as they are"),
               Choice("model.pretrained", SHIPPED, "starts from a network that knows people on "
                                                   "photographs; it comes with the project")]
    elif machine.gpu:
        own = [Choice("model.name", GPU_BACKBONE, "50 layers, which a GPU trains in hours"),
               Choice("model.pretrained", bool(weights),
                      "starts from weights that know photographs (ImageNet)" if weights else
                      NOTHING)]
    else:
        own = [Choice("model.name", "resnet18", "18 layers, the least there are, for a processor"),
               Choice("model.width", 0.375, "a part of its channels, so that a processor trains it "
                                            "in minutes"),
               Choice("model.pretrained", False, NOTHING)]
    kind = Choice("model.type", "pose_resnet_duc", "the network that quickstart and recipes share")
    return [kind, *own, Choice("model.num_joints", facts.skeleton.num_joints,
                               "joints of the skeleton")]


def _codec(facts: Facts, size: tuple[int, int], weights: str) -> list[Choice]:
    side = math.sqrt(size[0] * size[1])
    known = is_known_sight(facts, weights)
    why = ("larger than the 128x160 at which those weights have learned, which gave more for few "
           "people (docs/results.md)") if known else (
        f"boxes are {facts.aspect:.2f} times as wide as high and {facts.side:.0f} pixels in size "
        f"(medians)" + ("; square, as they are turned any way" if facts.spread > UPRIGHT else ""))
    sigma = 1.5 if side < 144 else 2 if side < 272 else 3
    return [
        Choice("codec.input_size", list(size),
               f"width and height of what the network sees: {why}"),
        Choice("codec.sigma", sigma, "size of the spot that marks a joint, for this size"),
        Choice("codec.alignment", "udp", "places joints between pixels, exactly in mirror images "
                                         "too")]


def _augment(facts: Facts) -> list[Choice]:
    pairs = len(facts.skeleton.flip_pairs)
    flip = (f"never: {facts.doubt}; write the pairs into flip_pairs of the skeleton, and 0.5 here; "
            f"where there are none, only the latter" if facts.doubt else
            f"{counted(pairs, 'pair')} of joints change places" if pairs else
            "no names tell of a left and a right; 0, where two of them are" if facts.mirrored else
            "never: joints have no pairs, and go round one way only (or too few people tell)")
    if math.isnan(facts.spread):
        turn = [Choice("augment.rotation", 40, "degrees; the labels do not tell how people are "
                                               "turned, so the usual")]
    elif facts.spread > UPRIGHT:
        turn = [Choice("augment.rotation", 90, f"degrees, up to twice as many: they are seen from "
                                               f"any side (spread {facts.spread:.0f} degrees)"),
                Choice("augment.rotation_prob", 1.0, "all are turned, as there is no up and down")]
    else:
        turn = [Choice("augment.rotation", 40 if facts.spread > 20 else 30,
                       f"degrees: most are turned alike (spread {facts.spread:.0f} degrees)")]
    return [
        Choice("augment.flip", 0.5 if facts.mirrored else 0.0, f"share that is mirrored: {flip}"),
        *turn,
        Choice("augment.scale", 0.25, "sizes vary by a quarter, as boxes of a detector do"),
        *([Choice("augment.half_body", 0.3, "share that shows the upper or the lower body only")]
          if is_upright_body(facts.skeleton) else []),
        *([Choice("augment.brightness", 0.3, "few pictures show few lights, so these vary, too"),
           Choice("augment.contrast", 0.3, "the same")] if facts.persons < FEW else [])]


def _optim(facts: Facts, batch: int, steps: int, epochs: int, weights: str) -> list[Choice]:
    is_tuned = bool(weights) and (weights != SHIPPED or is_known_sight(facts, weights))
    rate = RATE["pretrained" if is_tuned else "new"] * math.sqrt(batch / 16)
    return [
        Choice("optim.optimizer", "adamw", "forgives rates that are not quite right"),
        Choice("optim.lr", float(f"{rate:.2g}"), f"learning rate for batches of {batch}"),
        Choice("optim.weight_decay", 0.05, "keeps weights small, where people are few"),
        Choice("optim.schedule", "cosine", "the rate falls to nothing until the end"),
        Choice("optim.warmup_epochs", max(1, epochs // 20), "epochs in which the rate rises"),
        Choice("optim.epochs", epochs, f"{epochs * steps} steps of training on {facts.persons} "
                                       f"people, {steps} an epoch"),
        Choice("optim.ema", round(1 - 20 / max(epochs * steps, 100), 4),
               "judges weights averaged over a twentieth of the run, which are steadier"),
        Choice("optim.amp", True, "half precision where the machine has it, which is faster"),
        *(_of_weights(facts, epochs, weights, is_tuned) if weights else [])]


def _of_weights(facts: Facts, epochs: int, weights: str, is_tuned: bool) -> list[Choice]:
    """What goes on with weights. is_tuned: they know what they will see, and need little. Where the
    small network of upright people saw lizards, to hold it made it worse than starting from nothing
    (docs/from_yolo_pose.md)."""
    patience = Choice("optim.patience", min(EVALUATIONS, epochs // interval_of(epochs) + 1) // 2,
                      "ends after so many evaluations without a better AP")
    if not is_tuned:
        return [Choice("optim.backbone_lr", 1.0, "the pretrained part learns at the whole rate, "
                                                 "for it has seen other things"), patience]
    knows_joints = weights == SHIPPED and facts.skeleton.name == "coco"
    return [
        *([] if knows_joints else [Choice(
            "optim.freeze_epochs", max(1, epochs // 20),
            "epochs in which the pretrained part stands still while the new one finds its feet")]),
        *([Choice("optim.freeze_stages", 1, "edges and textures stay as they are, which saves a "
                                            "third of the time")] if weights == SHIPPED else []),
        Choice("optim.backbone_lr", 0.3, "the pretrained part learns at a part of the rate"),
        patience]
