"""What an evaluation costs beside its two forward passes, and judging beside bare pycocotools.

    python benchmarks/evaluation_speed.py [--images 300] [--repeats 3] [--part run|workers|judge]
    python benchmarks/evaluation_speed.py --part workers --persons 5000 --repeats 1

Drawn people and a ResNet-18 of half width with the DUC head at 256x192; images are read and cut
out before, so the first ratio is flip test, decoding, scores, OKS-NMS, the file of results and the
ten numbers. The second is a whole evaluation with two processes that read, whose CPU seconds are
counted, too, beside reading alone and computing alone; with many persons the clock's seconds with
two threads stand beside what two busy cores would need for both, which says something only where
nothing else runs. Judging is compared with pycocotools'
evaluate, accumulate and summarize alone, the same results being loaded before. One thread, CPU
seconds, medians of runs that take turns.
"""
import argparse
import contextlib
import importlib.util
import io
import multiprocessing
import os
import sys
import tempfile
import time
from collections import deque
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
from datasets.workers import end_workers
from nets import build_net
from processors.evaluation.coco_metrics import coco_metrics
from processors.evaluation.evaluation import Evaluation
from processors.evaluation.results_file import write_results
from processors.models.inference import Decoding, predict
from processors.models.pose_ranking import Predictions
from processors.runtime.normalise import normalise
from processors.runtime.parallel import OneProcess

RUN_BAR, WORKERS_BAR, CLOCK_BAR, JUDGE_BAR, FILE_BAR = 1.25, 1.1, 1.15, 0.25, 0.3
FORWARD_IMAGES = 64         # persons that go through the network
SETTINGS = ["data.num_workers=0", "model.width=0.5", "codec.input_size=[192, 256]", "codec.sigma=2",
            "codec.blur_kernel=0", "data.batch_size=32", "data.synthetic_train=0"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--persons", type=int, default=FORWARD_IMAGES,
                        help="of the part workers, drawn one or more in an image")
    parser.add_argument("--part", choices=PARTS, help="only this")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        parts = [options.part] if options.part else list(PARTS)
        return 0 if all([PARTS[part](Path(folder), options) for part in parts]) else 1


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


def workers(folder: Path, options: argparse.Namespace) -> bool:
    """A whole evaluation with workers beside its reading and its computing, each alone."""
    debug, images = f"data.debug={options.persons}", max(options.images, options.persons)
    alone = new_evaluation(folder / "many", images, debug)
    whole = new_evaluation(folder / "many", images, debug, "data.num_workers=2")
    config = whole.config
    net = build_net(config.model, input_size=config.codec.input_size)
    net = net.to(memory_format=torch.channels_last)
    ready, decoding = list(alone.loader), Decoding(whole.codec, config.val.flip_test)

    def compute() -> None:
        predict(net.eval(), ready, {"": decoding}, whole.skeleton.flip_order,
                config.model.input_format, torch.device("cpu"))

    def evaluate() -> None:
        whole.run(net, folder / "results.json")

    seconds = medians({"reading": lambda: deque(alone.loader, maxlen=0), "computing": compute,
                       "whole": evaluate}, options.repeats, clock=with_children)
    alone_both, persons = seconds["reading"] + seconds["computing"], len(alone.dataset)
    good = say("evaluation_speed", "CPU of evaluation / of reading and computing alone",
               seconds["whole"] / alone_both, at_most=WORKERS_BAR, persons=persons,
               ms_a_person=round(1e3 * seconds["whole"] / persons, 1))
    if persons > FORWARD_IMAGES:
        torch.set_num_threads(2)
        clock = medians({"whole": evaluate}, options.repeats, clock=time.perf_counter)["whole"]
        torch.set_num_threads(1)
        good &= say("evaluation_speed", "clock of evaluation / of two busy cores",
                    clock / (alone_both / 2), at_most=CLOCK_BAR, persons=persons,
                    load=round(os.getloadavg()[0], 1))
    end_workers()
    return good


def with_children() -> float:
    """CPU seconds of this process and of those that it has started and that live."""
    ticks = 0
    for child in multiprocessing.active_children():
        stat = Path(f"/proc/{child.pid}/stat")
        if stat.is_file():
            ticks += sum(map(int, stat.read_text().rpartition(")")[2].split()[11:13]))
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def judge(folder: Path, options: argparse.Namespace) -> bool:
    """From coordinates to the ten numbers, and the file, beside pycocotools on the same results."""
    evaluation = new_evaluation(folder, options.images)
    people = near_the_truth(evaluation)
    results = evaluation.to_results(people)
    bare = loaded(evaluation.ground_truth.coco(), results.rows())
    truth, sigmas = evaluation.ground_truth, evaluation.skeleton.sigmas
    calls = {
        "pycocotools": silent(lambda: (bare.evaluate(), bare.accumulate(), bare.summarize())),
        "ours": lambda: evaluation.judge(evaluation.to_results(people), people),
        "file": lambda: write_results(evaluation.to_results(people).rows(), folder / "r.json"),
        "ranking": lambda: evaluation.to_results(people)}
    if importlib.util.find_spec("hotcoco"):
        calls["hotcoco"] = lambda: coco_metrics(truth, evaluation.to_results(people), sigmas,
                                                judge="hotcoco")
    seconds = medians(calls, 3 * options.repeats)       # they are short
    assert list(evaluation.judge(results, people).values.values()) == bare.stats.tolist()
    whole, about = seconds["pycocotools"], {"persons": len(people), "images": options.images}
    good = say("evaluation_speed", "scores, NMS and judging / pycocotools", seconds["ours"] / whole,
               at_most=JUDGE_BAR, ms_an_image=round(1e3 * seconds["ours"] / options.images, 3),
               **about)
    if "hotcoco" in seconds:
        good &= say("evaluation_speed", "scores, NMS and judging by hotcoco / pycocotools",
                    seconds["hotcoco"] / whole, at_most=JUDGE_BAR, **about)
    return good & say("evaluation_speed", "file of results / pycocotools",
                      (seconds["file"] - seconds["ranking"]) / whole, at_most=FILE_BAR, **about)


def loaded(truth: COCO, rows: list[dict]) -> COCOeval:
    """As pycocotools' own demo does, without what it prints."""
    with contextlib.redirect_stdout(io.StringIO()):
        return COCOeval(truth, truth.loadRes(rows), "keypoints")


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


PARTS = {"run": run, "workers": workers, "judge": judge}

if __name__ == "__main__":
    sys.exit(main())
