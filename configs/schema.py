"""Config: every setting of the project, typed, with its unit, its meaning and its default.

`configs/loader.py` fills these classes from one flat YAML file; nothing else creates settings.
"""
from dataclasses import dataclass, field
from typing import Literal

from configs.networks import NETWORKS
from configs.scores import SCORES, Metric
from configs.setting import setting, share
from utils.input_format import INPUT_FORMATS

# Largest numbers: far beyond any use, and small enough for a machine to survive them.
MOST_BATCH = 65_536         # persons
MOST_EPOCHS = 100_000
MOST_IMAGES = 100_000       # to be drawn
MOST_JOINTS = 1000
MOST_PROCESSES = 256
MOST_STEPS = 1_000_000_000
MOST_SIDE = 2048            # pixels of a network's input
DROPOUT_MOST = 8            # numbers for so many rectangles travel with every training sample
IDS = 2 ** 63               # ids and seeds are 64 bits long


@dataclass(frozen=True, kw_only=True)
class ExtraSet:
    ann_path: str = setting("", "COCO keypoints JSON", path=True)
    img_root: str = setting("", "folder of its images", path=True)
    skeleton: str = setting(
        "", "its skeleton, if another one; joints are matched by name", path=True)
    category: str | int = setting(
        "", "its category, if another one than data.category", low=0, below=IDS)


@dataclass(frozen=True, kw_only=True)
class UnlabelledSet:
    boxes: str = setting("", "boxes: what `detect` wrote, or a COCO annotation file, whose joints "
                             "are not learned; empty: each picture is one person", path=True)
    img_root: str = setting("", "folder of the pictures", path=True)


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What to train and evaluate on, and how images are read."""
    train_ann_path: str = setting("", "COCO keypoints JSON to train on", path=True)
    val_ann_path: str = setting("", "COCO keypoints JSON to evaluate on", path=True)
    train_img_root: str = setting("", "folder of the training images", path=True)
    val_img_root: str = setting("", "folder of the validation images", path=True)
    batch_size: int = setting(
        128, "persons in a batch, the total over all devices", low=1, high=MOST_BATCH)
    num_workers: int = setting(
        8, "processes that read images; 0 reads in the main process", low=0, high=MOST_PROCESSES)
    debug: bool | int = setting(
        False, "a number: use only that many samples of each set", low=0, high=MOST_STEPS)
    skip_broken: bool = setting(False, "go on without images that cannot be read, and count them")
    skeleton: str = setting(
        "coco", "a name in configs/skeletons or the path of a skeleton YAML", path=True)
    category: str | int = setting(
        "", "name or id in the annotation files, or all; empty: person, or the only one",
        low=0, below=IDS)
    exif: Literal["default", "ignore", "obey"] = setting(
        "default", "pictures whose EXIF orientation the size in the annotations leaves open: "
                   "ignore reads them as stored, obey upright; default ignores and asks")
    bits: int = setting(
        0, "of images with 16 a value, how many are in use, 12 of a 12-bit camera; 0: as many of "
           "8, 10, 12, 14 and 16 as each image needs", low=0, high=16)
    extra_sets: tuple[ExtraSet, ...] = setting((), "more sets to train on, mixed with the first")
    unlabelled: tuple[UnlabelledSet, ...] = setting(
        (), "people without labels to learn from, too (docs/unlabelled.md); needs optim.ema")
    unlabelled_batch: int = setting(
        0, "persons without labels in a step, beside those of batch_size, the total over all "
           "devices; 0: as many as batch_size", low=0, high=MOST_BATCH)
    train_pack: str = setting(
        "", "training crops cut beforehand by `python main.py pack CONFIG`", path=True)
    pack_format: Literal["jpeg", "raw"] = setting(
        "jpeg", "how pack stores training crops: jpeg of quality 95, or raw, which reads faster")
    val_pack: str = setting(
        "", "finished crops of the persons to judge, made by `python main.py pack CONFIG`, too: "
            "the same numbers without reading images", path=True)
    synthetic_train: int = setting(
        0, "draw this many training images if train_ann_path is missing", low=0, high=MOST_IMAGES)
    synthetic_val: int = setting(
        0, "draw this many validation images if val_ann_path is missing", low=0, high=MOST_IMAGES)


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The network, and the weights it starts from."""
    type: str = setting("pose_resnet_duc", "backbone and head", choices=tuple(NETWORKS))
    name: str = setting("resnet50", "resnet18, 34, 50, 101 or 152; of pose_hrnet w32 or w48, of "
                                    "pose_vit s, b, l or h, of pose_cspnext t, s, m or l, of "
                                    "pose_timm a name that timm knows")
    width: float = setting(1.0, "channels of a ResNet and its head as a part of the original's: "
                               "half the width is a quarter of the compute", above=0, high=4)
    head: Literal["default", "classic", "simple", "dconv", "duc", "simcc", "rtmcc"] = setting(
        "default", "pose_vit: classic (the default) has two transposed convolutions, simple "
                   "interpolates; pose_timm: dconv (the default), duc or simple; all: simcc, two "
                   "vectors a joint; pose_cspnext: rtmcc, RTMPose's, or dconv (the default)")
    level: int = setting(
        -1, "of ResNets and pose_timm: which of the network's features go to the head, -1: the "
            "last; a ResNet ends there: -2 does without its fourth stage, -3 without the third",
        low=-16, high=16)
    drop_path: float = setting(
        0.0, "of pose_vit and pose_timm: share of persons that go past its last layers in "
             "training, falling to 0 at the first", low=0, below=1)
    num_joints: int = setting(
        17, "joints, one heatmap each; must match the skeleton", low=1, high=MOST_JOINTS)
    pretrained: bool | str = setting(
        False, "true: torchvision's ImageNet weights for the backbone (of pose_timm timm's own); a "
        "path, or a name that `python main.py weights` lists: any known checkpoint", path=True)
    reduction: bool = setting(
        False, "SE layers in the first block of each ResNet stage that has a downsample")
    softmax: bool = setting(
        False, "heatmaps are made of a softmax over pixels, which learns where the joint is as "
               "probabilities; for optim.loss softmax_kl")
    visibility: bool = setting(
        False, "an output more for each joint: how likely it is visible, hidden or absent "
               "(docs/visibility.md)")
    input_format: str = setting(
        "rgb_mean_std", "channel order, mean and std the weights want (utils/input_format.py); "
        "pose_timm with pretrained: true takes those of its weights", choices=tuple(INPUT_FORMATS))

    def __str__(self) -> str:
        """The network in words."""
        return (f"{self.type} {self.name}"
                + (f" with head {self.head}" if self.head != "default" else "")
                + (" with SE" if self.reduction else "")
                + (" with softmax" if self.softmax else "")
                + (" with visibility" if self.visibility else "")
                + (f" to level {self.level}" if self.level != -1 else "")
                + (f" at {self.width:g} of its width" if self.width != 1 else ""))


@dataclass(frozen=True, kw_only=True)
class CodecConfig:
    """How joints become heatmaps, or vectors, and these joints; training, evaluation and prediction
    share it."""
    kind: Literal["heatmap", "simcc"] = setting(
        "heatmap", "what the network gives: heatmaps, or with model.head simcc or rtmcc two "
                   "vectors of bins for each joint")
    input_size: tuple[int, int] = setting(
        (192, 256), "network input, (width, height) in pixels", low=32, high=MOST_SIDE)
    sigma: float = setting(
        2.0, "standard deviation of the target Gaussian, heatmap pixels", low=0.1, high=30)
    alignment: Literal["hrnet", "dark", "udp"] = setting(
        "hrnet", "pixel convention of boxes, affine, heatmaps and flip shift, kept together")
    encoding: Literal["default", "exact", "rounded"] = setting(
        "default", "target centre: real-valued or rounded to whole heatmap pixels")
    decoder: Literal["default", "gauss_taylor", "vitpose", "quarter", "argmax"] = setting(
        "default", "heatmap to coordinates; default is gauss_taylor (DARK)")
    blur_kernel: int = setting(
        0, "side of the Gaussian that gauss_taylor and vitpose blur with, odd pixels; 0: from "
           "sigma, 11 for 2", low=0, high=199)
    split: int = setting(2, "simcc: bins in an input pixel", low=1, high=8)
    bin_sigma: tuple[float, float] = setting(
        (6.0, 6.0), "simcc: standard deviation of the target Gaussians in x and in y, bins",
        low=0.1, high=100)
    normalize: bool = setting(
        True, "simcc: target Gaussians of sum 1, SimCC's; false: of height 1, RTMPose's")


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Random changes of training samples."""
    flip: float = share(0.5, "probability of mirroring a person")
    rotation: float = setting(
        40.0, "rotation factor in degrees: N(0,1) * factor, cut at 2 factors", low=0, high=360)
    rotation_prob: float = share(0.6, "probability of rotating at all")
    scale: float = setting(
        0.3, "scale factor: N(1, factor), cut at 1 +- factor",
        low=0, below=1, because=", where persons would shrink to nothing")
    half_body: float = share(0.0, "probability of cropping to the upper or lower body")
    box_jitter: float = setting(
        0.0, "strength of a detector's box errors; 1: AlphaPose's (DPG)", low=0, high=10)
    perspective: float = setting(
        0.0, "strength of tilting: largest change of size from the middle of the crop to an edge",
        low=0, high=0.4, because=", near which a crop shows the horizon")
    brightness: float = share(0.0, "factor of the colours between 1 - x and 1 + x")
    contrast: float = share(0.0, "factor of the distance from mid grey between 1 - x and 1 + x")
    saturation: float = share(0.0, "factor of the distance from grey between 1 - x and 1 + x")
    hue: float = setting(0.0, "turn of the hue between -x and x degrees", low=0, high=360)
    grey: float = share(0.0, "probability of taking all colour away")
    blur: float = share(0.0, "probability of a Gaussian blur")
    blur_sigma: float = setting(
        2.0, "largest standard deviation of the blur, input pixels", above=0, high=50)
    dropout: float = share(0.0, "probability of covering rectangles with black (coarse dropout)")
    dropout_count: int = setting(3, "most rectangles in a crop", low=1, high=DROPOUT_MOST)
    dropout_size: float = share(0.4, "longest side of a rectangle, as a part of the crop's")
    weak_epochs: int = setting(
        0, "last epochs of a run with weaker augmentation", low=0, high=MOST_EPOCHS)
    weak: float = share(0.5, "factor of all strengths and probabilities in them, except flip's")


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """The recipe of training."""
    epochs: int = setting(180, "epochs to train", low=1, high=MOST_EPOCHS)
    optimizer: Literal["adam", "adamw", "sgd"] = setting("adam", "sgd has momentum 0.9")
    lr: float = setting(1e-3, "learning rate, stated for the total batch", above=0, high=1e30)
    weight_decay: float = setting(
        0.0, "not applied to norms, biases and position embeddings", low=0, high=1e6)
    freeze_epochs: int = setting(
        0, "first epochs in which the backbone stands still, in evaluation mode: weights, batch "
           "norm statistics, no drop path", low=0, high=MOST_EPOCHS)
    freeze_stages: int = setting(
        0, "first stages of the backbone that stand still in the whole run, with what comes before "
           "them: 1: to layer1 of a ResNet; a step on a CPU is then 1.5 times as fast",
        low=0, high=100)
    backbone_lr: float = setting(1.0, "factor of lr for the backbone", above=0, high=1)
    layer_decay: float = setting(
        1.0, "factor of lr from each stage of the backbone (of a ViT each block) to the one before "
             "it, the last one's from the head's; 1: one rate for all", above=0, high=1)
    schedule: Literal["multistep", "cosine", "flat_cosine"] = setting(
        "multistep", "course of lr after warm-up; flat_cosine, RTMPose's, keeps it for half of the "
                     "epochs and then falls to a twentieth")
    milestones: tuple[int, ...] = setting(
        (120, 160), "epochs after which lr is multiplied by gamma", low=1, high=MOST_EPOCHS)
    gamma: float = setting(0.1, "factor of a learning rate step", above=0, high=1000)
    patience: int = setting(
        0, "evaluations without a better val.best after which the run ends, counted when the "
           "backbone learns; 0: goes on to the end", low=0, high=MOST_EPOCHS)
    warmup_epochs: float = setting(
        0.0, "epochs in which lr rises linearly from 0", low=0, high=MOST_EPOCHS)
    loss: Literal["mse", "ohkm", "adaptive_wing", "softmax_kl", "simcc_kl", "rtmpose_kl"] = setting(
        "mse", "see losses/heatmap.py; with model.softmax: softmax_kl; for codec.kind simcc: "
               "simcc_kl or rtmpose_kl, see losses/simcc.py")
    visibility_weight: float = setting(
        0.0001, "factor of the loss of model.visibility beside optim.loss", above=0, high=1e6)
    joint_weights: bool = setting(False, "weigh joints in the loss as the skeleton says")
    unlabelled_after: int = setting(
        1, "of data.unlabelled: first epochs with the labelled people alone", low=0,
        high=MOST_EPOCHS)
    unlabelled_score: float = share(0.3, "of data.unlabelled: height of the averaged network's "
                                         "peak, a part of the target's, from which a joint counts")
    amp: bool | Literal["fp16", "bf16"] = setting(
        False, "mixed precision; true: bf16 where the device has it, else fp16")
    clip_norm: float = setting(
        0.0, "largest norm of the gradient; 0: no clipping", low=0, high=1e30)
    accumulate: int = setting(
        1, "gradient accumulation: micro-batches that a step adds up, to save memory",
        low=1, high=MOST_BATCH)
    ema: float = setting(
        0.0, "decay of averaged weights, such as 0.999; 0: no averaging", low=0, high=1)
    sync_bn: bool = setting(False, "batch norm statistics over all DDP processes")
    channels_last: bool = setting(True, "pixel-major memory, faster on GPUs and CPUs")
    compile: bool | Literal["regions"] = setting(
        False, "true: torch.compile the network as one graph; regions: each kind of repeated block "
               "by itself, which starts sooner (docs/results.md)")


@dataclass(frozen=True, kw_only=True)
class ValConfig:
    """How evaluation is done, and where a run's files go."""
    interval: int = setting(
        1, "epochs between evaluations; the last epoch is always evaluated",
        low=1, high=MOST_EPOCHS)
    weight_path: str = setting(
        "weights", "folder for checkpoints, metrics.jsonl and pictures", path=True)
    save_minutes: float = setting(
        10.0, "minutes between checkpoints within an epoch; 0: none", low=0, high=1e6)
    save_steps: int = setting(
        0, "steps between checkpoints within an epoch; 0: none", low=0, high=MOST_STEPS)
    batch_size: int = setting(
        0, "persons in a batch of evaluation; 0: data.batch_size", low=0, high=MOST_BATCH)
    flip_test: bool = setting(True, "average the heatmaps of each image and of its mirror image")
    boxes: str = setting(
        "gt", "gt, or the path of a detections file in COCO results form", path=True)
    box_score: float = setting(
        0.0, "use detected boxes with at least this score", low=-1e6, high=1e6)
    only_images_with_boxes: bool = setting(
        False, "judge only the images that the detections file names")
    score_rule: Literal["hrnet", "alphapose", "simplepose", "visibility"] = setting(
        "hrnet", "how box and joint scores make the score of a pose; visibility, for networks with "
                 "model.visibility: a joint counts by how likely it is not absent")
    joint_score: float = setting(
        0.2, "joints above this score count in the hrnet rule", low=-1e6, high=1e6)
    nms: Literal["oks", "soft_oks", "none"] = setting("oks", "suppression of double poses")
    nms_threshold: float = share(0.9, "OKS above which two poses are the same person")
    judge: Literal["auto", "pycocotools", "hotcoco"] = setting(
        "auto", "who computes COCO's ten numbers: auto by arrays of our own, the fastest; all "
                "give the same to the last digit")
    metrics: tuple[Metric, ...] = setting(
        ("coco",), "coco, whose ten numbers are there always, and pck, pck_torso, pckh, epe, nme, "
                   "auc, crowdpose, wholebody (processors/evaluation/joint_metrics.py)")
    best: str = setting("AP", "the number by which the best epoch is chosen, one of val.metrics",
                        choices=[score for scores in SCORES.values() for score in scores])

    @property
    def ground_truth_boxes(self) -> bool:
        """Whether persons are judged in their annotated boxes, and not in a detector's."""
        return self.boxes == "gt"


@dataclass(frozen=True, kw_only=True)
class DetectorConfig:
    """Who finds persons for `detect` and `predict`."""
    type: Literal["yolov5", "torchvision"] = setting("yolov5", "who finds the persons")
    name: str = setting("", "yolov5n, s, m, l or x (empty: as the weights file says), or a "
                           "detection model of torchvision (empty: fasterrcnn_resnet50_fpn_v2)")
    weights: str = setting(
        "", "path of a weights file, or of an .onnx file of YOLOv8, YOLO11, YOLO26 (also -pose), "
            "YOLOv5 or YOLOX, or a name such as yolov5s; torchvision downloads its own if empty",
        path=True)
    classes: tuple[int | str, ...] = setting(
        (), "names or numbers of the classes that are found; empty: person", low=0, high=9999)
    image_size: int = setting(
        640, "YOLO: longer side of its input, pixels, a multiple of 32", low=32, high=8192)
    confidence: float = share(0.25, "lowest score of a box; 0.01 for evaluations of AP")
    iou: float = share(0.45, "overlap above which two boxes are one person; 0.6 for evaluations")
    max_detections: int = setting(1000, "most boxes in an image", low=1, high=100_000)
    batch_size: int = setting(16, "images at once", low=1, high=1024)
    amp: bool | Literal["fp16", "bf16"] = setting(
        False, "half precision; true: bf16 where the device has it, else fp16")


Tracker = Literal["tensorboard", "wandb", "mlflow", "clearml", "trackio"]


@dataclass(frozen=True, kw_only=True)
class LogConfig:
    """What a run tells."""
    every: int = setting(50, "steps between lines in a log file", low=1, high=MOST_STEPS)
    trackers: tuple[Tracker, ...] = setting(
        (), "who shows the curves too: tensorboard, wandb, mlflow, clearml, trackio")
    project: str = setting("simplepose", "name under which trackers gather runs")
    tracker_weights: bool = setting(False, "give the best weights to the trackers, too, at the end")
    tensorboard: bool = setting(False, "the older word for trackers: [tensorboard]")


@dataclass(frozen=True, kw_only=True)
class Config:
    model_name: str = setting(
        "pose", "name of the run: {model_name}_last.pth, {model_name}_best.pth")
    seed: int = setting(0, "seed of weights, order and augmentation", low=0, below=IDS)
    processor: Literal["dp", "ddp"] = setting("dp", "dp: one process; ddp: one process per device")
    processes: int = setting(
        1, "ddp without gpus: processes on the CPU", low=1, high=MOST_PROCESSES)
    gpus: tuple[int, ...] = setting(
        (), 'devices: a list, "4,5,6,7", or empty for the CPU', low=0, high=1023)
    resume: bool | Literal["auto"] = setting(
        "auto", "go on from {model_name}_last.pth: auto if it is there, true: it must be there")
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    codec: CodecConfig = field(default_factory=CodecConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    val: ValConfig = field(default_factory=ValConfig)
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    log: LogConfig = field(default_factory=LogConfig)
