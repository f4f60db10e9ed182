"""Detections of many images: ids, interruptions, broken images, and the way into val.boxes."""
import json
import os
import signal

import cv2
import numpy as np
import pytest
import torch

import processors.jobs.detect as detect_module
from configs.schema import Config, DetectorConfig
from datasets.annotations.annotated_sets import AnnotatedSet
from datasets.annotations.readers import read_detections
from datasets.annotations.skeleton import load_skeleton
from datasets.unlabelled.boxes import read_unlabelled
from processors.detection.person_detector import Detections
from processors.jobs.detect import detect, detect_images
from processors.prediction.image_lists import list_images
from tests.processors.prediction.test_frame_files import film
from utils.errors import UserError


class Brightest:
    """Stands for a detector: one person, whose box and score tell the image; none if black.

    `fail_at`: a kill when that many images have been looked at.
    """

    def __init__(self, name="brightest", fail_at=None):
        self.name, self.fail_at, self.seen = name, fail_at, 0

    def prepare(self, image):
        return image

    def find(self, images):
        self.seen += len(images)
        if self.fail_at is not None and self.seen >= self.fail_at:
            raise KeyboardInterrupt
        return [Detections(np.float32([[1, 2, image.shape[1] - 3, image.shape[0] - 3]]),
                       np.float32([image.mean() / 255])) if image.any() else
                Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
                for image in images]

    def identity(self):
        return {"name": self.name}


@pytest.fixture(autouse=True)
def small_portions(monkeypatch):
    monkeypatch.setattr(detect_module, "PORTION", 3)


@pytest.fixture
def folder(tmp_path):
    """Images 1.png to 8.png, 30 + number wide; the first is black."""
    root = tmp_path / "images"
    root.mkdir()
    for number in range(1, 9):
        image = np.full((20, 30 + number, 3), 20 * (number - 1), np.uint8)
        cv2.imwrite(str(root / f"{number:03}.png"), image)
    return root


def annotations(tmp_path, names, category=1, **other):
    """A COCO file whose image ids are 101, 102, ..."""
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps({
        "images": [{"id": 101 + i, "file_name": name, "width": 31 + i, "height": 20}
                   for i, name in enumerate(names)],
        "annotations": [], "categories": [{"id": 77, "name": "cat"},
                                          {"id": category, "name": "person"}], **other}))
    return path


def test_a_folder_with_numbers_for_names(tmp_path, folder):
    out = tmp_path / "new" / "detections.json"
    rows = detect_images(folder, out, Brightest())
    assert rows == json.loads(out.read_text()) and not list(out.parent.glob("*.part*"))
    assert [row["image_id"] for row in rows] == list(range(2, 9))     # 1 is black
    assert rows[0] == {"image_id": 2, "category_id": 1, "bbox": [1, 2, 29, 17],
                       "score": pytest.approx(20 / 255, abs=1e-5)}


def test_results_of_another_program_stay_and_ours_are_written_anew(tmp_path, folder):
    out = tmp_path / "det.json"
    rows = detect_images(folder, out, Brightest())
    assert detect_images(folder, out, Brightest()) == rows
    out.write_text(json.dumps(rows))        # as every program writes them
    with pytest.raises(ValueError, match="--out: .*det.json is there already, and is no file of"):
        detect_images(folder, out, Brightest())
    assert out.read_text() == json.dumps(rows)


def test_where_image_ids_come_from(tmp_path, folder):
    listed = list_images(folder)
    assert listed.ids == list(range(1, 9)) and "numbers in the file names" in listed.about_ids
    (folder / "001.png").rename(folder / "COCO_val2014_000000000391895.png")
    (folder / "002.png").rename(folder / "002.JPEG")
    (folder / "._003.png").write_bytes(b"of a Mac")
    (folder / "notes.txt").write_text("no image")
    assert list_images(folder).ids == [2, 3, 4, 5, 6, 7, 8, 391895]
    (folder / "more").mkdir()
    (folder / "003.png").rename(folder / "more" / "4.png")      # the number 4 again
    listed = list_images(folder)
    assert listed.ids == list(range(1, 9)) and listed.show_names
    assert "running numbers" in listed.about_ids and listed.names[-1] == "more/4.png"
    rows = detect_images(folder, tmp_path / "x.json", Brightest())
    assert rows[0]["file_name"] == "002.JPEG" and rows[-1]["file_name"] == "more/4.png"


def test_an_annotation_file_and_val_boxes(tmp_path, folder):
    names = [f"{number:03}.png" for number in range(1, 9)]
    path = annotations(tmp_path, names, category=5)
    out = tmp_path / "detections.json"
    rows = detect_images(path, out, Brightest(), img_root=folder)
    assert {row["category_id"] for row in rows} == {5}
    persons = read_detections(out, path, load_skeleton("coco"))
    assert persons.image_ids.tolist() == list(range(102, 109)) and persons.notes == {}
    assert persons.boxes.tolist() == [row["bbox"] for row in rows]
    assert persons.scores == pytest.approx([row["score"] for row in rows])
    bare = annotations(tmp_path, names, categories=[], annotations=None)    # as of test-dev
    assert detect_images(bare, out, Brightest(), img_root=folder)[0]["category_id"] == 1


@pytest.mark.parametrize("fail_at", [1, 3, 4, 7, 8])
def test_going_on_after_a_kill(tmp_path, folder, fail_at):
    whole, out = tmp_path / "whole.json", tmp_path / "cut.json"
    detect_images(folder, whole, Brightest())
    with pytest.raises(KeyboardInterrupt):
        detect_images(folder, out, Brightest(fail_at=fail_at))
    assert not out.exists()
    part = tmp_path / "cut.json.part"
    with open(part, "ab") as file:
        file.write(b'[[[1, 2, 3')       # killed in the middle of a line
    second = Brightest()
    detect_images(folder, out, second)
    assert out.read_bytes() == whole.read_bytes() and not part.exists()
    assert second.seen == 8 - (fail_at - 1) // 3 * 3    # whole portions are not done again


def test_a_signal_ends_the_work_cleanly(tmp_path, folder, caplog):
    class Signalled(Brightest):
        def find(self, images):
            os.kill(os.getpid(), signal.SIGTERM)
            return super().find(images)

    out = tmp_path / "x.json"
    with pytest.raises(SystemExit) as stopped:
        detect_images(folder, out, Signalled())
    assert stopped.value.code == 128 + signal.SIGTERM and not out.exists()
    second = Brightest()
    assert len(detect_images(folder, out, second)) == 7 and second.seen == 5


def test_an_older_file_stays_until_the_new_one_is_whole(tmp_path, folder):
    out = tmp_path / "x.json"
    out.write_text("[]")
    with pytest.raises(KeyboardInterrupt):
        detect_images(folder, out, Brightest(fail_at=7))
    assert out.read_text() == "[]"
    assert len(detect_images(folder, out, Brightest())) == len(json.loads(out.read_text())) == 7


def test_what_is_left_of_another_command_is_not_used(tmp_path, folder):
    out = tmp_path / "x.json"
    with pytest.raises(KeyboardInterrupt):
        detect_images(folder, out, Brightest(fail_at=7))
    with pytest.raises(ValueError, match="x.json.part is what is left of a command with other"):
        detect_images(folder, out, Brightest("another"))
    (folder / "008.png").unlink()
    with pytest.raises(ValueError, match="x.json.part is what is left of a command with other"):
        detect_images(folder, out, Brightest())


def test_a_damaged_part_is_said(tmp_path, folder):
    out, part = tmp_path / "x.json", tmp_path / "x.json.part"
    with pytest.raises(KeyboardInterrupt):
        detect_images(folder, out, Brightest(fail_at=8))
    lines = part.read_bytes().splitlines(keepends=True)
    for middle in (b"rubbish\n", b"5\n", b"\xff\n", b"[" * 10 ** 5 + b"\n"):
        part.write_bytes(lines[0] + middle + lines[2])
        with pytest.raises(ValueError, match="x.json.part is damaged .* remove it"):
            detect_images(folder, out, Brightest())


def test_broken_images_are_named_and_counted(tmp_path, folder, monkeypatch):
    (folder / "004.png").write_bytes(b"")
    (folder / "006.png").write_bytes((folder / "007.png").read_bytes()[:30])
    path = annotations(tmp_path, [f"{n:03}.png" for n in range(1, 9)] + ["gone.png"])
    lines = []
    monkeypatch.setattr(detect_module.log, "warning", lambda text, *words: lines.append(
        text % words))
    rows = detect_images(path, tmp_path / "x.json", Brightest(), img_root=folder)
    assert [row["image_id"] for row in rows] == [102, 103, 105, 107, 108]
    assert len(lines) == 1 and lines[0].startswith("3 images could not be read")
    assert all(name in lines[0] for name in ("004.png", "006.png", "gone.png"))


def test_no_readable_image_at_all(tmp_path, folder):
    for file in folder.iterdir():
        file.write_text("no image")
    with pytest.raises(ValueError, match="none of the 8 images can be read; first: .*001.png"):
        detect_images(folder, tmp_path / "x.json", Brightest())
    assert not list(tmp_path.glob("x.json*"))


def test_nobody_anywhere(tmp_path, folder):
    for number in range(2, 9):
        (folder / f"{number:03}.png").unlink()
    assert detect_images(folder, tmp_path / "x.json", Brightest()) == []
    assert json.loads((tmp_path / "x.json").read_text()) == []


@pytest.mark.parametrize("workers", [0, 1, 7])
def test_the_number_of_readers_changes_nothing(tmp_path, folder, workers):
    detect_images(folder, tmp_path / "x.json", Brightest())
    detect_images(folder, tmp_path / "y.json", Brightest(), workers=workers)
    assert (tmp_path / "x.json").read_bytes() == (tmp_path / "y.json").read_bytes()


def test_a_place_that_cannot_be_written_is_said_before_the_detector_is_built(
        tmp_path, folder, monkeypatch):
    monkeypatch.setattr(detect_module, "build_detector", lambda *_: pytest.fail("was built"))
    (tmp_path / "mine.json").write_text("a letter")
    with pytest.raises(ValueError, match="--out: .*mine.json is there already"):
        detect(Config(), folder, tmp_path / "mine.json")
    with pytest.raises(OSError, match="--out: .* is a file, and a folder is to be there"):
        detect(Config(), folder, tmp_path / "mine.json" / "found.json")


def test_a_gpu_that_is_full_is_one_sentence(tmp_path, folder, monkeypatch):
    detector = Brightest()
    detector.find = lambda _: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA out of memory"))
    monkeypatch.setattr(detect_module, "build_detector", lambda *_: detector)
    with pytest.raises(ValueError, match="the GPU is out of memory .* gpus= to compute on the CPU"):
        detect(Config(), folder, tmp_path / "found.json")


def test_a_failed_start_leaves_no_folder(tmp_path, folder):
    with pytest.raises(ValueError, match="detector.weights is not set"):
        detect(Config(), folder, tmp_path / "new" / "newer" / "found.json")
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_looked_at(tmp_path, folder):
    path = annotations(tmp_path, ["001.png"])
    (tmp_path / "empty").mkdir()
    broken = tmp_path / "broken.json"
    for error, words, arguments in [
        (FileNotFoundError, "does not exist: give a folder", (tmp_path / "no",)),
        (ValueError, "holds no images", (tmp_path / "empty",)),
        (ValueError, "is a folder already", (folder, folder)),
        (ValueError, "give the folder of its images", (path,)),
        (FileNotFoundError, "folder of images .* does not exist", (path, tmp_path / "no")),
        (FileNotFoundError, "none of the 1 images .* such as 001.png", (path, tmp_path / "empty")),
    ]:
        with pytest.raises(error, match=words) as caught:
            list_images(*arguments)
        assert len(str(caught.value).splitlines()) == 1
    for text, words in {
            "": "is not JSON .Expecting value", "\xff": "is not JSON .'utf-8' codec",
            "[]": "is not a COCO annotation file: it holds no images, annotations and categories$",
            "{}": "is not a COCO annotation file: it has no list of images",
            '{"images": 5}': "is not a COCO annotation file: it has no list of images",
            '{"images": [{"id": 1}]}': ": the image in row 0 has no file_name; correct or remove",
            '{"images": []}': "lists no images: correct it$",
            '{"images": [{"id": "a", "file_name": "b"}]}':
            ": the image in row 0 has the id 'a', which is no whole number; correct or remove it$",
            '{"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]}':
            ": 1 image id used for more than one image, first 1, .*: give every image its own id$"
            }.items():
        broken.write_bytes(text.encode("latin1"))
        with pytest.raises(ValueError, match=f"^{broken} ?{words}"):
            list_images(broken, folder)
    with pytest.raises(ValueError, match="is a folder; give the path of a file"):
        detect_images(folder, tmp_path, Brightest())


@pytest.mark.slow
def test_the_published_network_on_the_val_images(shared, tmp_path, monkeypatch):
    monkeypatch.setattr(detect_module, "PORTION", 32)
    data = shared / "data"
    config = Config(detector=DetectorConfig(weights=str(data / "weights" / "yolov5n.pt")))
    path = data / "coco" / "annotations" / "person_keypoints_val2017.json"
    rows = detect(config, path, tmp_path / "x.json", data / "coco" / "val2017")
    stored = json.loads((data / "coco" / "person_detection_results" /
                         "yolov5n_val2017_conf0.25_iou0.45.json").read_text())

    def by_image(rows):
        return sorted((row["image_id"], -round(row["score"], 3)) for row in rows)
    found, expected = by_image(rows), by_image(stored)
    assert len(found) == len(expected)
    assert np.array(found) == pytest.approx(np.array(expected), abs=0.005)
    assert len(read_detections(tmp_path / "x.json", path, load_skeleton("coco"))) == len(stored)


def test_deep_images_are_read_by_the_bits_of_the_set(tmp_path):
    (tmp_path / "deep").mkdir()
    cv2.imwrite(str(tmp_path / "deep" / "1.png"), np.full((20, 30), 900, np.uint16))
    for bits, grey in ((0, 900 >> 2), (12, 900 >> 4)):
        (row,) = detect_images(tmp_path / "deep", tmp_path / f"{bits}.json", Brightest(), bits=bits)
        assert row["score"] == pytest.approx(grey / 255, abs=1e-4)


def test_of_a_film_frames_are_written_and_looked_at(tmp_path, monkeypatch):
    """And what is written is what data.unlabelled reads."""
    path = film(tmp_path / "street.avi")
    monkeypatch.setattr(detect_module, "build_detector", lambda config, device: Brightest())
    rows = detect(Config(), path, tmp_path / "boxes.json", frames=tmp_path / "frames", every=8)
    assert [row["file_name"] for row in rows] == ["street_000008.jpg", "street_000016.jpg",
                                                  "street_000024.jpg"]     # the first is black
    part = AnnotatedSet(tmp_path / "boxes.json", tmp_path / "frames", load_skeleton("coco"), "",
                        "data.unlabelled[0].boxes", "data.unlabelled[0].img_root")
    people = read_unlabelled(part, "hrnet", 0.0)
    assert people.file_names.tolist() == [row["file_name"] for row in rows]
    assert (people.image_sizes == (64, 48)).all()


@pytest.mark.parametrize("settings, said", [
    ({}, "is a film: give --frames FOLDER"),
    ({"frames": "frames", "every": 0}, "--every is 0: give a whole number from 1")])
def test_a_film_needs_a_folder_and_a_step(tmp_path, settings, said):
    settings = {key: tmp_path / value if key == "frames" else value
                for key, value in settings.items()}
    path = film(tmp_path / "street.avi")
    with pytest.raises(UserError, match=said):
        detect(Config(), path, tmp_path / "boxes.json", **settings)


def test_frames_are_of_films_only(folder, tmp_path):
    with pytest.raises(UserError, match="--frames is the folder for frames of a film, and .* none"):
        detect(Config(), folder, tmp_path / "boxes.json", frames=tmp_path / "frames")
