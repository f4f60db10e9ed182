"""The report: self-contained, complete, and without errors in a real browser."""
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from configs.schema import Config
from datasets.annotations.skeleton import load_skeleton
from processors.evaluation.coco_metrics import COCO_METRICS, coco_metrics
from processors.evaluation.error_analysis import CLASSES, ERRORS, Case
from processors.evaluation.protocol import protocol
from processors.reports import evaluation_page
from processors.reports.evaluation_page import CASE_SIZE, draw_case, write_report
from tests.turned_pictures import store_turned

SKELETON = load_skeleton("coco")
VOID = {"meta", "link", "img", "br"}
NASTY = "<script>alert('$x$')</script>\"><b>&amp;"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def make_set(folder: Path) -> tuple[Path, list[dict]]:
    """Three images with a person each and results for two of them."""
    rng = np.random.default_rng(0)
    annotations, results = [], []
    for i in (1, 2, 3):
        cv2.imwrite(str(folder / f"{i}.jpg"), rng.integers(0, 255, (240, 320, 3), np.uint8))
        points = rng.uniform(20, 200, (17, 2))
        keypoints = np.concatenate([points, np.full((17, 1), 2)], axis=1)
        annotations.append({"id": i, "image_id": i, "category_id": 1, "iscrowd": 0,
                            "num_keypoints": 17, "area": 15000.0, "bbox": [20, 20, 180, 180],
                            "keypoints": keypoints.ravel().tolist()})
        found = np.concatenate([points + rng.normal(0, 7, (17, 2)), np.full((17, 1), 0.6)], axis=1)
        results.append({"image_id": i, "category_id": 1, "score": 0.5 + 0.1 * i,
                        "keypoints": found.ravel().tolist()})
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 320, "height": 240} for i in (1, 2, 3)]
    path = folder / "truth.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations,
                                "categories": [{"id": 1, "name": "person"}]}))
    return path, results[:2]


def report_of(folder: Path, truth: Path, results: list[dict], title: str = "net",
              weights: str = "w.pth", notes: tuple[str, ...] = (), skeleton=SKELETON) -> Path:
    metrics = coco_metrics(truth, results, skeleton.sigmas)
    metrics = replace(metrics, notes=(*metrics.notes, *notes))
    return write_report(folder / "report", title=title, protocol=protocol(Config(), weights),
                        metrics=metrics, results=results, ground_truth=truth, img_root=folder,
                        skeleton=skeleton)


class Page(HTMLParser):
    """Collects tags and text, and fails on tags that are not closed in order."""

    def __init__(self, path: Path):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(path.read_text(encoding="utf-8"))
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def test_the_page_is_complete_and_needs_nothing_else(tmp_path):
    truth, results = make_set(tmp_path)
    path = report_of(tmp_path, truth, results, title="a <b>&amp; net")
    page = Page(path)
    for word in ("a <b>&amp; net: evaluation", *COCO_METRICS, *CLASSES, *ERRORS, "w.pth", "OKS-NMS",
                 *(name.replace("_", " ") for name in SKELETON.joint_names), "0.95",
                 "3 images, 3 labelled people, 2 detections", "1 people missed"):
        assert word in page.text, word
    pictures = [a for tag, a in page.tags if tag == "img"]
    kinds = [picture["src"].partition(";base64,")[0] for picture in pictures]
    assert kinds == 3 * ["data:image/png"] + 4 * ["data:image/jpeg"]    # two worst, the same best
    assert all(len(picture["alt"]) > 20 for picture in pictures)
    source = re.sub(r'src="data:[^"]*"', "", path.read_text(encoding="utf-8"))
    assert not re.search(r"https?:|//[a-z]|@import|url\(|src=|<script|\{\{|\{%", source)
    text = (path.parent / "error_analysis.txt").read_text().removesuffix("written by SimplePose\n")
    assert text.strip() and text.strip() in page.text


def test_no_text_of_others_becomes_html(tmp_path):
    """Titles, joints, notes and settings are a user's, and so is what they are made of."""
    truth, results = make_set(tmp_path)
    content = json.loads(truth.read_text())
    content["images"][0]["file_name"] = f"{NASTY}.jpg"
    (tmp_path / "1.jpg").rename(tmp_path / f"{NASTY}.jpg".replace("/", "_"))
    content["images"][0]["file_name"] = f"{NASTY}.jpg".replace("/", "_")
    truth.write_text(json.dumps(content))
    skeleton = replace(SKELETON, name=NASTY, joint_names=tuple(
        f"{NASTY}_{name}" for name in SKELETON.joint_names))
    page = Page(report_of(tmp_path, truth, results, f"title {NASTY}", f"weights {NASTY}",
                          (f"note {NASTY}",), skeleton))
    tags = [tag for tag, _ in page.tags]
    assert "script" not in tags and tags.count("b") == len(COCO_METRICS) + 4
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    for place in ("title", "weights", "note"):
        assert f"{place} {NASTY}" in page.text, place
    assert page.text.count(NASTY) >= 2 * 17 + 3     # joints in the table and in the text


def test_a_person_whose_image_is_gone_is_left_out_and_said(tmp_path, caplog):
    truth, results = make_set(tmp_path)
    (tmp_path / "1.jpg").unlink()
    with caplog.at_level("WARNING", logger="simplepose"):
        page = Page(report_of(tmp_path, truth, results))
    assert sum(tag == "img" for tag, _ in page.tags) == 3 + 2
    assert "1.jpg does not exist" in caplog.text


@pytest.mark.parametrize("labelled", [True, False])
def test_nothing_found(tmp_path, labelled):
    truth, _ = make_set(tmp_path)
    if not labelled:
        truth.write_text(json.dumps({**json.loads(truth.read_text()), "annotations": []}))
    path = report_of(tmp_path, truth, [])
    page = Page(path)
    assert "<td>0.0%</td>" not in path.read_text(encoding="utf-8")  # of nothing
    assert "no person was found" in page.text and "None." in page.text
    assert sum(tag == "img" for tag, _ in page.tags) == 2 + labelled
    assert ("no AP to lose" in page.text) != labelled
    assert ("–" in page.text) and ("nan" not in page.text)


def test_a_case_shows_prediction_and_labels_side_by_side():
    image = np.full((400, 600, 3), 90, np.uint8)
    points = np.random.default_rng(0).uniform(100, 300, (17, 2))
    truth = np.concatenate([points, np.full((17, 1), 2)], axis=1)
    found = np.concatenate([points + 9, np.zeros((17, 1))], axis=1)     # drawn whatever the score
    case = Case(1, found, truth, (100, 100, 200, 200), 0.5, 0.5)
    picture = draw_case(image, case, SKELETON)
    width, height = CASE_SIZE
    assert picture.shape == (height, 2 * width + 3, 3) and picture.dtype == np.uint8
    left, right = picture[:, :width], picture[:, width + 3:]
    assert (left != 90).any() and (right != 90).any() and (left != right).any()
    truth[:, 2] = 0
    bare = draw_case(image, case, SKELETON)[:, width + 3:]
    assert set(np.unique(bare)) <= {90}     # inside the image, nothing labelled: nothing drawn


def browse(path: Path, profile: Path) -> tuple[str, str]:
    """The DOM after loading, and the lines of the browser's console."""
    assert CHROMIUM
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
         "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", f"--user-data-dir={profile}", "--enable-logging=stderr", "--v=0",
         "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, "\n".join(re.findall(r".*CONSOLE.*", done.stderr))


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH: apt-get install chromium")
def test_it_opens_in_chromium_without_console_errors(tmp_path):
    truth, results = make_set(tmp_path)
    dom, console = browse(report_of(tmp_path, truth, results), tmp_path / "profile")
    assert console == ""
    assert "<title>net: evaluation</title>" in dom and dom.count("data:image/png") == 3
    broken = tmp_path / "broken.html"       # the test sees errors where there are some
    broken.write_text("<script>console.error('seen'); missing()</script><img src='no.jpg'>")
    assert "seen" in browse(broken, tmp_path / "profile")[1]


@pytest.mark.parametrize("orientation, exif, row", [(6, "default", {}), (3, "obey", {}),
                                                    (3, "default", {"exif": "obey"})])
def test_pictures_of_cases_are_read_as_evaluation_reads_them(tmp_path, monkeypatch, orientation,
                                                             exif, row):
    small = np.random.default_rng(0).integers(0, 255, (3, 4, 3), dtype=np.uint8)
    pixels = cv2.resize(small, (30, 20))
    Image.fromarray(pixels).save(tmp_path / "a.png")
    store_turned(tmp_path / "a.png", orientation)
    monkeypatch.setattr(evaluation_page, "draw_case", lambda image, case, skeleton: image)
    images = {7: {"file_name": "a.png", "width": 30, "height": 20, **row}}
    case = SimpleNamespace(image_id=7)
    ((_, picture),) = evaluation_page._pictures((case,), images, tmp_path, None, exif, 0)
    found = np.asarray(Image.open(BytesIO(picture))).astype(int)
    assert found.shape == pixels.shape and np.abs(found - pixels).mean() < 15
