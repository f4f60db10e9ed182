"""What no single type can say: ranges, and settings that contradict each other."""
from collections.abc import Iterator
from dataclasses import Field, fields, is_dataclass
from typing import Any

from configs.networks import NETWORKS, VECTOR_HEADS
from configs.schema import Config, DataConfig, ModelConfig, ValConfig
from configs.scores import SCORES
from utils.errors import UserError
from utils.shown import is_plain, shown
from utils.user_path import path_problem

LONGEST_TEXT = 1000     # characters, of paths too
LONGEST_NAME = 200      # bytes; a file system takes 255, and endings follow
NOT_IN_NAMES = '/\\:*?"<>|'      # not all file systems have them in names


def problems(config: Config, one_device: bool = False) -> Iterator[tuple[str, str]]:
    """Yields (key, sentence about it with the cure) for every setting that cannot work.

    one_device: only the first of `gpus` is used, which shares no batch with others.
    """
    single = [*range_problems(config), *_text_problems(config)]
    yield from single or (*_contradictions(config), *_best(config.val))
    if not single and not one_device:
        yield from _sharing(config)


def range_problems(section: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(key, sentence) for each setting of a section with a number out of its range."""
    for key, field, value in _settings(section, prefix):
        several = isinstance(value, tuple)
        numbers = [part for part in (value if several else (value,))
                   if isinstance(part, int | float) and not isinstance(part, bool)]
        if any(number not in field.metadata["range"] for number in numbers):
            subject = "each number in it" if several else "it"
            yield key, (f"is {shown(list(value) if several else value)}; {subject} must "
                        f"{field.metadata['range'].rule()}")


def ensure_ranges(section: Any, prefix: str) -> None:
    """Raise UserError for the first number out of its range, where no YAML was loaded."""
    for key, sentence in range_problems(section, prefix):
        raise UserError(f"{key} {sentence}")


def _settings(section: Any, prefix: str = "") -> Iterator[tuple[str, Field, Any]]:
    """Key, field and value of every setting in a section, in those in it and in its lists."""
    for field in fields(section):
        key, value = f"{prefix}{field.name}", getattr(section, field.name)
        if is_dataclass(value):
            yield from _settings(value, f"{key}.")
        elif isinstance(value, tuple) and any(map(is_dataclass, value)):
            for number, entry in enumerate(value):
                yield from _settings(entry, f"{key}[{number}].")
        else:
            yield key, field, value


def _text_problems(config: Config) -> Iterator[tuple[str, str]]:
    """Texts that no message, log or file name can hold, and paths of a shell."""
    for key, field, value in _settings(config):
        if not isinstance(value, str):
            continue
        if len(value) > LONGEST_TEXT:
            yield key, f"has {len(value)} characters; write at most {LONGEST_TEXT}"
        elif not is_plain(value):
            yield key, (f"is {shown(value)}; write it without line breaks and other characters "
                        f"that cannot be shown")
        elif field.metadata["path"] and (problem := path_problem(value)):
            yield key, problem


def network_problems(model: ModelConfig) -> Iterator[tuple[str, str]]:
    """(key, sentence) for what the network of model.type does not have."""
    network = NETWORKS.get(model.type)
    if network is None:
        yield "model.type", f"is {shown(model.type)}; choose one of: {', '.join(NETWORKS)}"
        return
    if network.names and model.name not in network.names:
        yield "model.name", (f"is {shown(model.name)}; {model.type} knows: "
                             f"{', '.join(network.names)}")
    if model.reduction and not network.has_se:
        yield "model.reduction", f"is true, but {model.type} has no SE layers; write false"
    if model.width != 1 and not network.has_widths:
        yield "model.width", f"is {model.width}, but only ResNets have other widths; write 1"
    if model.head not in ("default", *network.heads):
        yield "model.head", (f"is {shown(model.head)}, but {model.type} has "
                             f"{' and '.join(network.heads)}; write one of them")
    if network.levels and model.level not in network.levels:
        yield "model.level", (f"is {model.level}, but {model.type} has "
                              f"{', '.join(map(str, network.levels))}; write -1 for the last")
    if model.drop_path and not network.has_drop_path:
        yield "model.drop_path", (f"is {model.drop_path}, but {model.type} has no layers that can "
                                  f"be gone past; write 0")


def _name_problem(name: str) -> str:
    if name.strip() != name or not name.strip("."):
        return "a name that is not blank, no dots alone and without blanks at its ends"
    if name.startswith("-"):
        return "a name that does not begin with -, as options of commands do"
    if any(letter in NOT_IN_NAMES for letter in name):
        return f"a name without any of {' '.join(NOT_IN_NAMES)}"
    if len(name.encode()) > LONGEST_NAME:
        return f"a name of at most {LONGEST_NAME} bytes"
    return ""


def _contradictions(config: Config) -> Iterator[tuple[str, str]]:
    model, codec, optim = config.model, config.codec, config.optim
    if problem := _name_problem(config.model_name):
        yield "model_name", f"is {shown(config.model_name)}, a part of file names; write {problem}"
    if not config.val.weight_path:
        yield "val.weight_path", "is empty; name the folder for checkpoints, such as weights"
    if config.data.debug is True:
        yield "data.debug", "is true; write the number of samples to use, or false"
    for number, extra in enumerate(config.data.extra_sets):
        for name in ("ann_path", "img_root"):
            if not getattr(extra, name):
                yield "data.extra_sets", (f"has no {name} in entry {number + 1}; write "
                                          f"ann_path: and img_root: for each")
    for number, entry in enumerate(config.data.unlabelled):
        if not entry.img_root:
            yield "data.unlabelled", (f"has no img_root in entry {number + 1}; write img_root: for "
                                      f"each, the folder of its pictures")
    if config.data.unlabelled and not optim.ema:
        yield "optim.ema", ("is 0, but the averaged network labels the people of data.unlabelled; "
                            "write such as 0.999, or less for a run of some hundred steps")
    if config.data.unlabelled and optim.unlabelled_after >= optim.epochs:
        yield "optim.unlabelled_after", (f"is {optim.unlabelled_after}, but optim.epochs is "
                                         f"{optim.epochs}: nothing would be learned from people "
                                         f"without labels; write less")
    yield from network_problems(model)
    if model.width != 1 and model.pretrained is True:
        yield "model.width", (f"is {model.width}, but ImageNet weights fit the full width only; "
                              f"write 1, or set model.pretrained to false")
    multiple = NETWORKS[model.type].multiple if model.type in NETWORKS else 1
    if any(side % multiple for side in codec.input_size):
        yield "codec.input_size", (f"is {list(codec.input_size)}; width and height must be "
                                   f"multiples of {multiple}, such as [192, 256]")
    yield from _kind_problems(config)
    if codec.blur_kernel and (codec.blur_kernel % 2 == 0 or codec.blur_kernel < 3):
        yield "codec.blur_kernel", (f"is {codec.blur_kernel}; it must be odd and at least 3, or 0 "
                                    f"to take it from codec.sigma")
    if config.val.nms == "soft_oks" and config.val.nms_threshold == 0:
        yield "val.nms_threshold", "is 0, but val.nms is soft_oks, which divides by it; write 0.9"
    if list(optim.milestones) != sorted(set(optim.milestones)):
        yield "optim.milestones", (f"is {shown(list(optim.milestones))}; write rising epoch "
                                   f"numbers, such as [120, 160]")
    if optim.warmup_epochs >= optim.epochs:
        yield "optim.warmup_epochs", (f"is {optim.warmup_epochs}, but optim.epochs is "
                                      f"{optim.epochs}; write less, 0 for no warm-up")
    if optim.freeze_epochs >= optim.epochs:
        yield "optim.freeze_epochs", (f"is {optim.freeze_epochs}, but optim.epochs is "
                                      f"{optim.epochs}: the backbone would never learn; write less")
    if optim.backbone_lr != 1 and optim.layer_decay != 1:
        yield "optim.backbone_lr", (f"is {optim.backbone_lr:g}, but optim.layer_decay gives the "
                                    f"backbone its rates; write 1 for one of them")
    if config.augment.weak_epochs > optim.epochs:
        yield "augment.weak_epochs", (f"is {config.augment.weak_epochs}, but optim.epochs is "
                                      f"{optim.epochs}; there cannot be more of them")
    if config.log.trackers and not config.log.project.strip():
        yield "log.project", "is empty; name what trackers gather runs under, such as simplepose"
    if len(set(config.gpus)) != len(config.gpus):
        yield "gpus", f"is {shown(list(config.gpus))}; name each device once by its number"


def _kind_problems(config: Config) -> Iterator[tuple[str, str]]:
    """What codec.kind and the head disagree about, and what SimCC has not."""
    codec, head = config.codec, config.model.head
    if (codec.kind == "simcc") != (head in VECTOR_HEADS):
        yield "codec.kind", (f"is {codec.kind}, but model.head {head} gives "
                             + ("heatmaps; write model.head: simcc, or codec.kind: heatmap"
                                if codec.kind == "simcc" else "two vectors a joint; write simcc"))
    if config.model.softmax and head in VECTOR_HEADS:
        yield "model.softmax", (f"is true, but model.head {head} gives vectors, no heatmaps; write "
                                f"false")
    for key in ("encoding", "decoder"):
        if codec.kind == "simcc" and getattr(codec, key) != "default":
            yield f"codec.{key}", (f"is {getattr(codec, key)}, but codec.kind simcc has one of its "
                                   f"own; write default")


def _sharing(config: Config) -> Iterator[tuple[str, str]]:
    """What several devices or processes share a batch by."""
    optim, gpus = config.optim, config.gpus
    if config.processes > 1 and (gpus or config.processor == "dp"):
        yield "processes", (f"is {config.processes}, but counts only for ddp on the CPU; set "
                            f"processor: ddp and gpus: [], or processes: 1")
    devices = len(gpus) or config.processes
    if config.data.batch_size % devices:
        yield "data.batch_size", (f"is {config.data.batch_size} in total, which {devices} "
                                  f"devices cannot share evenly; choose a multiple of {devices}")
    added = config.data.unlabelled_batch
    if config.data.unlabelled and added % (devices * optim.accumulate):
        yield "data.unlabelled_batch", (f"is {added} in total, which {devices} devices with "
                                        f"optim.accumulate {optim.accumulate} cannot share evenly; "
                                        f"choose a multiple of {devices * optim.accumulate}")
    share = config.data.batch_size // devices
    if share % optim.accumulate:
        yield "optim.accumulate", (f"is {optim.accumulate}, which does not divide the {share} "
                                   f"persons of a device's batch; choose a divisor")
    if optim.amp == "bf16" and config.processor == "dp" and len(gpus) > 1:
        yield "optim.amp", ("is bf16, which DataParallel would run as fp16 in its threads; set "
                            "processor: ddp or amp: fp16")
    if optim.sync_bn and config.processor == "dp":
        yield "optim.sync_bn", "is true, but DataParallel cannot do it; set processor: ddp"


def _best(val: ValConfig) -> Iterator[tuple[str, str]]:
    metric = next((name for name, scores in SCORES.items() if val.best in scores), "coco")
    if metric not in (*val.metrics, "coco"):
        yield "val.best", (f"is {val.best}, which val.metrics does not ask for; write "
                           f"val.metrics: [coco, {metric}]")


TRAIN_PATHS = "train_ann_path", "train_img_root"
VAL_PATHS = "val_ann_path", "val_img_root"


def ensure_set(data: DataConfig, *keys: str) -> None:
    """Raise UserError for a path that is needed and the YAML does not give."""
    for key in keys:
        if not getattr(data, key):
            raise UserError(f"data.{key} is not set; write its path into the YAML file, or give "
                             f"data.{key}=... on the command line")
