"""Judging a checkpoint alone: `python main.py evaluate CONFIG --weights FILE`."""
import os
from collections.abc import Sequence
from pathlib import Path

from configs.schema import Config
from datasets.workers import dead_workers_named
from nets.zoo.weights_by_name import find_weights
from processors.evaluation.coco_metrics import CocoMetrics, table
from processors.evaluation.evaluation import Evaluation
from processors.evaluation.joint_metrics import joint_table, visibility_table
from processors.evaluation.protocol import protocol
from processors.models.load_pose_model import config_of, load_to_judge
from processors.reports.evaluation_page import FILES, write_report
from processors.runtime.launch import ensure_started_once, launch, run_rank
from processors.runtime.parallel import OneProcess, Parallel, find_devices
from processors.runtime.precision import amp_dtype
from processors.runtime.run_lock import RunLock
from processors.runtime.torch_errors import JUDGE_CURES, torch_errors_named
from utils.errors import UserError
from utils.log import log, show_log
from utils.outputs import ensure_outputs

JUDGE_AGAIN = "the same command makes the evaluation again"


def evaluate(cfg_path: str | Path | None, overrides: Sequence[str] = (),
             weights: str | Path | None = None, source: str | None = None, sweep: bool = False,
             report: Path | None = None) -> None:
    """Evaluate as `evaluate_weights` does. With processor: ddp every device, or every one of
    `processes` on the CPU, has a process and a share of the persons; the numbers are the same.

    cfg_path: may be None where the weights are a name, which brings all settings.

    Raises UserError, OSError or ChildProcessError, one sentence.
    """
    if sweep and report:
        raise UserError("--report shows one evaluation, but --sweep makes many: leave one of the "
                        "two out")
    config = config_of(cfg_path, weights, overrides)
    processes = len(config.gpus) or config.processes

    def work(parallel: Parallel | None = None) -> None:
        evaluate_weights(config, weights, source, sweep, report, parallel, overrides=overrides)

    if config.processor == "dp":
        ensure_started_once()
        work()
    elif "RANK" in os.environ:
        run_rank(config.gpus, work)
    elif processes == 1:
        work()
    else:
        find_devices(config.gpus)
        options = {"--weights": weights, "--source": source, "--report": report}
        words = [str(word) for option in options.items() if option[1] for word in option]
        config_words = [str(cfg_path)] if cfg_path else []
        launch(["evaluate", *config_words, *overrides, *words, *(["--sweep"] if sweep else [])],
               processes, JUDGE_AGAIN)


@torch_errors_named(JUDGE_CURES)
@dead_workers_named(JUDGE_AGAIN)
def evaluate_weights(config: Config, weights: str | Path | None = None,
                     source: str | None = None, sweep: bool = False, report: Path | None = None,
                     parallel: Parallel | None = None, overrides: Sequence[str] = (),
                     ) -> dict[str, CocoMetrics]:
    """Evaluate a file of weights; never needs the training data.

    Network, codec and skeleton are those that a file of ours was trained with or a name brings,
    all else is as the Config says. overrides: of the command line, which win and are in the Config
    already.

    weights: a checkpoint, an .onnx file of heatmaps, or a name of published weights
    (nets/zoo/published.py); the run's best if not given.
    source: the project the file comes from, where its keys do not tell (nets/pretrained.py).
    parallel: the processes that share the work; one if not given. Returns the ten numbers by
    name, the same in all processes: one evaluation, or all decoders of a sweep. Raises UserError
    or FileNotFoundError for weights that are missing or do not fit.
    """
    parallel = parallel or OneProcess(config.gpus)
    show_log(parallel.rank)
    if report and parallel.rank == 0:
        ensure_outputs(report, FILES, "--report")
    folder = Path(config.val.weight_path)
    found = find_weights(weights or folder / f"{config.model_name}_best.pth")
    net, config, skeleton = load_to_judge(found, config, parallel.device, source, overrides)
    evaluation = Evaluation(config, skeleton, parallel)
    log.info("validation set: %s", evaluation.dataset.summary())
    net = net.to(parallel.device)
    dtype = amp_dtype(config.optim.amp, parallel.device, len(parallel.devices))
    if sweep:
        swept = evaluation.sweep(net, folder, dtype)
        log.info("the decoders and the flip test, from one pass; results in %s\n%s\n%s",
                 folder / f"{config.model_name}_DECODER_FLIP_results.json",
                 protocol(config, found.given, sweep=True), table(swept))
        return swept
    name, run = config.model_name, RunLock(folder, config.model_name)
    if not report and run.is_held_by_another():
        log.info("%s, whose results keep their name", run.holder())
        name += "_evaluated"
    results_path = (report or folder) / f"{name}_results.json"
    metrics = evaluation.run(net, results_path, dtype)
    words = protocol(config, found.given)
    log.info("results in %s\n%s\n%s", results_path, words, table(metrics))
    if metrics.by_joint:
        log.info("by joint:\n%s", joint_table(metrics, skeleton))
    if metrics.visibility:
        log.info("visibility by joint:\n%s", visibility_table(metrics.visibility, skeleton))
    if report and parallel.rank == 0:
        page = write_report(report, title=config.model_name, protocol=words, metrics=metrics,
                            results=evaluation.results or [], ground_truth=evaluation.ground_truth,
                            img_root=config.data.val_img_root, skeleton=skeleton,
                            exif=config.data.exif, bits=config.data.bits)
        log.info("report in %s", page)
    return {"": metrics}
