"""The doctor's report: findings and pictures of a data set in one HTML file, as of report.py."""
import base64
from collections.abc import Callable
from html import escape
from pathlib import Path
from string import Template

from configs.schema import Config
from datasets.annotations.skeleton import Skeleton
from datasets.doctor.examine import Diagnosis
from datasets.doctor.finding import Finding
from processors.evaluation.protocol import protocol
from processors.evaluation.upper_bound import upper_bound
from processors.reports import data_charts as charts
from processors.reports.evaluation_charts import tiles
from processors.reports.evaluation_page import JPEG_QUALITY
from processors.reports.evaluation_page import TEMPLATE as EVALUATION_TEMPLATE
from processors.reports.training_sheet import training_sheet
from utils.files import write_atomically
from utils.log import log
from utils.rgb import encode_image

TEMPLATE = Path(__file__).with_name("data_page.html")
OF_BOUND = ("annotations", "input", "decoder", "alignment", "pose score")


def write_doctor_report(folder: Path, config: Config, skeleton: Skeleton,
                        diagnosis: Diagnosis) -> Path:
    """Write `doctor.html`, `doctor.txt` and the pictures; returns the path of the first.

    What cannot be made of broken data is left out, with the reason in its place.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sets = [*diagnosis.training, diagnosis.val]
    pictures = {
        "sizes.png": lambda: charts.sizes(sets, config.codec.input_size),
        "poses.png": lambda: charts.poses(diagnosis.training[0]),
        "visibility.png": lambda: charts.visibilities(diagnosis.training[0]),
        "training.jpg": lambda: _sheet(config, skeleton)}
    shown = {name: _figure(folder / name, make) for name, make in pictures.items()}
    page = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(config.model_name), style=_style(), verdict=escape(diagnosis.verdict),
        sets="".join(f"<p>{escape(line)}</p>" for line in diagnosis.sets),
        findings="".join(map(_finding, diagnosis.findings)) or '<p class="soft">Nothing.</p>',
        sigmas=_sigmas(diagnosis), bound=_bound(config, skeleton), sheet=shown["training.jpg"],
        sizes=shown["sizes.png"], visibilities=shown["visibility.png"], poses=shown["poses.png"])
    write_atomically(folder / "doctor.txt", lambda file: file.write(f"{diagnosis}\n".encode()))
    write_atomically(folder / "doctor.html", lambda file: file.write(page.encode()))
    return folder / "doctor.html"


def _style() -> str:
    """The style sheet of the evaluation's report."""
    text = EVALUATION_TEMPLATE.read_text(encoding="utf-8")
    return text.partition("<style>")[2].partition("</style>")[0]


def _finding(finding: Finding) -> str:
    examples = ", ".join(finding.examples) + (", ..." if finding.more else "")
    kind = "wrong" if finding.serious else "note"
    return (f'<div class="finding {kind}"><p><b>{escape(finding.where)}</b>: '
            f'{escape(finding.sentence)}.</p><p class="soft">{escape(finding.advice)}.</p>'
            + (f'<p class="soft">{escape(examples)}</p>' if finding.examples else "") + "</div>")


def _sigmas(diagnosis: Diagnosis) -> str:
    if diagnosis.repeated is None:
        return ""
    return f"<h2>Sigmas</h2><pre>{escape(str(diagnosis.repeated))}</pre>"


def _bound(config: Config, skeleton: Skeleton) -> str:
    try:
        bound = upper_bound(config, skeleton)
    except (ValueError, OSError) as error:
        return _without("the upper bound", error)
    log.info("upper bound: AP %.4f with perfect heatmaps at %dx%d; %d of %d labelled joints lie "
             "outside their crop", bound.metrics["AP"], *config.codec.input_size, bound.outside,
             bound.labelled)
    rows = (line.partition(":") for line in protocol(config).splitlines())
    facts = "".join(f"<dt>{escape(name.strip())}</dt><dd>{escape(words.strip())}</dd>"
                    for name, _, words in rows if name.strip() in OF_BOUND)
    return (f'<div class="tiles">{tiles(bound.metrics)}</div><p>{bound.outside} of '
            f'{bound.labelled} labelled joints lie outside their crop.</p><dl>{facts}</dl>')


def _sheet(config: Config, skeleton: Skeleton) -> bytes:
    return encode_image(training_sheet(config, skeleton), quality=JPEG_QUALITY)


def _figure(path: Path, make: Callable[[], bytes]) -> str:
    """Write a picture and give it as HTML, or the reason why it cannot be made."""
    try:
        data = make()
    except (ValueError, OSError) as error:
        return _without(path.name, error)
    write_atomically(path, lambda file: file.write(data))
    kind = {".png": "png", ".jpg": "jpeg"}[path.suffix]
    name = "chart" if path.suffix == ".png" else "sheet-all"
    return (f'<figure class="{name}"><img alt="{path.stem}" src="data:image/{kind};base64,'
            f'{base64.b64encode(data).decode()}"></figure>')


def _without(what: str, error: Exception) -> str:
    log.warning("report: %s is left out: %s", what, error)
    return f'<p class="note">Left out: {escape(str(error))}</p>'
