"""Every kind of image file gives RGB uint8; every broken one a sentence that names it."""
import os
import pickle
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from datasets.crops import images
from datasets.crops.images import ImageError, missing_files, read_image, spelled_otherwise

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


def test_exif_orientation_is_ignored(tmp_path):
    jpeg = encode(".jpg")
    exif = (b"Exif\0\0MM\0*\0\0\0\x08\0\x01" b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0" b"\0\0\0\0")
    turned = jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape[:2] == (64, 48)
    assert np.array_equal(read(tmp_path, turned), read(tmp_path, jpeg))


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
    with pytest.raises(ImageError, match="is no file: name one"):
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


def test_missing_files_in_folders(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.jpg").touch()
    (tmp_path / "2.jpg").touch()
    names = ["a/1.jpg", "2.jpg", "a/2.jpg", "b/1.jpg", "1.jpg"]
    assert missing_files(tmp_path, names) == ["a/2.jpg", "b/1.jpg", "1.jpg"]


@pytest.mark.parametrize("names, hint", [
    (["a\\b.jpg", "a\\no.jpg"], "; 1 of them are there with / in the place of \\"),
    (["c/Mu\u0308ller.png"], "; they are there with letters written in another Unicode form"),
    (["A/B.jpg", "b.JPG"], ""), (["a/B.JPG"], "; they are there in another case"),
    (["x/M\u00dcLLER.PNG"], "; they are there without the folder in file_name, and"),
    (["no.jpg"], ""), (["x" * 10 ** 5 + "/" + "y" * 10 ** 5, "a\0/b.jpg"], "")])
def test_another_spelling_of_missing_names(tmp_path, names, hint):
    for name in ("a/b.jpg", "c/M\u00fcller.png", "m\u00fcller.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert missing_files(tmp_path, names) == names
    found = spelled_otherwise(tmp_path, names)
    assert found.startswith(hint) and bool(found) == bool(hint)
