"""Figures: what all charts share, and the only file that imports matplotlib."""
import io
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["Axes", "Figure", "as_png", "new_figure", "plain"]

INCHES = 11         # width of a figure, of which each is 100 pixels


def new_figure(columns: int = 1, height: float = 3.4, rows: int = 1, **settings: Any,
               ) -> tuple[Figure, Any]:
    """A figure of INCHES x height and its axes, or an array (rows, columns) of axes, flat
    where one of them is 1; settings: those of `Figure.subplots`."""
    # the object interface: pyplot would look for a display and keep global state
    figure = Figure(figsize=(INCHES, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, **settings)


def as_png(figure: Figure) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100)
    return picture.getvalue()


def plain(text: str) -> str:
    """Words of a user for a chart: matplotlib reads what stands between two $ as a formula."""
    return text.replace("$", r"\$")
