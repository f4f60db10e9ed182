"""Which files of a folder are pictures, and how those that labels name are read."""
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from datasets.crops.image_files import image_numbers
from datasets.crops.images import ImageError
from processors.jobs.detect import detect_images
from processors.prediction.frame_sources import ImageFiles, open_source
from processors.prediction.given_boxes import read_boxes
from processors.prediction.image_lists import list_images
from processors.prediction.video_source import Video
from tests.processors.jobs.test_detect import Brightest
from tests.turned_pictures import store_turned
from utils.errors import UserError

PIXELS = cv2.resize(np.random.default_rng(0).integers(0, 255, (5, 6, 3), dtype=np.uint8), (48, 32))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pictures").mkdir()
    Image.fromarray(PIXELS).save(tmp_path / "pictures" / "a.png")
    return tmp_path / "pictures"


def without_heif(monkeypatch):
    monkeypatch.setattr("datasets.crops.image_files.find_spec", lambda name: None)


def test_skipped_files_are_counted_by_their_endings(folder, monkeypatch):
    without_heif(monkeypatch)
    for name in ("b.HEIC", "c.heic", "d.gif", "e.mp4", "f.mp4", "g.mp4", "LICENSE", ".hidden.gif"):
        (folder / name).write_bytes(b"-")
    (folder / "more.gif").mkdir()
    told = ("3 .mp4, 2 .heic, 1 .gif, 1 without an ending (pip install pillow-heif, or convert "
            "them to JPEG)")
    listed = list_images(folder)
    assert listed.names == ["a.png"]
    assert sorted(listed.skipped.split(" (")[0].split(", ")) == sorted(
        told.split(" (")[0].split(", ")) and listed.skipped.endswith(told.partition(" (")[2])
    assert listed.notes("default") == [f"skipped in {folder}: {listed.skipped}"]
    for source in (folder, f"{folder}/*"):
        assert open_source(str(source)).notes() == [f"skipped beside the images: {listed.skipped}"]


def test_many_endings_are_summed_up(folder):
    for number in range(9):
        (folder / f"x.{number}").touch()
    assert list_images(folder).skipped.endswith(", 4 more")


def test_a_folder_of_heic_alone_says_the_cure(folder, monkeypatch):
    without_heif(monkeypatch)
    (folder / "a.png").rename(folder / "a.heic")
    words = r"only 1 \.heic \(pip install pillow-heif"
    with pytest.raises(UserError, match=f"holds no images.*{words}"):
        open_source(str(folder))
    with pytest.raises(FileNotFoundError, match=f"no image file fits.*{words}"):
        open_source(f"{folder}/*.heic")


def test_heic_counts_as_an_image_where_it_can_be_read(folder, monkeypatch):
    monkeypatch.setattr("datasets.crops.image_files.find_spec", lambda name: name)
    (folder / "b.heic").touch()
    assert list_images(folder).names == ["a.png", "b.heic"]


@pytest.mark.parametrize("name, form", [("a.gif", "GIF"), ("a.jfif", "JPEG"), ("a", "PNG"),
                                        ("a.ppm", "PPM")])
def test_one_picture_is_no_video_whatever_it_is_called(folder, name, form):
    Image.fromarray(PIXELS).save(folder / name, form)
    source = open_source(str(folder / name))
    assert isinstance(source, ImageFiles)
    (frame,) = source
    assert np.abs(frame.pixels.astype(int) - PIXELS).mean() < 25       # 256 colours in a GIF


def test_a_heic_is_no_video_and_an_animated_gif_is_one(folder):
    (folder / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    (frame,) = open_source(str(folder / "a.heic"))
    assert frame.pixels is None and "HEIC" in frame.error
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    frames[0].save(folder / "b.gif", save_all=True, append_images=frames[1:])
    assert isinstance(open_source(str(folder / "b.gif")), Video)


def test_deep_images_of_a_sequence_keep_their_brightness(folder):
    for name, largest in (("b.png", 4095), ("c.png", 900)):
        cv2.imwrite(str(folder / name), np.full((8, 8), largest, np.uint16))
    frames = list(ImageFiles(folder, ["b.png", "c.png"], bits=12))
    assert [int(frame.pixels.max()) for frame in frames] == [255, 56]


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("setting, of_row, upright", [
    ("default", None, False), ("obey", None, True), ("ignore", "obey", True),
    ("obey", "ignore", False)])
def test_boxes_lie_in_the_pixels_that_evaluation_reads(folder, tmp_path, orientation, setting,
                                                       of_row, upright):
    """By the sizes of an annotation file, else by its rows or data.exif."""
    store_turned(folder / "a.png", orientation)
    row = {"id": 7, "file_name": "a.png", "width": 48, "height": 32, "exif": of_row}
    path, proven = tmp_path / "coco.json", orientation > 4
    path.write_text(json.dumps({"images": [row], "annotations": [], "categories": []}))
    listed = list_images(path, folder)
    assert np.array_equal(listed.read(0, setting), PIXELS) == (upright or proven)
    assert len(listed.notes(setting)) == (of_row is None and not proven)
    (found,) = detect_images(path, tmp_path / "x.json", Brightest(), folder, exif=setting)
    assert found["bbox"] == [1, 2, 45, 29]


@pytest.mark.parametrize("setting", ["default", "obey", "ignore"])
def test_a_folder_is_read_upright_unless_the_setting_says_otherwise(folder, tmp_path, setting):
    store_turned(folder / "a.png", 6)
    (found,) = detect_images(folder, tmp_path / "x.json", Brightest(), exif=setting)
    assert found["bbox"] == ([1, 2, 29, 45] if setting == "ignore" else [1, 2, 45, 29])
    assert list_images(folder).notes(setting)[0].startswith("1 of 1 images have an EXIF orientat")


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("setting", ["default", "obey", "ignore"])
@pytest.mark.parametrize("labelled", [False, True])
def test_boxes_that_detect_wrote_lie_in_the_pixels_that_predict_reads(
        folder, tmp_path, orientation, setting, labelled):
    store_turned(folder / "a.png", orientation)
    listed, root, out = folder, None, tmp_path / "x.json"
    if labelled:
        listed, root = tmp_path / "coco.json", folder
        height, width = cv2.imread(str(folder / "a.png"), cv2.IMREAD_IGNORE_ORIENTATION).shape[:2]
        row = {"id": 7, "file_name": "a.png", "width": width, "height": height}
        listed.write_text(json.dumps({"images": [row], "annotations": [], "categories": []}))
    saw = []

    class Seeing(Brightest):
        def prepare(self, image):
            saw.append(image)
            return image

    detect_images(listed, out, Seeing(), root, exif=setting)
    rows = [{**row, "file_name": "a.png"} for row in json.loads(out.read_text())]
    out.write_text(json.dumps(rows))
    source = open_source(str(folder))
    given = read_boxes(out, source)
    (frame,) = replace(source, stated=given.stated)
    assert np.array_equal(frame.pixels, saw[0]) and ("exif" in rows[0]) == (orientation != 1)


def test_running_numbers_are_those_of_the_names_in_any_order():
    assert image_numbers(["f1.jpg", "f2.jpg", "f10.jpg"]) == ([1, 3, 2], False)
    assert image_numbers(["f1.jpg", "f10.jpg", "f2.jpg"]) == ([1, 2, 3], False)


def test_a_search_goes_on_only_as_it_read_before(folder, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        detect_images(folder, tmp_path / "x.json", Brightest(fail_at=1))
    with pytest.raises(UserError, match="other images"):
        detect_images(folder, tmp_path / "x.json", Brightest(), exif="ignore")


def test_what_cannot_be_read_is_said_by_its_name(folder):
    with pytest.raises(ImageError, match="gone.png does not exist"):
        list_images(folder).__class__(folder, ["gone.png"], [1], "").read(0)
