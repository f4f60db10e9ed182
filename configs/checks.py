"""What no single type can say: ranges, and settings that contradict each other."""
from collections.abc import Iterator

from configs.schema import Config, DataConfig
from utils.errors import UserError

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
HRNETS = ("w32", "w48")
NAMES = {"pose_resnet_duc": RESNETS, "pose_resnet_dconv": RESNETS, "pose_hrnet": HRNETS}
DROPOUT_MOST = 8        # numbers for so many rectangles travel with every training sample


def problems(config: Config) -> Iterator[tuple[str, str]]:
    """Yields (key, sentence about it with the cure) for every setting that cannot work."""
    out_of_range = list(_ranges(config))
    yield from out_of_range or _contradictions(config)


def _ranges(config: Config) -> Iterator[tuple[str, str]]:
    at_least = [
        ("seed", config.seed, 0), ("processes", config.processes, 1),
        ("data.batch_size", config.data.batch_size, 1), ("data.debug", config.data.debug, 0),
        ("data.num_workers", config.data.num_workers, 0),
        ("data.synthetic_train", config.data.synthetic_train, 0),
        ("data.synthetic_val", config.data.synthetic_val, 0),
        ("model.num_joints", config.model.num_joints, 1),
        ("optim.epochs", config.optim.epochs, 1),
        ("optim.warmup_epochs", config.optim.warmup_epochs, 0),
        ("optim.weight_decay", config.optim.weight_decay, 0),
        ("optim.clip_norm", config.optim.clip_norm, 0),
        ("optim.accumulate", config.optim.accumulate, 1),
        ("val.save_minutes", config.val.save_minutes, 0),
        ("val.save_steps", config.val.save_steps, 0),
        ("val.interval", config.val.interval, 1), ("val.batch_size", config.val.batch_size, 0),
        ("log.every", config.log.every, 1), ("augment.rotation", config.augment.rotation, 0),
        ("augment.box_jitter", config.augment.box_jitter, 0),
        ("augment.hue", config.augment.hue, 0),
        ("augment.weak_epochs", config.augment.weak_epochs, 0),
    ]
    if config.seed >= 2 ** 63:
        yield "seed", f"is {config.seed}; it must be below 2 ** 63"
    for key, value, low in at_least:
        if not value >= low:
            yield key, f"is {value}; it must be at least {low}"
    above_zero = [("model.width", config.model.width), ("optim.lr", config.optim.lr),
                  ("optim.gamma", config.optim.gamma), ("codec.sigma", config.codec.sigma),
                  ("augment.blur_sigma", config.augment.blur_sigma)]
    for key, value in above_zero:
        if not 0 < value < float("inf"):
            yield key, f"is {value}; it must be above 0"
    if not 0 <= config.augment.scale < 1:
        yield "augment.scale", (f"is {config.augment.scale}; it must be at least 0 and below 1, "
                                f"where persons would shrink to nothing")
    if not 0 <= config.augment.perspective <= 0.4:
        yield "augment.perspective", (f"is {config.augment.perspective}; it must lie between 0 "
                                      f"and 0.4, near which a crop shows the horizon")
    if not 1 <= config.augment.dropout_count <= DROPOUT_MOST:
        yield "augment.dropout_count", (f"is {config.augment.dropout_count}; it must lie between "
                                        f"1 and {DROPOUT_MOST}")
    shares = [("optim.ema", config.optim.ema), ("val.nms_threshold", config.val.nms_threshold)]
    shares += [(f"augment.{name}", getattr(config.augment, name)) for name in (
        "flip", "rotation_prob", "half_body", "brightness", "contrast", "saturation", "grey",
        "blur", "dropout", "dropout_size", "weak")]
    for key, value in shares:
        if not 0 <= value <= 1:
            yield key, f"is {value}; it must lie between 0 and 1"


def _contradictions(config: Config) -> Iterator[tuple[str, str]]:
    model, codec, optim, gpus = config.model, config.codec, config.optim, config.gpus
    if not config.model_name or "/" in config.model_name:
        yield "model_name", "becomes part of file names; write a name without '/'"
    if not config.val.weight_path:
        yield "val.weight_path", "is empty; name the folder for checkpoints, such as weights"
    if config.data.debug is True:
        yield "data.debug", "is true; write the number of samples to use, or false"
    for number, extra in enumerate(config.data.extra_sets):
        for name in ("ann_path", "img_root"):
            if not getattr(extra, name):
                yield "data.extra_sets", (f"has no {name} in entry {number + 1}; write "
                                          f"ann_path: and img_root: for each")
    known = NAMES[model.type]
    if model.name not in known:
        yield "model.name", (f"is '{model.name}', but model.type is {model.type}; "
                             f"choose {', '.join(known)}")
    if model.reduction and known is not RESNETS:
        yield "model.reduction", f"is true, but {model.type} has no SE layers; write false"
    if model.width != 1 and known is not RESNETS:
        yield "model.width", f"is {model.width}, but only ResNets have other widths; write 1"
    if model.width != 1 and model.pretrained is True:
        yield "model.width", (f"is {model.width}, but ImageNet weights fit the full width only; "
                              f"write 1, or set model.pretrained to false")
    if any(side % 32 or side <= 0 for side in codec.input_size):
        yield "codec.input_size", (f"is {list(codec.input_size)}; width and height must be "
                                   f"multiples of 32, such as [192, 256]")
    if codec.blur_kernel and (codec.blur_kernel % 2 == 0 or codec.blur_kernel < 3):
        yield "codec.blur_kernel", (f"is {codec.blur_kernel}; it must be odd and at least 3, or 0 "
                                    f"to take it from codec.sigma")
    if config.val.nms == "soft_oks" and config.val.nms_threshold == 0:
        yield "val.nms_threshold", "is 0, but val.nms is soft_oks, which divides by it; write 0.9"
    if list(optim.milestones) != sorted(set(optim.milestones)) or min(optim.milestones,
                                                                      default=1) < 1:
        yield "optim.milestones", (f"is {list(optim.milestones)}; write rising epoch numbers, "
                                   f"such as [120, 160]")
    if optim.warmup_epochs >= optim.epochs:
        yield "optim.warmup_epochs", (f"is {optim.warmup_epochs}, but optim.epochs is "
                                      f"{optim.epochs}; write less, 0 for no warm-up")
    if config.augment.weak_epochs > optim.epochs:
        yield "augment.weak_epochs", (f"is {config.augment.weak_epochs}, but optim.epochs is "
                                      f"{optim.epochs}; there cannot be more of them")
    if len(set(gpus)) != len(gpus) or min(gpus, default=0) < 0:
        yield "gpus", f"is {list(gpus)}; name each device once by its number"
    if config.processes > 1 and (gpus or config.processor == "dp"):
        yield "processes", (f"is {config.processes}, but counts only for ddp on the CPU; set "
                            f"processor: ddp and gpus: [], or processes: 1")
    devices = len(gpus) or config.processes
    if config.data.batch_size % devices:
        yield "data.batch_size", (f"is {config.data.batch_size} in total, which {devices} "
                                  f"devices cannot share evenly; choose a multiple of {devices}")
    share = config.data.batch_size // devices
    if share % optim.accumulate:
        yield "optim.accumulate", (f"is {optim.accumulate}, which does not divide the {share} "
                                   f"persons of a device's batch; choose a divisor")
    if optim.amp == "bf16" and config.processor == "dp" and len(gpus) > 1:
        yield "optim.amp", ("is bf16, which DataParallel would run as fp16 in its threads; set "
                            "processor: ddp or amp: fp16")
    if optim.sync_bn and config.processor == "dp":
        yield "optim.sync_bn", "is true, but DataParallel cannot do it; set processor: ddp"


TRAIN_PATHS = "train_ann_path", "train_img_root"
VAL_PATHS = "val_ann_path", "val_img_root"


def ensure_set(data: DataConfig, *keys: str) -> None:
    """Raise ValueError for a path that is needed and the YAML does not give."""
    for key in keys:
        if not getattr(data, key):
            raise UserError(f"data.{key} is not set; write its path into the YAML file, or give "
                             f"data.{key}=... on the command line")
