"""The charts of a report, as pieces of HTML and SVG that need nothing from elsewhere."""
from collections.abc import Iterable
from html import escape

import numpy as np

from processors.evaluation.coco_metrics import CocoMetrics
from processors.evaluation.error_analysis import CLASSES, ErrorAnalysis
from processors.evaluation.pycocotools_eval import SIZES

# CSS variables of the template
COLOURS = {"good": "--good", "jitter": "--jitter", "inversion": "--inversion", "swap": "--swap",
           "miss": "--miss", "score": "--score", "false positive": "--false",
           "missed person": "--missed"}
PLOT = (52, 12, 560, 330)      # left, top, width, height of the curves' axes, SVG pixels
LABEL_STEP = 27                # pixels between two lines of the legend


def tiles(metrics: CocoMetrics) -> str:
    """All numbers as tiles, AP first and marked."""
    return "".join(f'<div class="tile{" main" if name == "AP" else ""}"><b>'
                   f'{number(metrics[name])}</b><span>{name}</span></div>'
                   for name in metrics.values)


def number(value: float, form: str = ".3f") -> str:
    """A number, or a dash where it is undefined (-1 or NaN)."""
    return "–" if np.isnan(value) or value == -1 else format(value, form)


def precision_recall(precision: np.ndarray) -> str:
    """SVG of precision over recall, a curve per OKS threshold.

    precision: (10, 101) as of `CocoMetrics.precision` for one size; -1 = undefined.
    """
    left, top, width, height = PLOT
    parts = [f'<svg viewBox="0 0 {left + width + 150} {top + height + 46}" role="img" '
             'aria-label="Precision over recall for ten OKS thresholds">']
    for tick in np.linspace(0, 1, 6):
        x, y = left + tick * width, top + (1 - tick) * height
        parts.append(f'<path class="grid" d="M{x:.1f} {top}v{height}M{left} {y:.1f}h{width}"/>'
                     f'<text x="{x:.1f}" y="{top + height + 18}" text-anchor="middle">'
                     f'{tick:.1f}</text><text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">'
                     f'{tick:.1f}</text>')
    parts.append(f'<text x="{left + width / 2}" y="{top + height + 38}" text-anchor="middle">'
                 f'recall</text><text transform="translate(14 {top + height / 2}) rotate(-90)" '
                 'text-anchor="middle">precision</text>'
                 f'<text x="{left + width + 48}" y="{top + 10}">OKS</text>'
                 f'<text x="{left + width + 96}" y="{top + 10}">AP</text>')
    for row, (oks, curve) in enumerate(zip(np.linspace(0.5, 0.95, 10), precision, strict=True)):
        colour = f"hsl({215 - 21 * row} 75% 43%)"
        marked = row in (0, 5, 9)       # .50, .75 and .95 stand out
        y = top + 32 + row * LABEL_STEP
        name, average = f"{oks:.2f}", number(float(curve.mean()))
        stroke = f'fill="none" stroke="{colour}" stroke-width="{2.6 if marked else 1.2}"'
        if curve[0] >= 0:
            points = " ".join(f"{left + width * i / (len(curve) - 1):.1f},"
                              f"{top + height * (1 - value):.1f}"
                              for i, value in enumerate(curve))
            parts.append(f'<polyline {stroke} stroke-linejoin="round" points="{points}">'
                         f'<title>OKS {name}: AP {average}</title></polyline>')
        parts.append(f'<path {stroke} d="M{left + width + 18} {y - 4}h22"/>'
                     f'<text x="{left + width + 48}" y="{y}">{name}</text>'
                     f'<text x="{left + width + 96}" y="{y}">{average}</text>')
    return "".join(parts) + "</svg>"


def steps(analysis: ErrorAnalysis) -> str:
    """One bar from 0 to 1: the AP as it is, and what each kind of error takes, in turn."""
    before = analysis.ap["all"]
    if np.isnan(before):
        return '<p class="soft">Nobody is labelled, so there is no AP to lose.</p>'
    parts = [_segment(before, "--accent", f"AP {before:.3f}", f"AP {before:.3f}")]
    for error, after in analysis.steps:
        gain = max(after - before, 0.0)     # a correction may cost a little, by new rankings
        text = f"{error} {gain:.3f}"
        parts.append(_segment(gain, COLOURS[error], text, error if gain > 0.06 else ""))
        before = max(before, after)
    parts.append(_segment(max(1 - before, 0.0), "--rest", f"good joints {1 - before:.3f}", ""))
    return f'<div class="bar tall">{"".join(parts)}</div>' + key(analysis.lost)


def _segment(share: float, colour: str, title: str, text: str) -> str:
    return (f'<span style="flex:{share:.5f} 0 0;background:var({colour})" '
            f'title="{escape(title)}">{escape(text)}</span>')


def key(names: Iterable[str]) -> str:
    """What the colours mean."""
    return '<div class="key">' + "".join(
        f'<span><i style="background:var({COLOURS[name]})"></i>{escape(name)}</span>'
        for name in names) + "</div>"


def losses(analysis: ErrorAnalysis) -> str:
    """Table of the AP lost to each kind of error alone, by size, with bars."""
    longest = max([row["all"] for row in analysis.lost.values()] + [1e-9])
    head = "".join(f"<th>{size}</th>" for size in SIZES)
    rows = []
    for error, row in analysis.lost.items():
        share = 0 if np.isnan(row["all"]) else max(row["all"], 0) / longest
        cells = "".join(f"<td>{number(row[size], '+.3f')}</td>" for size in SIZES)
        rows.append(f'<tr><td>{error}</td>{cells}<td class="grow">'
                    f'<div style="height:12px;border-radius:3px;width:{share:.1%};'
                    f'background:var({COLOURS[error]})"></div></td></tr>')
    last = "".join(f"<td>{number(analysis.ap[size])}</td>" for size in SIZES)
    people = "".join(f"<td>{analysis.people[size]}</td>" for size in SIZES)
    missed = "".join(f"<td>{analysis.missed[size]}</td>" for size in SIZES)
    return (f'<table class="wide"><thead><tr><th>AP lost to</th>{head}<th></th></tr></thead>'
            f'<tbody>{"".join(rows)}<tr><td>AP as it is</td>{last}<td></td></tr>'
            f'<tr><td>people</td>{people}<td></td></tr>'
            f'<tr><td>missed people</td>{missed}<td></td></tr></tbody></table>')


def joints(analysis: ErrorAnalysis) -> str:
    """A bar for each joint, split by CLASSES, with its labels and the AP lost to it."""
    rows = []
    counts = [*analysis.joints[0], analysis.joints[0].sum(axis=0)]
    lost = [*analysis.lost_by_joint[:, 0], np.nan]
    for name, row, ap in zip([*analysis.joint_names, "all"], counts, lost, strict=True):
        shares = row / max(row.sum(), 1)
        good = f"{shares[0]:.0%}" if row.sum() else "–"
        bar = "".join(_segment(share, COLOURS[c], f"{c} {share:.1%} ({n} of {row.sum()})", "")
                      for c, share, n in zip(CLASSES, shares, row, strict=True))
        rows.append(f'<tr><td>{escape(name.replace("_", " "))}</td><td class="grow">'
                    f'<div class="bar">{bar}</div></td><td>{good}</td>'
                    f'<td>{row.sum()}</td><td>{number(ap, "+.3f")}</td></tr>')
    return ('<table class="wide"><thead><tr><th>joint</th><th></th><th>good</th><th>labelled</th>'
            f'<th>AP lost</th></tr></thead><tbody>{"".join(rows)}</tbody></table>')
