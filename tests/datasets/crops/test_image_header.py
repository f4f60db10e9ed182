"""Image sizes from headers equal those of the decoded images."""
import random
import struct
import warnings
import zlib

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from datasets.crops.image_header import ImageHeader, count_pictures, read_header
from datasets.crops.images import read_image
from utils.errors import UserError


def image_size(path):
    return read_header(path).size


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp"])
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


@pytest.mark.parametrize("suffix", ["tif", "gif", "txt"])
def test_other_forms_are_left_to_others(tmp_path, suffix):
    """Pillow turns a TIFF as its orientation says, in some releases; so does OpenCV."""
    Image.new("RGB", (40, 30)).save(tmp_path / f"a.{suffix}", "GIF" if suffix == "gif" else "TIFF")
    if suffix == "txt":
        (tmp_path / "a.txt").write_text("words")
    assert read_header(tmp_path / f"a.{suffix}") is None


def photo(path, orientation):
    """40 x 30 stored pixels with an EXIF orientation."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.new("RGB", (40, 30)).save(path, exif=exif)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_orientation_comes_along_and_turns_nothing(tmp_path, suffix, orientation):
    path = tmp_path / f"a.{suffix}"
    photo(path, orientation)
    assert read_header(path) == ImageHeader((40, 30), orientation)
    assert read_image(path).shape[:2] == (30, 40)


@pytest.mark.parametrize("orientation", [0, 9])
def test_an_orientation_that_there_is_not_is_upright(tmp_path, orientation):
    photo(tmp_path / "a.jpg", orientation)
    assert read_header(tmp_path / "a.jpg").orientation == 1


def test_damaged_exif_costs_neither_the_size_nor_a_warning(tmp_path):
    path = tmp_path / "a.jpg"
    photo(path, 6)
    data = path.read_bytes()
    block = data.index(b"Exif\0\0") + 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for start, junk in ((block, b"xx"), (block + 4, b"\xff\xff\xff\xff"),
                            (block + 8, b"\xff\xff\xff\xff"), (block + 12, b"\xff" * 8)):
            path.write_bytes(data[:start] + junk + data[start + len(junk):])
            assert read_header(path) == ImageHeader((40, 30), 1)


def test_no_size_is_too_large_for_a_header(tmp_path):
    """Pillow refuses to open what would take gigabytes when decoded, and warns before that."""
    path = tmp_path / "a.bmp"
    Image.new("RGB", (40, 30)).save(path)
    data = path.read_bytes()
    limit = Image.MAX_IMAGE_PIXELS
    for side in (11_000, 40_000):
        path.write_bytes(data[:18] + 2 * side.to_bytes(4, "little") + data[26:])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert image_size(path) == (side, side)
    assert Image.MAX_IMAGE_PIXELS == limit


@pytest.mark.parametrize("keep, words", [(0, "empty"), (10, "cut short"), (150, "cut short"),
                                         (-2, "its end is missing")])
def test_broken_jpegs(tmp_path, keep, words):
    _, data = cv2.imencode(".jpg", np.zeros((30, 40, 3), np.uint8))
    (tmp_path / "a.jpg").write_bytes(data.tobytes()[:keep])
    with pytest.raises(UserError, match=words):
        read_header(tmp_path / "a.jpg")


def test_a_damaged_jpeg(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8" + b"x" * 50)
    with pytest.raises(UserError, match="damaged"):
        read_header(tmp_path / "a.jpg")


def chunk(kind: bytes, content: bytes) -> bytes:
    return (struct.pack(">I", len(content)) + kind + content
            + struct.pack(">I", zlib.crc32(kind + content)))


@pytest.mark.parametrize("kind, start", [(b"zTXt", b"k\0\0"), (b"iCCP", b"icc\0\0")])
def test_a_header_that_pillow_refuses_costs_no_picture(tmp_path, kind, start):
    """Its guards against large texts and profiles are errors that only the decoder may judge."""
    whole = cv2.imencode(".png", np.full((40, 50, 3), 90, np.uint8))[1].tobytes()
    large = chunk(kind, start + zlib.compress(b"a" * 3_000_000))
    path = tmp_path / "a.png"
    path.write_bytes(whole[:33] + large + whole[33:])
    assert read_header(path) is None
    assert not count_pictures(path)
    assert (read_image(path) == 90).all()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF"])
def test_damage_is_told_or_left_to_the_decoder(tmp_path, form):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (9, 7, 3), np.uint8))
    image.save(tmp_path / "whole", form)
    whole, rng = (tmp_path / "whole").read_bytes(), random.Random(0)
    for _ in range(200):
        data = bytearray(whole[:rng.randint(1, len(whole))])
        for _ in range(rng.randint(0, 4)):
            data[rng.randrange(min(len(data), 120))] = rng.randrange(256)
        (tmp_path / "damaged").write_bytes(data)
        count_pictures(tmp_path / "damaged")
        try:
            read_header(tmp_path / "damaged")
        except UserError as error:
            assert str(error)
