"""How the files beside this one were made, by version 0.1.0: a run of one epoch of a very narrow
network on drawn people, its network as an ONNX file, a pack, and the numbers that they gave then.

    python tests/files_of_0_1_0/make.py NEW_FOLDER

Those here are never made again; another version gets a folder of its own.
"""
import json
import os
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

import numpy as np
import yaml

from configs.loader import config_to_dict, load_config
from configs.schema import Config
from datasets.annotations.skeleton import load_skeleton
from datasets.coco import train_set
from datasets.crops.crop_pack import CropPack
from datasets.synthetic.data_set import ensure_synthetic
from processors.dp_pose_resnet_solver import DPProcessor
from processors.jobs.export import export
from processors.jobs.pack import make_pack
from processors.models.checkpoint import load_checkpoint, save_checkpoint
from processors.pose_predictor import PosePredictor

RUN = "run.yaml"        # in this folder; its paths are relative
KEPT = ("weights/tiny_last.pth", "weights/tiny_best.pth", "weights/metrics.jsonl", "tiny.onnx",
        "train.pack", "train.pack.index")


def image() -> np.ndarray:
    """(120, 90, 3) uint8 RGB, the same everywhere."""
    y, x = np.mgrid[:120, :90]
    return np.stack([(2 * x + y) % 256, (x * y) % 256, (3 * y) % 256], -1).astype(np.uint8)


def predictions(weights: Path) -> list:
    """Keypoints, scores and score of two boxes of the image."""
    people = PosePredictor(weights, device="cpu")(image(), [[5, 5, 60, 100], [20, 10, 50, 70]])
    return [{"keypoints": person.keypoints.tolist(), "scores": person.scores.tolist(),
             "score": person.score} for person in people]


def pack_numbers(config: Config) -> dict:
    """What training reads from the pack: a sum for each of its pieces, and a whole sample."""
    ensure_synthetic(config.data, config.seed)
    pieces = CropPack(config.data.train_pack)
    sample = train_set(config, load_skeleton(config.data.skeleton))[0, 0]
    return {"sums": [int(pieces.read(row).astype(np.int64).sum())
                     for row in range(len(pieces.records))],
            "sample": {"crop": int(sample.crop.astype(np.int64).sum()),
                       "keypoints": np.asarray(sample.keypoints).tolist()}}


def raise_scores(path: Path) -> None:
    """After so short a run heatmaps are near 0, and all numbers alike."""
    state = load_checkpoint(path)
    state["ema"]["head.output.weight"] *= 100
    save_checkpoint(state, path)


def main(folder: Path) -> None:
    folder.mkdir()
    shutil.copy(HERE / RUN, folder)
    os.chdir(folder)
    DPProcessor(RUN, ["data.train_pack=''", "resume=false"]).run()
    make_pack(load_config(RUN))
    best = Path("weights/tiny_best.pth")
    raise_scores(best)
    print(predictions(best))
    export(best, "tiny.onnx")
    numbers = {name: predictions(Path(name)) for name in (str(best), "tiny.onnx")}
    numbers["train.pack"] = pack_numbers(load_config(RUN))
    Path("numbers.json").write_text(json.dumps(numbers))
    Path("all_keys.yaml").write_text(yaml.safe_dump(config_to_dict(Config()), sort_keys=False))
    for path in KEPT:
        shutil.move(path, Path(path).name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
