"""The charts show the values, and draw whatever a set gives."""
import warnings
from dataclasses import replace

import cv2
import numpy as np
import pytest

from processors.evaluation.error_analysis import CLASSES, ERRORS, ErrorAnalysis
from processors.judging.ten_numbers import SIZES
from processors.reports import evaluation_charts as charts

ANALYSIS = ErrorAnalysis(
    joint_names=("nose", "left_eye"), ap=dict.fromkeys(SIZES, 0.5),
    people=dict.fromkeys(SIZES, 9), missed=dict.fromkeys(SIZES, 1), detections=9,
    false_positives=1, duplicates=0, joints=np.arange(3 * 2 * len(CLASSES)).reshape(3, 2, -1),
    lost={error: dict.fromkeys(SIZES, 0.05 * i) for i, error in enumerate(ERRORS)},
    lost_by_joint=np.full((2, 3), 0.1),
    steps=tuple((error, 0.5 + 0.05 * i) for i, error in enumerate(ERRORS)), worst=(), best=())


def size(picture: bytes) -> tuple[int, ...]:
    return cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).shape


@pytest.fixture(autouse=True)
def no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # old matplotlib calls a new pyparsing by names it is to give up
        warnings.filterwarnings("ignore", ".* deprecated.* use '", DeprecationWarning,
                                module=r"matplotlib\._|pyparsing|functools")
        yield


def test_curves_of_precision():
    curves = np.linspace(1, 0, 101)[None] * np.linspace(1, 0.1, 10)[:, None]
    picture = charts.precision_recall(curves)
    assert size(picture) == (420, 1100, 3)
    assert charts.precision_recall(curves * 0.9) != picture
    assert size(charts.precision_recall(np.full((10, 101), -1.0))) == (420, 1100, 3)


def test_errors_in_turn_and_alone():
    picture = charts.lost_ap(ANALYSIS)
    assert size(picture)[1] == 1100
    alone = {error: {**row, "all": 0.2} for error, row in ANALYSIS.lost.items()}
    assert charts.lost_ap(replace(ANALYSIS, lost=alone)) != picture
    assert charts.lost_ap(replace(ANALYSIS, steps=ANALYSIS.steps[::-1])) != picture
    # a correction may cost AP, and one size may have nobody
    costly = {error: {**row, "all": -0.01, "large": np.nan} for error, row in alone.items()}
    charts.lost_ap(replace(ANALYSIS, lost=costly))


def test_a_bar_for_each_joint():
    picture = charts.joints(ANALYSIS)
    assert charts.joints(replace(ANALYSIS, joints=ANALYSIS.joints[:, :, ::-1])) != picture
    assert size(charts.joints(replace(ANALYSIS, joints=ANALYSIS.joints * 0)))[1] == 1100
    many = replace(ANALYSIS, joint_names=("a",) * 133,
                   joints=np.ones((3, 133, len(CLASSES)), int))
    assert size(charts.joints(many))[0] > 3000


@pytest.mark.parametrize("name", ["$a$", "$\\frac{$", "a$b", "_hidden", ""])
def test_names_are_no_formulas(name):
    charts.joints(replace(ANALYSIS, joint_names=(name, "left_eye")))
