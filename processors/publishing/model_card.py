"""The page of published weights: what they are, how to use them, and what AP stands on."""
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from configs.schema import Config, ModelConfig
from configs.scores import SCORES
from datasets.annotations.skeleton import Skeleton
from nets.zoo.hub import is_hub
from nets.zoo.published import PUBLISHED
from processors.evaluation.protocol import protocol

LIBRARY = "library_name: simplepose"        # tells a repository of ours
UNTOLD = "not told by the checkpoint, which was passed on without the paths of its run"


def model_card(checkpoint: Mapping[str, Any], config: Config, skeleton: Skeleton, repository: str,
               licence: str, parameters: int) -> str:
    """Markdown with the Hub's metadata. config: as trained with; no path of it is shown."""
    (width, height), name = config.codec.input_size, repository.partition("/")[2]
    return f"""---
{LIBRARY}
pipeline_tag: keypoint-detection
license: {licence}
tags: [pose-estimation, top-down]
---

# {name}

{config.model}, a top-down network for {skeleton.num_joints} joints.

- size: {parameters / 1e6:.1f} M parameters
- input: {width}x{height} pixels (width x height), {config.model.input_format}
- joints: {", ".join(skeleton.joint_names)}
- trained on: {_training_data(config)}
- trained from: {_origin(config.model) if _has_paths(config) else UNTOLD}

```sh
python main.py predict photo.jpg --weights hf://{repository}
```

Settings and skeleton are in model.safetensors, and beside it as config.yaml and skeleton.yaml, for
people. No file holds code.

{_scores(checkpoint, config)}"""


def _has_paths(config: Config) -> bool:
    """Whether the settings are those of a run, and not what `portable` leaves of them."""
    return bool(config.data.train_ann_path or config.data.train_pack)


def _training_data(config: Config) -> str:
    data = config.data
    first = _name(data.train_ann_path or data.train_pack, data.synthetic_train)
    return ", ".join(filter(None, (first, *(_name(one.ann_path) for one in data.extra_sets)))
                     ) or UNTOLD


def _origin(model: ModelConfig) -> str:
    """What training started from, for its licence may count."""
    if model.pretrained is False:
        return "random weights"
    if model.pretrained is True:
        return (f"{'timm' if model.type == 'pose_timm' else 'torchvision'}'s weights of the "
                f"backbone {model.name}")
    if is_hub(model.pretrained):
        return f"{model.pretrained}, whose licence may count for these, too"
    row = PUBLISHED.get(model.pretrained)
    if row is None:
        return "weights of another file, whose licence may count for these, too"
    return f"{row.name} ({row.licence}{f'; {row.terms}' if row.terms else ''})"


def best_of(checkpoint: Mapping[str, Any]) -> dict[str, float]:
    """The scores of a checkpoint's weights and the epoch they are of; {} where they are not those
    of a run's best epoch, as in *_last.pth."""
    best = checkpoint.get("best")
    if "optimizer" in checkpoint or not isinstance(best, Mapping) or "epoch" not in best:
        return {}
    names = (*(score for scores in SCORES.values() for score in scores), "epoch")
    return {name: best[name] for name in names if type(best.get(name)) in (int, float)}


def _scores(checkpoint: Mapping[str, Any], config: Config) -> str:
    """The numbers of the weights' own evaluation with its protocol, or that there are none."""
    best = best_of(checkpoint)
    if not best:
        return "No AP of these weights is known: they are not the best ones of a run.\n"
    known = [score for score in best if score != "epoch"]
    data, val = config.data, config.val
    told = _has_paths(config)
    annotations = _name(data.val_ann_path, data.synthetic_val) if told else UNTOLD
    config = replace(config, data=replace(data, val_ann_path=annotations),
                     val=replace(val, boxes=_name(val.boxes)))
    words = protocol(config, "these")
    if not told:        # nor whose boxes: without their file they look like true ones
        words = words.replace("boxes:       ground truth", f"boxes:       {UNTOLD}")
    run = checkpoint.get("run")
    when = f", of the run begun on {run[:10]}" if type(run) is str else ""
    table = "\n".join((f"| {' | '.join(known)} |", "|---" * len(known) + "|",
                       f"| {' | '.join(_number(best[score]) for score in known)} |"))
    return (f"## Accuracy\n\nMeasured in training after epoch {best['epoch']}{when}, as "
            f"follows; the best of its epochs was chosen on these data:\n\n{table}\n\n```\n"
            f"{words}\n```\n")


def _number(score: float) -> str:
    return f"{score:.4f}" if score >= 0 else "-"        # below 0: of nobody, as COCO says it


def _name(path: str, drawn: int = 0) -> str:
    """A file without its folder. drawn: images that are drawn where it is missing."""
    return Path(path).name + (" (drawn people, unless that file was there before)"
                              if path and drawn else "")
