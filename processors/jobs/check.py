"""Checking data: `python main.py check CONFIG [--report DIR] [--repeated FILE]`."""
from pathlib import Path

from configs.schema import Config
from datasets.annotations.skeleton import load_skeleton
from datasets.doctor.examine import Diagnosis, examine
from datasets.synthetic.data_set import ensure_synthetic
from processors.reports.data_page import FILES, write_doctor_report
from utils.log import log, show, show_log
from utils.outputs import ensure_outputs


def check(config: Config, report: Path | None = None, repeated: Path | None = None) -> int:
    """`check_data` as a command: 1 if anything is wrong that costs accuracy, else 0."""
    return int(check_data(config, report, repeated).serious)


def check_data(config: Config, report: Path | None = None,
               repeated: Path | None = None) -> Diagnosis:
    """Say what is wrong with the data of a Config and what it costs; draw it into `report`.

    repeated: an annotation file of somebody else for some of the images, to estimate sigmas from.
    Raises FileNotFoundError or UserError only for a skeleton or repeated labels that cannot be
    used and, with data.synthetic_*, for paths that training refuses as well.
    """
    show_log()
    skeleton = load_skeleton(config.data.skeleton)
    ensure_synthetic(config.data, config.seed)
    if report:
        ensure_outputs(report, FILES, "--report")
    diagnosis = examine(config, skeleton, repeated)
    show(str(diagnosis))
    if report:
        log.info("report in %s", write_doctor_report(report, config, skeleton, diagnosis))
    return diagnosis
