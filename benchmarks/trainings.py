"""What benchmarks that train share: a training, its line of results, and how lines are shown."""
import json
import re
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

from configs.loader import load_config, with_overrides
from datasets.synthetic.data_set import ensure_synthetic
from processors.dp_pose_resnet_solver import DPProcessor
from processors.evaluation.evaluation import Evaluation

SCORES = ("AP", "AP75", "AR")
WAYS = {f"{decoder}, {flip}": f"{name}{' + flip' * (flip == 'flip')}"
        for flip in ("no flip", "flip")
        for decoder, name in (("argmax", "argmax"), ("quarter", "quarter"),
                              ("gauss_taylor", "Gauss-Taylor"))}
BEST_WAY = list(WAYS)[-1]
FOLDERS = re.compile(r"((?:^[\w.]+=|: |\[|\{|, )[\"']?)[^,\[\]{}:]*/(?=[^,\[\]{}:/\"'])")


def finished(lines: Path, system: str, seed: int, settings: list[str]) -> dict[str, Any] | None:
    """The last line of a training with these settings."""
    if not lines.is_file():
        return None
    rows = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    same = [row for row in rows
            if (row["system"], row["seed"], row["settings"]) == (system, seed, settings)]
    return same[-1] if same else None


def add_line(lines: Path, row: dict[str, Any]) -> None:
    with lines.open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(row)}\n")


def without_folders(setting: str) -> str:
    """data.val_ann_path=/home/me/val.json: data.val_ann_path=val.json, also in a list."""
    return FOLDERS.sub(r"\1", setting).replace("/", "")


def run_name(system: str, seed: int, settings: list[str]) -> str:
    """Of the files of a training, which another one of the same settings goes on with."""
    letters = "".join(filter(str.isalnum, system))
    return f"{letters}_{seed}_{sha256(repr(settings).encode()).hexdigest()[:8]}"


def trained(base: Path, settings: list[str], name: str, folder: Path,
            ) -> tuple[DPProcessor, dict[str, Any]]:
    """A training that is judged after its last epoch, and facts about it. `folder` has the
    checkpoints of one that is stopped, and is to be removed when no longer needed."""
    config = load_config(base, settings)
    ensure_synthetic(config.data, seed=0)       # the same people for every seed
    processor = DPProcessor(base, [
        *settings, f"model_name={name}", f"val.weight_path={folder}",
        f"val.interval={config.optim.epochs}", "val.save_minutes=2"])
    whole, begin = processor.state.step == 0, time.monotonic()
    processor.run()
    minutes = (time.monotonic() - begin) / 60
    return processor, {
        "parameters": sum(p.numel() for p in processor.net.parameters()),
        "persons": len(processor.train_set), "epochs": config.optim.epochs,
        "judged_persons": len(processor.evaluation.dataset),
        "minutes": round(minutes, 1) if whole else None,     # null: it was stopped on the way
        "steps": processor.state.step}


def judged(processor: DPProcessor, evaluation: Evaluation, folder: Path) -> dict[str, Any]:
    """{score: {weights: {way: number}}}, from one pass over the images for each of the weights."""
    nets = {"raw": processor.net} | (
        {"averaged": processor.averaged.net} if processor.averaged else {})
    found = {weights: evaluation.sweep(net, folder, processor.train_step.dtype)
             for weights, net in nets.items()}
    return {score: {weights: {way: round(metrics[score], 4) for way, metrics in ways.items()
                              if way in WAYS}
                    for weights, ways in found.items()} for score in SCORES}


def judged_parts(processor: DPProcessor, parts: dict[str, list[str]], folder: Path,
                 ) -> dict[str, Any]:
    """`judged` for each of several sets of people, with how many they are. parts: the settings
    that say where each is."""
    scores = {}
    for part, where in parts.items():
        config = with_overrides(processor.config, where, part)
        evaluation = Evaluation(config, processor.skeleton, processor.parallel)
        scores[part] = {"judged_persons": len(evaluation.dataset),
                        **judged(processor, evaluation, folder)}
    return scores


def made_on(rows: list[dict[str, Any]]) -> str:
    """The days and machines of lines, each once."""
    return "; ".join(dict.fromkeys(f"{row['date']}: {row['processor']}, Python {row['python']}, "
                                   f"torch {row['torch']}" for row in rows))


def three(value: float) -> str:
    """As AP is written: .785"""
    return f"{value:.3f}".removeprefix("0")
