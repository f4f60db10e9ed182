"""Every kind of image file gives RGB uint8; every broken one a sentence that names it."""
import os
import pickle
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, features

from datasets.crops import images
from datasets.crops.images import ImageError, bits_of, read_image
from utils.rgb import as_rgb, turned

PIXELS = cv2.resize(np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8), (64, 48))


def encode(extension: str, pixels: np.ndarray = PIXELS, *options: int) -> bytes:
    """File content of RGB pixels."""
    if pixels.ndim == 3:
        order = [2, 1, 0, 3][:pixels.shape[2]]
        pixels = pixels[..., order]
    return cv2.imencode(extension, np.ascontiguousarray(pixels), options)[1].tobytes()


def read(tmp_path, content: bytes, name: str = "image.jpg") -> np.ndarray:
    (tmp_path / name).write_bytes(content)
    return read_image(tmp_path / name)


@pytest.mark.parametrize("content, tolerance", [
    (encode(".png"), 0), (encode(".jpg", PIXELS, cv2.IMWRITE_JPEG_QUALITY, 98), 4),
    (encode(".jpg", PIXELS, cv2.IMWRITE_JPEG_PROGRESSIVE, 1), 6), (encode(".bmp"), 0),
    (encode(".webp", PIXELS, cv2.IMWRITE_WEBP_QUALITY, 101), 0),
    (encode(".png", PIXELS.astype(np.uint16) * 257), 0),
    (encode(".png", np.dstack([PIXELS, np.full((48, 64), 9, np.uint8)])), 0),
], ids=["png", "jpeg", "progressive", "bmp", "webp", "16bit", "alpha"])
def test_colour_files_give_rgb(tmp_path, content, tolerance):
    pixels = read(tmp_path, content)
    assert pixels.shape == (48, 64, 3) and pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - PIXELS).mean() <= tolerance


def test_grey_file_gives_three_equal_channels(tmp_path):
    pixels = read(tmp_path, encode(".jpg", PIXELS[..., 0]))
    assert pixels.shape == (48, 64, 3) and (pixels == pixels[..., :1]).all()


def photo(path, orientation: int, pixels: np.ndarray = PIXELS) -> None:
    """A file whose stored pixels are `pixels`, with an EXIF orientation."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(pixels).save(path, exif=exif, **{"lossless": True} if ".webp" in path.name
                                 else {"quality": 98} if ".png" not in path.name else {})


def close(found: np.ndarray, expected: np.ndarray) -> bool:
    return found.shape == expected.shape and np.abs(found.astype(int) - expected).mean() < 5


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_exif_orientation_counts_where_the_stated_size_proves_it(tmp_path, suffix, orientation):
    path = tmp_path / f"a.{suffix}"
    photo(path, orientation)
    upright = turned(PIXELS, orientation)
    stored_size, upright_size = (64, 48), upright.shape[1::-1]
    assert close(read_image(path), PIXELS) and close(read_image(path, exif="obey"), upright)
    for exif in ("default", "ignore", "obey"):
        proof = stored_size != upright_size
        for size, pixels in ((stored_size, PIXELS), (upright_size, upright)):
            expected = pixels if proof else upright if exif == "obey" else PIXELS
            assert close(read_image(path, size, exif), expected)


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_square_picture_proves_nothing(tmp_path, orientation):
    photo(tmp_path / "a.png", orientation, PIXELS[:, :48])
    for exif, expected in (("default", PIXELS[:, :48]), ("obey", turned(PIXELS[:, :48],
                                                                        orientation))):
        assert np.array_equal(read_image(tmp_path / "a.png", (48, 48), exif), expected)


def test_nobody_looks_at_exif_where_it_cannot_matter(tmp_path, monkeypatch):
    photo(tmp_path / "a.jpg", 3)
    monkeypatch.setattr(images, "header_in", None)
    assert close(read_image(tmp_path / "a.jpg", (64, 48)), PIXELS)


def test_a_tiff_is_always_upright(tmp_path):
    photo(tmp_path / "a.tif", 6)
    for exif in ("default", "obey"):
        assert close(read_image(tmp_path / "a.tif", exif=exif), turned(PIXELS, 6))


def of_every_mode() -> dict[str, Image.Image]:
    image, grey = Image.fromarray(PIXELS), PIXELS[..., 0].astype(np.uint16)
    see_through = image.convert("RGBA")
    see_through.putalpha(Image.fromarray(PIXELS[..., 1]))
    return {**{mode: image.convert(mode) for mode in ("1", "L", "LA", "P", "CMYK", "YCbCr")},
            "RGBA": see_through, "I;16": Image.fromarray(grey * 257),
            "12 of 16": Image.fromarray(grey * 16), "I": Image.fromarray(grey * 16).convert("I")}


@pytest.mark.parametrize("suffix, modes", [
    ("png", ["1", "L", "LA", "P", "RGBA", "I;16", "12 of 16"]), ("gif", ["P"]), ("bmp", ["P", "1"]),
    ("webp", ["RGBA"]), ("jpg", ["CMYK", "YCbCr"]),
    ("tif", ["1", "L", "LA", "P", "CMYK", "YCbCr", "RGBA", "I;16", "12 of 16", "I"])])
def test_a_file_is_the_same_by_its_path_and_opened_by_pillow(tmp_path, capfd, suffix, modes):
    for mode in modes:
        path = tmp_path / f"{mode}.{suffix}"
        options = {"webp": {"lossless": True},      # Pillow 12.3 cannot read its own raw YCbCr
                   "tif": {"compression": "tiff_lzw" if mode == "YCbCr" else None}}
        of_every_mode()[mode].save(path, **options.get(suffix, {}))
        by_path, by_pillow = read_image(path, exif="obey"), as_rgb(Image.open(path))
        assert np.abs(by_path.astype(int) - by_pillow).max() <= 1, mode
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jp2"])
@pytest.mark.parametrize("pixels", [PIXELS, PIXELS[..., 0]], ids=["colour", "grey"])
@pytest.mark.parametrize("depth", [8, 10, 12, 14, 16])
def test_the_bits_in_use_of_16_are_the_picture(tmp_path, suffix, pixels, depth):
    path = tmp_path / f"a{suffix}"
    pixels = pixels.copy()
    pixels[0, 0] = 255
    path.write_bytes(encode(suffix, pixels.astype(np.uint16) << depth - 8))
    expected = pixels if pixels.ndim == 3 else np.dstack([pixels] * 3)
    assert np.abs(read_image(path).astype(int) - expected).max() <= 1 and bits_of(path) == depth
    dark = read_image(path, bits=16).astype(int)
    assert np.abs(dark - (expected >> 16 - depth)).max() <= 1


def test_what_has_no_stated_range_is_refused_without_a_word_of_opencv(tmp_path, capfd):
    Image.fromarray(PIXELS[..., 0].astype(np.float32)).save(tmp_path / "float.tif")
    Image.new("I", (8, 8), -5).save(tmp_path / "negative.tif")
    (tmp_path / "a.hdr").write_bytes(encode(".hdr", PIXELS.astype(np.float32)))
    for name, words in (("float.tif", "floating-point"), ("negative.tif", "values -5 to -5"),
                        ("a.hdr", "values of the type float32")):
        with pytest.raises(ImageError, match=f"image .*{name} .*{words}.* 8 or 16 bits"):
            read_image(tmp_path / name)
    (tmp_path / "cut.tif").write_bytes((tmp_path / "float.tif").read_bytes()[:300])
    with pytest.raises(ImageError, match="cut.tif"):
        read_image(tmp_path / "cut.tif")
    assert capfd.readouterr().err == ""


def test_heic_is_read_by_pillow_heif_or_its_name_is_said(tmp_path, monkeypatch):
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    with pytest.raises(ImageError, match="a.heic is a HEIC or AVIF.* pip install pillow-heif"):
        read_image(path)
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(Image.fromarray(PIXELS)).save(path, quality=95)
    assert np.abs(read_image(path).astype(int) - PIXELS).mean() < 8
    assert np.array_equal(read_image(path), as_rgb(Image.open(path)))


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow knows no AVIF")
def test_avif_is_upright_as_other_programs_show_it(tmp_path):
    photo(tmp_path / "a.avif", 6)
    assert np.abs(read_image(tmp_path / "a.avif").astype(int) - turned(PIXELS, 6)).mean() < 8


def test_cmyk_jpeg(tmp_path):
    Image.fromarray(PIXELS).convert("CMYK").save(tmp_path / "cmyk.jpg", quality=98)
    assert np.abs(read_image(tmp_path / "cmyk.jpg").astype(int) - PIXELS).mean() < 5


def test_bytes_behind_a_jpeg_do_no_harm(tmp_path):
    assert np.array_equal(read(tmp_path, encode(".jpg") + b"phone data"),
                          read(tmp_path, encode(".jpg")))


@pytest.mark.parametrize("keep", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp"])
def test_cut_file_is_noticed(tmp_path, extension, keep):
    content = encode(extension)
    with pytest.raises(ImageError, match="photo"):
        read(tmp_path, content[:int(len(content) * keep)], f"photo{extension}")


def test_jpeg_filled_up_with_zeros_is_noticed(tmp_path):
    content = encode(".jpg")
    with pytest.raises(ImageError, match="cut short"):
        read(tmp_path, content[:len(content) // 2] + bytes(len(content) // 2))


@pytest.mark.parametrize("keep", [0.3, 0.5, 0.8])
def test_a_cut_jpeg_with_an_end_put_behind_is_noticed(tmp_path, keep):
    content = encode(".jpg", cv2.resize(PIXELS, (256, 192)))
    with pytest.raises(ImageError, match="only an end was put behind it"):
        read(tmp_path, content[:int(len(content) * keep)] + b"\xff\xd9")


def test_a_whole_jpeg_may_end_in_one_colour(tmp_path, capfd):
    pixels = PIXELS.copy()
    pixels[20:] = 77
    for options in ((), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)):
        assert (read(tmp_path, encode(".jpg", pixels, *options))[-1] == 77).all()
    assert capfd.readouterr().err == ""


def test_an_end_put_behind_a_cut_file_is_looked_for_once_by_a_process(tmp_path, monkeypatch):
    pixels, looked = PIXELS.copy(), []
    pixels[20:] = 0     # a black bar below, as letterboxed films have it
    (tmp_path / "bar.jpg").write_bytes(encode(".jpg", pixels))
    monkeypatch.setattr(images, "_in_small", lambda data: looked.append(len(data)) or b"")
    for first in (True, False, False):
        read_image(tmp_path / "bar.jpg", look_for_cut=first)
    assert len(looked) == 2


@pytest.mark.parametrize("name", ["/dev/zero", "pipe", "."])
def test_what_is_no_file_is_not_read(tmp_path, name):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageError, match="is no file"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("suffix, size", [("png", (20000, 20000)), ("jpg", (60000, 6000)),
                                          ("tif", (50000, 7000))])
def test_small_files_of_too_many_pixels_are_not_decoded(tmp_path, monkeypatch, suffix, size):
    """Their headers alone would do; the bytes behind are never looked at."""
    monkeypatch.setattr(images, "decode", None)
    monkeypatch.setattr(images, "SMALL_JPEG", 0)
    path = tmp_path / f"large.{suffix}"
    if suffix == "jpg":
        content = bytearray(encode(".jpg"))
        frame = content.index(b"\xff\xc0") + 5
        content[frame:frame + 4] = size[1].to_bytes(2, "big") + size[0].to_bytes(2, "big")
        path.write_bytes(content)
    else:
        Image.new("1", size).save(path)
    with pytest.raises(ImageError, match=f"has {size[0]}x{size[1]} pixels, more than the 300 mill"):
        read_image(path)


def test_the_smallest_jpeg_of_too_many_pixels_is_larger_than_those_taken_without_a_look():
    Image.new("L", (8192, 8192)).save(content := BytesIO(), "JPEG", progressive=True, quality=1)
    assert len(content.getvalue()) * images.MOST_PIXELS / 8192 ** 2 > images.SMALL_JPEG


def test_other_broken_files(tmp_path):
    with pytest.raises(ImageError, match="empty.jpg is empty"):
        read(tmp_path, b"", "empty.jpg")
    with pytest.raises(ImageError, match="page.jpg is damaged or is not an image"):
        read(tmp_path, b"<html>not found</html>", "page.jpg")
    with pytest.raises(ImageError, match="none.jpg does not exist"):
        read_image(tmp_path / "none.jpg")
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(tmp_path / "page.jpg" / "a.jpg")


def test_error_keeps_its_sentence_through_a_worker():
    error = ImageError("image a.jpg is empty")
    assert str(pickle.loads(pickle.dumps(error))) == "image a.jpg is empty"
    traceback = ("Caught ImageError in DataLoader worker process 0.\nOriginal Traceback:\n"
                 "  File ...\ndatasets.crops.images.ImageError: image a.jpg is empty\n")
    assert str(ImageError(traceback)) == "image a.jpg is empty"


def test_a_name_with_line_breaks_is_shown_on_one_line(tmp_path):
    name = "a\n\x1b[31mb.jpg"
    with pytest.raises(ImageError, match="b.jpg is damaged") as caught:
        read(tmp_path, b"x", name)
    sentence = str(caught.value)
    assert sentence.isprintable() and sentence.startswith("image ") and "a\\n\\x1b[31mb" in sentence


def test_a_thermal_picture_is_refused_by_its_name(tmp_path):
    path = tmp_path / "thermal.png"
    path.write_bytes(encode(".png", PIXELS.astype(np.uint16) * 4 + 27000))
    with pytest.raises(ImageError, match=f"image {path} cannot be used: its values of 16 bits are"):
        read_image(path)
    assert read_image(path, bits=16).max() == (255 * 4 + 27000) >> 8


def test_a_pointer_of_git_lfs_is_named(tmp_path):
    (tmp_path / "a.jpg").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d\n")
    with pytest.raises(ImageError, match="a.jpg is only a pointer of git-lfs .*git lfs pull"):
        read_image(tmp_path / "a.jpg")
