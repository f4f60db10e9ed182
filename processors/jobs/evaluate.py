"""`python main.py evaluate` in one process, or in those that the Config asks for."""
import os
from collections.abc import Sequence
from pathlib import Path

from configs.loader import load_config
from processors.jobs.evaluate_weights import JUDGE_AGAIN, ensure_one_kind, evaluate_weights
from processors.runtime.launch import ensure_started_once, launch, run_rank
from processors.runtime.parallel import find_devices


def evaluate(cfg_path: str | Path, overrides: Sequence[str] = (), weights: Path | None = None,
             source: str | None = None, sweep: bool = False, report: Path | None = None) -> None:
    """Evaluate as `evaluate_weights` does. With processor: ddp every device, or every one of
    `processes` on the CPU, has a process and a share of the persons; the numbers are the same.

    Raises UserError, OSError or ChildProcessError, one sentence.
    """
    ensure_one_kind(sweep, report)
    config = load_config(cfg_path, overrides)
    processes = len(config.gpus) or config.processes
    if config.processor == "dp":
        ensure_started_once()
        evaluate_weights(config, weights, source, sweep, report, overrides=overrides)
    elif "RANK" in os.environ:
        run_rank(config.gpus, lambda parallel: evaluate_weights(
            config, weights, source, sweep, report, parallel, overrides))
    elif processes == 1:
        evaluate_weights(config, weights, source, sweep, report, overrides=overrides)
    else:
        find_devices(config.gpus)
        options = {"--weights": weights, "--source": source, "--report": report}
        words = [str(word) for option in options.items() if option[1] for word in option]
        launch(["evaluate", str(cfg_path), *overrides, *words, *(["--sweep"] if sweep else [])],
               processes, JUDGE_AGAIN)
