"""What an evaluation costs beside its two forward passes, and judging beside bare pycocotools.

    python benchmarks/evaluation_speed.py [--images 300] [--repeats 3]

Drawn people and a ResNet-18 of half width with the DUC head at 256x192; images are read and cut
out before, so the first ratio is flip test, decoding, scores, OKS-NMS, the file of results and the
ten numbers. One thread, CPU seconds, medians of runs that take turns.
"""
import argparse
import contextlib
import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import medians, say
from configs.loader import load_config
from datasets.annotations.skeleton import load_skeleton
from datasets.synthetic.data_set import ensure_synthetic
from nets import build_net
from processors.evaluation.evaluation import Evaluation
from processors.models.pose_ranking import Predictions
from processors.runtime.normalise import normalise
from processors.runtime.parallel import OneProcess

RUN_BAR, JUDGE_BAR = 1.25, 1.0
FORWARD_IMAGES = 64         # persons that go through the network
SETTINGS = ["data.num_workers=0", "model.width=0.5", "codec.input_size=[192, 256]", "codec.sigma=2",
            "codec.blur_kernel=0", "data.batch_size=32", "data.synthetic_train=0"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        return 0 if all([run(Path(folder), options), judge(Path(folder), options)]) else 1


def new_evaluation(folder: Path, images: int, *settings: str) -> Evaluation:
    config = load_config(ROOT / "configs" / "quickstart.yaml", [
        *SETTINGS, f"data.synthetic_val={images}", f"data.val_img_root={folder}/val",
        f"data.val_ann_path={folder}/val.json", *settings])
    ensure_synthetic(config.data, seed=0)
    return Evaluation(config, load_skeleton("coco"), OneProcess(()))


def run(folder: Path, options: argparse.Namespace) -> bool:
    """A whole evaluation with flip test beside the network on the same images, twice."""
    evaluation = new_evaluation(folder, options.images, f"data.debug={FORWARD_IMAGES}")
    evaluation.loader = list(evaluation.loader)
    config = evaluation.config
    net = build_net(config.model, input_size=config.codec.input_size).eval()
    net = net.to(memory_format=torch.channels_last)
    ready = [normalise(batch.crop, config.model.input_format) for batch in evaluation.loader]

    @torch.inference_mode()
    def forward() -> None:
        for images in ready:
            net(images), net(images)

    seconds = medians({"forward": forward,
                       "whole": lambda: evaluation.run(net, folder / "results.json")},
                      options.repeats)
    return say("evaluation_speed", "evaluation / two forward passes",
               seconds["whole"] / seconds["forward"], at_most=RUN_BAR, persons=FORWARD_IMAGES,
               ms_a_person=round(1e3 * seconds["whole"] / FORWARD_IMAGES, 1))


def judge(folder: Path, options: argparse.Namespace) -> bool:
    """From coordinates to the ten numbers, beside pycocotools on the results of that."""
    evaluation = new_evaluation(folder, options.images)
    people = near_the_truth(evaluation)
    results, content = evaluation.to_results(people), evaluation.ground_truth.coco().dataset
    seconds = medians({
        "pycocotools": silent(lambda: pycocotools(content, results)),
        "ours": lambda: evaluation.judge(evaluation.to_results(people), people),
    }, options.repeats)
    return say("evaluation_speed", "scores, NMS and judging / pycocotools",
               seconds["ours"] / seconds["pycocotools"], at_most=JUDGE_BAR, persons=len(people),
               images=options.images, ms_an_image=round(1e3 * seconds["ours"] / options.images, 2))


def pycocotools(content: dict, results: list[dict]) -> None:
    """As its own demo does, from what a file of annotations holds. It adds to the results."""
    truth = COCO()
    truth.dataset = content
    truth.createIndex()
    judge = COCOeval(truth, truth.loadRes([dict(row) for row in results]), "keypoints")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()


def near_the_truth(evaluation: Evaluation) -> Predictions:
    """Every labelled person, some pixels off, and half of them once more."""
    persons, rng = evaluation.dataset.persons, np.random.default_rng(0)
    index = np.concatenate([np.arange(len(persons)), np.arange(0, len(persons), 2)])
    truth = persons.keypoints[index]
    return Predictions(
        keypoints=truth + rng.normal(0, 5, truth.shape).astype(np.float32),
        joint_scores=rng.uniform(0.1, 1, truth.shape[:2]).astype(np.float32),
        box_scores=persons.scores[index],
        areas=persons.boxes[index, 2:].prod(axis=1).astype(np.float32),
        image_ids=persons.image_ids[persons.image_rows[index]], index=index)


def silent(call: Callable[[], object]) -> Callable[[], None]:
    """Without what pycocotools prints."""
    def quiet() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            call()
    return quiet


if __name__ == "__main__":
    sys.exit(main())
