"""The doctor's report: findings and pictures of a data set in one HTML file."""
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from configs.schema import Config
from datasets.annotations.skeleton import Skeleton
from datasets.doctor.examine import Diagnosis
from processors.evaluation.protocol import protocol
from processors.evaluation.upper_bound import upper_bound
from processors.reports import data_charts as charts
from processors.reports.evaluation_page import JPEG_QUALITY
from processors.reports.html_page import rows_of, write_page
from processors.reports.training_sheet import training_sheet
from utils.errors import UserError
from utils.log import log
from utils.outputs import marked, marked_text, write_output
from utils.rgb import encode_image

FILES = {"doctor.html": "page", "doctor.txt": "text", "sizes.png": "picture",
         "poses.png": "picture", "visibility.png": "picture", "training.jpg": "picture"}
OF_BOUND = ("annotations", "input", "decoder", "alignment", "pose score")
Made = TypeVar("Made")


def write_doctor_report(folder: Path, config: Config, skeleton: Skeleton,
                        diagnosis: Diagnosis) -> Path:
    """Write `doctor.html`, `doctor.txt` and the pictures; returns the path of the first.

    What cannot be made of broken data is left out, with the reason in its place.
    """
    sets, training = [*diagnosis.training, diagnosis.val], diagnosis.training[0]
    left_out: dict[str, str] = {}
    bound = _made("the upper bound", lambda: upper_bound(config, skeleton), left_out)
    if bound:
        log.info("upper bound: AP %.4f with perfect heatmaps at %dx%d; %d of %d labelled joints "
                 "lie outside their crop", bound.metrics["AP"], *config.codec.input_size,
                 bound.outside, bound.labelled)
    makers: dict[str, Callable[[], bytes]] = {
        "sizes.png": lambda: charts.sizes(sets, config.codec.input_size),
        "poses.png": lambda: charts.poses(training),
        "visibility.png": lambda: charts.visibilities(training),
        "training.jpg": lambda: encode_image(training_sheet(config, skeleton),
                                             quality=JPEG_QUALITY)}
    pictures = {name: _made(name, make, left_out) for name, make in makers.items()}
    for name, picture in pictures.items():
        if picture:
            write_output(folder / name, marked(picture), "--report")
    write_output(folder / "doctor.txt", marked_text(str(diagnosis)), "--report")
    write_page(folder / "doctor.html", "data_page.html", title=config.model_name,
               diagnosis=diagnosis, bound=bound, pictures=pictures, left_out=left_out,
               protocol=[row for row in rows_of(protocol(config)) if row[0] in OF_BOUND])
    return folder / "doctor.html"


def _made(what: str, make: Callable[[], Made], left_out: dict[str, str]) -> Made | None:
    """What `make` returns; None if the data are broken, with the reason in `left_out`."""
    try:
        return make()
    except (UserError, OSError) as error:
        log.warning("report: %s is left out: %s", what, error)
        left_out[what] = str(error)
        return None
