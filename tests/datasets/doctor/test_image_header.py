"""Image sizes from headers equal those of the decoded images."""
import cv2
import numpy as np
import pytest

from datasets.doctor.image_header import image_size


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp"])
@pytest.mark.parametrize("size", [(1, 1), (300, 7), (5, 640)])
def test_the_size_is_that_of_the_pixels(tmp_path, suffix, size):
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), np.full((size[1], size[0], 3), 99, np.uint8))
    assert image_size(path) == size


def test_progressive_jpegs_and_segments_before_the_size(tmp_path):
    _, data = cv2.imencode(".jpg", np.zeros((30, 40, 3), np.uint8),
                           [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    data = data.tobytes()
    comment = b"\xff\xfe\x00\x06" + b"\xff\xc0\xff\xc0" + b"\xff\xff\xfe\x00\x02"
    (tmp_path / "a.jpg").write_bytes(data[:2] + comment + data[2:] + b"trailing bytes")
    assert image_size(tmp_path / "a.jpg") == (40, 30)


def test_other_forms_are_left_to_others(tmp_path):
    cv2.imwrite(str(tmp_path / "a.webp"), np.zeros((30, 40, 3), np.uint8))
    assert image_size(tmp_path / "a.webp") is None


@pytest.mark.parametrize("keep, words", [(0, "empty"), (10, "cut short"), (150, "cut short"),
                                         (-2, "its end is missing")])
def test_broken_jpegs(tmp_path, keep, words):
    _, data = cv2.imencode(".jpg", np.zeros((30, 40, 3), np.uint8))
    (tmp_path / "a.jpg").write_bytes(data.tobytes()[:keep])
    with pytest.raises(ValueError, match=words):
        image_size(tmp_path / "a.jpg")


def test_a_damaged_jpeg(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8" + b"x" * 50)
    with pytest.raises(ValueError, match="damaged"):
        image_size(tmp_path / "a.jpg")
