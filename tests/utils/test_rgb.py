"""Pixels into files and back; what is no RGB becomes RGB."""
import struct
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from utils.errors import UserError
from utils.rgb import as_rgb, eight_bits, encode_image, turned

PIXELS = cv2.resize(np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8), (64, 48))
GREY = PIXELS[..., 0]


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


@pytest.mark.parametrize("mode, off", [
    ("P", 60), ("PA", 60), ("L", 0), ("LA", 0), ("La", 0), ("1", 0), ("CMYK", 1), ("YCbCr", 3),
    ("LAB", 4), ("HSV", 3), ("RGBA", 0), ("RGBa", 0), ("RGBX", 0), ("I", 0), ("I;16", 0)])
def test_every_mode_of_pillow_gives_the_colours_that_it_shows(mode, off):
    image = Image.fromarray(PIXELS)
    expected = PIXELS
    if mode == "LAB":
        cms = pytest.importorskip("PIL.ImageCms")
        image = cms.profileToProfile(image, cms.createProfile("sRGB"), cms.createProfile("LAB"),
                                     outputMode="LAB")
    elif mode == "PA":
        image = image.convert("P").convert("PA")
    elif mode in ("La", "RGBa"):
        image = image.convert(mode.upper()).convert(mode)
        expected = np.dstack([np.asarray(image)[..., 0]] * 3) if mode == "La" else PIXELS
    elif mode in ("I", "I;16"):
        image = Image.fromarray(GREY.astype(np.uint16) * 257)
        image = image.convert("I") if mode == "I" else image
        expected = np.dstack([GREY] * 3)
    else:
        image = image.convert(mode)
        if mode in ("L", "LA", "1"):
            expected = np.asarray(Image.fromarray(PIXELS).convert(mode).convert("RGB"))
    found = as_rgb(image)
    assert found.shape == PIXELS.shape and found.dtype == np.uint8
    assert np.abs(found.astype(int) - expected).mean() <= off


def test_a_palette_with_a_transparent_colour():
    image = Image.fromarray(PIXELS).quantize(16)
    image.save(content := BytesIO(), "PNG", transparency=3)
    assert np.array_equal(as_rgb(Image.open(content)), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("image, words", [
    (Image.new("F", (8, 8)), "floating-point"), (Image.new("I", (8, 8), 70_000), "70000"),
    (np.zeros((4, 4), np.float32), "float32"), (np.zeros((4, 4, 2), np.uint8), "shape"),
    (np.zeros((0, 4), np.uint16), "shape")])
def test_what_has_no_colours_is_refused(image, words):
    with pytest.raises(UserError, match=words):
        as_rgb(image)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_exif_orientation_turns_as_pillow_turns(orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(PIXELS).save(content := BytesIO(), "PNG", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(content)))
    assert np.array_equal(turned(PIXELS, orientation), expected)
    assert np.array_equal(as_rgb(Image.open(content)), expected)


@pytest.mark.parametrize("depth", [8, 10, 12, 14, 16])
def test_the_bits_in_use_become_the_eight(depth):
    grey = GREY.copy()
    grey[0, 0] = 255        # the largest value of the depth
    stored = grey.astype(np.uint16) << (depth - 8)
    for form in (stored, stored.astype(">u2"), Image.fromarray(stored)):
        assert np.array_equal(as_rgb(form), np.dstack([grey] * 3))


def test_the_bits_of_a_set_keep_dark_frames_dark_and_cut_what_is_brighter():
    stored = np.array([[0, 160, 1023, 5000]], np.uint16)
    assert eight_bits(stored, 12).tolist() == [[0, 10, 63, 255]]
    assert eight_bits(stored[:, :3]).tolist() == [[0, 40, 255]]


def test_deep_colours_of_which_pillow_leaves_nothing_are_refused():
    dark, bright = (cv2.imencode(".png", PIXELS.astype(np.uint16) * factor)[1].tobytes()
                    for factor in (4, 257))
    with pytest.raises(UserError, match="give the path"):
        as_rgb(Image.open(BytesIO(dark)))
    assert np.array_equal(as_rgb(Image.open(BytesIO(bright))), PIXELS[..., ::-1])


@pytest.mark.parametrize("odd", [0, 65535])
def test_hot_and_dead_pixels_say_nothing_of_the_bits(odd):
    stored = GREY.astype(np.uint16) << 4
    stored[3, 5] = odd
    found = as_rgb(stored)
    assert found[3, 5, 0] == min(odd, 255)
    found[3, 5] = GREY[3, 5]
    assert np.array_equal(found, np.dstack([GREY] * 3))


@pytest.mark.parametrize("lift", [7000, 27000, 60000])
@pytest.mark.parametrize("kind", ["array", "RGB", "PIL"])
def test_values_far_above_zero_are_refused_and_the_bits_of_a_set_read_them(lift, kind):
    stored = GREY.astype(np.uint16) * 4 + lift
    stored[0, :2] = 0, 65535        # a dead pixel and a hot one change nothing
    image = {"array": stored, "RGB": np.dstack([stored] * 3), "PIL": Image.fromarray(stored)}[kind]
    with pytest.raises(UserError, match=rf"of 16 bits are {lift // 100}\d\d to .* convert it to 8"):
        as_rgb(image)
    assert as_rgb(image, 16)[4, 4, 0] == stored[4, 4] >> 8


def test_little_contrast_and_one_colour_are_pictures():
    for stored in (np.full((40, 60), 50000, np.uint16), GREY.astype(np.uint16) * 128 + 30000):
        assert as_rgb(stored).shape == (*stored.shape, 3)


def test_alpha_says_nothing_of_the_bits_of_the_colours():
    stored = PIXELS.astype(np.uint16) << 4
    alpha = np.full(GREY.shape, 65535, np.uint16)
    assert np.array_equal(as_rgb(np.dstack([stored, alpha])), as_rgb(stored))


def tiff(stored: np.ndarray, photometric: int, orientation: int = 1, used: int = 16) -> bytes:
    """A grey TIFF without compression."""
    data, (height, width) = stored.tobytes(), stored.shape
    bits = used if stored.itemsize == 2 else 8
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, photometric), (273, 8),
            (274, orientation), (277, 1), (278, height), (279, len(data))]
    listed = b"".join(struct.pack("<HHII", tag, 4 if tag == 279 else 3, 1, value)
                      for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack(
        "<H", len(tags)) + listed + bytes(4)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_turned_tiff_that_pillow_has_opened_is_the_picture(tmp_path, orientation, dtype):
    """From a file Pillow 13 exchanges width and height of the rows before it reads them."""
    stored = GREY.astype(dtype) * (257 if dtype == np.uint16 else 1)
    (tmp_path / "a.tif").write_bytes(tiff(stored, 1, orientation))
    image = Image.open(tmp_path / "a.tif")
    assert np.array_equal(as_rgb(image), np.dstack([turned(GREY, orientation)] * 3))
    assert image.filename == str(tmp_path / "a.tif")


@pytest.mark.parametrize("factor", [257, 1])
def test_a_tiff_in_which_white_is_zero_is_no_negative(factor):
    dtype = np.uint16 if factor > 1 else np.uint8
    stored = (255 - GREY).astype(dtype) * factor
    found = as_rgb(Image.open(BytesIO(tiff(stored, 0))))
    assert np.array_equal(found, np.dstack([GREY] * 3))
