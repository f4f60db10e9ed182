"""The letterbox against YOLOv5's numbers, against arithmetic, and on odd sizes."""
import json

import cv2
import numpy as np
import pytest

from processors.detection.letterbox import GREY, plan_letterbox

# The settings of the golden cases: target (width, height) and the rest
SETTINGS = {
    "640_auto": dict(target=(640, 640)),
    "640_square": dict(target=(640, 640), minimum=False),
    "320_auto": dict(target=(320, 320)),
    "640_noscaleup": dict(target=(640, 640), minimum=False, scale_up=False),
    "640_stretch": dict(target=(640, 640), minimum=False, stretch=True),
    "rect_384x640": dict(target=(640, 384), minimum=False),
}


def golden_image(shared, name):
    """RGB, as YOLOv5 saw it."""
    if name.startswith("synthetic"):
        height, width = map(int, name.split("_")[1].split("x"))
        row, column = np.mgrid[:height, :width]
        bgr = ((3 * row + 5 * column)[..., None] + [0, 60, 120]) % 256
        return np.ascontiguousarray(bgr[..., ::-1], np.uint8)
    path = shared / "data" / "coco" / "val2017" / name
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) if path.is_file() else None


def test_the_official_cases(shared):
    cases = json.loads((shared / "golden/networks/yolo_nms_letterbox.json").read_text())
    pictures = 0
    for case in cases["letterbox"]:
        height, width = case["src_hw"]
        box = plan_letterbox((width, height), **SETTINGS[case["cfg"]])
        assert box.output == tuple(case["out_hw"][::-1]), case
        assert box.gain == pytest.approx(case["ratio_wh"]) and list(box.pad) == case["pad_wh"]
        assert box.borders == tuple(case[side] for side in ("left", "top", "right", "bottom"))
        assert box.to_image(case["boxes_in"]) == pytest.approx(
            np.array(case["boxes_to_source"]), abs=1e-3)
        if case["cfg"] != "640_stretch":    # there the official code maps y by the gain of x
            assert box.to_image(case["boxes_in"], exact=True) == pytest.approx(
                np.array(case["boxes_to_source_ratio_pad"]), abs=1e-3)
        image = golden_image(shared, case["image"])
        if image is not None:
            pictures += 1
            pixels = box.apply(image)
            assert pixels.shape == (*case["out_hw"], 3) and pixels.dtype == np.uint8
            assert np.abs(pixels.mean((0, 1)) - case["mean_bgr"][::-1]).max() < 1
    assert len(cases["letterbox"]) == 108 and pictures >= 48


def test_a_wide_image_lands_in_the_middle():
    image = np.full((30, 100, 3), 200, np.uint8)
    box = plan_letterbox((100, 30), (64, 64))
    pixels = box.apply(image)       # 64 x 19, so 13 rows of grey up to 32: 6 above, 7 below
    assert pixels.shape == (32, 64, 3) and box.borders == (0, 6, 0, 7)
    assert (pixels[6:25] == 200).all() and (pixels[:6] == GREY).all()
    assert (pixels[25:] == GREY).all()


def test_boxes_come_back_and_are_cut_to_the_image():
    box = plan_letterbox((810, 1080))
    inside = np.float32([[10, 20, 300, 400], [0, 0, 810, 1080]])
    shifted = inside * box.gain[0] + np.float32(box.pad * 2)
    assert box.to_image(shifted) == pytest.approx(inside, abs=1e-3)
    outside = box.to_image([[-50, -50, 5000, 5000]])
    assert outside.tolist() == [[0, 0, 810, 1080]] and outside.dtype == np.float32
    assert box.to_image(np.zeros((0, 4))).shape == (0, 4)


@pytest.mark.parametrize("size", [(1, 1), (5000, 1), (1, 5000), (7, 3), (641, 640), (6000, 4000)])
def test_every_size_gives_whole_strides(size):
    box = plan_letterbox(size)
    assert all(side % 32 == 0 and 0 < side <= 640 for side in box.output)
    assert max(box.output) == 640 and min(box.borders) >= 0
    assert box.apply(np.zeros((size[1], size[0], 3), np.uint8)).shape[1::-1] == box.output


def test_no_scaling_up_and_stretching():
    small = plan_letterbox((20, 10), (64, 64), minimum=False, scale_up=False)
    assert small.resized == (20, 10) and small.output == (64, 64)
    wide = plan_letterbox((20, 10), (64, 64), stretch=True)
    assert wide.gain == (3.2, 6.4) and wide.borders == (0, 0, 0, 0)
    assert wide.to_image([[32, 32, 64, 64]], exact=True).tolist() == [[10, 5, 20, 10]]
