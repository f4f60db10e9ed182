"""Pixels into files and back."""
import cv2
import numpy as np
import pytest

from utils.rgb import encode_image

PIXELS = cv2.resize(np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8), (64, 48))


@pytest.mark.parametrize("suffix, off", [(".png", 0), (".jpg", 4), (".jpeg", 4)])
def test_what_was_encoded_is_decoded_in_the_same_order_of_colours(suffix, off):
    found = cv2.imdecode(np.frombuffer(encode_image(PIXELS, suffix), np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(found[..., ::-1].astype(int) - PIXELS).mean() <= off


def test_quality_and_smallest_change_the_bytes_and_the_latter_no_pixel():
    plain, small = encode_image(PIXELS, quality=95), encode_image(PIXELS, smallest=True)
    assert len(encode_image(PIXELS, quality=40)) < len(small) < len(plain)
    one, other = (cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
                  for content in (plain, small))
    assert np.array_equal(one, other)
