import math
import warnings

import cv2
import pytest

from processors.reports.curves import draw_curves


def train(step: int, loss: float = 0.1) -> dict:
    return {"kind": "train", "step": step, "loss": loss, "lr": 1e-3}


def val(epoch: int, ap: float = 0.5, weights: str = "net") -> dict:
    return {"kind": "val", "epoch": epoch, "AP": ap, "weights": weights}


@pytest.fixture
def draw(tmp_path):
    def draw(lines: list[dict]) -> bytes:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # old matplotlib calls a new pyparsing by names it is to give up
            warnings.filterwarnings("ignore", ".* deprecated.* use '", DeprecationWarning,
                                    module=r"matplotlib\._|pyparsing|functools")
            draw_curves(lines, tmp_path / "curves.png")
        assert [file.name for file in tmp_path.iterdir()] == ["curves.png"]
        assert cv2.imread(str(tmp_path / "curves.png")).shape == (400, 1100, 3)
        return (tmp_path / "curves.png").read_bytes()
    return draw


@pytest.mark.parametrize("lines", [
    [], [train(1)], [val(1)], [train(1, math.nan)], [train(1, 0.0), train(2)],
    [val(1, math.nan)], [val(1), val(1, 0.6, "ema")], [{"kind": "other"}, train(5)]],
    ids=["nothing", "train", "val", "nan", "zero", "nan AP", "both", "unknown"])
def test_whatever_the_run_said_there_is_a_picture(draw, lines):
    draw(lines)


def test_the_picture_shows_the_values(draw):
    assert draw([train(1), train(2, 0.2), val(1)]) != draw([train(1), train(2, 0.3), val(1)])
    assert draw([train(1), val(1), val(2)]) != draw([train(1), val(1), val(2, 0.9)])


def test_what_a_killed_run_said_twice_is_drawn_once(draw):
    first = [train(1), train(2), train(3, 9.0), val(1), val(2, 0.1)]
    again = [train(2), train(3), val(2)]
    assert draw(first + again) == draw([train(1), train(2), train(3), val(1), val(2)])
