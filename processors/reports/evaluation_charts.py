"""The charts of the evaluation's page, each a PNG."""
import colorsys

import numpy as np

from processors.evaluation.error_analysis import CLASSES, ErrorAnalysis
from processors.reports.figures import Axes, as_png, new_figure, plain
from processors.reports.html_page import number

# told apart also by people who see red and green alike
COLOURS = {"good": "#cfd9e2", "jitter": "#e8a317", "inversion": "#0072b2", "swap": "#cc79a7",
           "miss": "#d55e00", "score": "#56b4e9", "false positive": "#8a6fb0",
           "missed person": "#667380", "AP": "#1d7a5a", "small errors": "#e9edf1"}
PALE = ("good", "small errors", "jitter", "score")      # black words on these


def ap_by_oks(precision: np.ndarray) -> dict[str, float]:
    """AP at each of ten OKS, "0.50" to "0.95"; NaN where it is undefined.

    precision: (10, 101) as of `CocoMetrics.precision` for one size; -1 = undefined.
    """
    return {f"{oks:.2f}": float(curve.mean()) if curve[0] >= 0 else np.nan
            for oks, curve in zip(np.linspace(0.5, 0.95, 10), precision, strict=True)}


def precision_recall(precision: np.ndarray) -> bytes:
    """Precision over recall, a curve per OKS; precision as of `ap_by_oks`."""
    figure, axes = new_figure(height=4.2)
    for row, (oks, ap) in enumerate(ap_by_oks(precision).items()):
        marked = row in (0, 5, 9)       # .50, .75 and .95 stand out
        curve = np.where(precision[row] < 0, np.nan, precision[row])
        axes.plot(np.linspace(0, 1, len(curve)), curve, linewidth=2.6 if marked else 1.2,
                  color=colorsys.hls_to_rgb((215 - 21 * row) / 360, 0.43, 0.75),
                  label=f"{oks}    {number(ap)}")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.005), ylim=(0, 1.01))
    axes.grid(alpha=0.3)
    axes.spines[:].set_visible(False)
    axes.legend(title="OKS     AP", frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return as_png(figure)


def lost_ap(analysis: ErrorAnalysis) -> bytes:
    """From 0 to 1, the AP as it is and what each kind of error takes, in turn; below it, what
    each takes alone. The AP must be a number."""
    figure, (turn, alone) = new_figure(rows=2, height=3.8, height_ratios=(1, 5))
    before = analysis.ap["all"]
    _part(turn, 0, 0, before, "AP", f"AP {before:.3f}", 0.08)
    for error, after in analysis.steps:     # a correction may cost a little, by new rankings
        _part(turn, 0, before, max(after - before, 0), error, error, 0.09)
        before = max(before, after)
    _part(turn, 0, before, 1 - before, "small errors", "small errors", 0.09)
    turn.set(title="In turn", xlim=(0, 1), ylim=(-0.4, 0.4), yticks=[])
    for row, (error, lost) in enumerate(analysis.lost.items()):
        alone.barh(row, lost["all"], height=0.6, color=COLOURS[error])
        alone.text(max(lost["all"], 0), row, f" {lost['all']:+.3f}", va="center")
    alone.set(title="Alone", xlabel="AP lost", ylim=(len(analysis.lost) - 0.5, -0.5))
    alone.set_yticks(range(len(analysis.lost)), list(analysis.lost))
    alone.margins(x=0.1)
    for axes in (turn, alone):
        axes.spines[:].set_visible(False)
    return as_png(figure)


def joints(analysis: ErrorAnalysis) -> bytes:
    """A bar for each joint and one for all, split by CLASSES."""
    counts = [*analysis.joints[0], analysis.joints[0].sum(axis=0)]
    names = [*analysis.joint_names, "all"]
    figure, axes = new_figure(height=0.26 * len(names) + 0.9)
    for row, classes in enumerate(counts):
        left = 0.0
        for name, share in zip(CLASSES, classes / max(classes.sum(), 1), strict=True):
            _part(axes, row, left, share, name, f"{share:.0%}", 0.03)
            left += share
    axes.set_yticks(range(len(names)), [plain(name.replace("_", " ")) for name in names])
    axes.set(xlabel="part of the labelled joints of people that were found", xlim=(0, 1),
             ylim=(len(names) - 0.5, -0.5))
    for name in CLASSES:
        axes.barh(0, 0, color=COLOURS[name], label=name)
    axes.legend(frameon=False, ncols=len(CLASSES), loc="lower center", bbox_to_anchor=(0.5, 1.0))
    axes.spines[:].set_visible(False)
    return as_png(figure)


def _part(axes: Axes, row: int, left: float, width: float, name: str, text: str, needs: float,
          ) -> None:
    """A part of a bar, with its text where the part is as wide as that needs."""
    axes.barh(row, width, left=left, height=0.7, color=COLOURS[name])
    if width > needs:
        axes.text(left + width / 2, row, text, ha="center", va="center", fontsize=8,
                  color="black" if name in PALE else "white")
