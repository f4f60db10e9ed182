"""The picture of results shows what can be shown, and a broken image costs no run."""
import json
import shutil

import cv2
import numpy as np
import pytest

from datasets.annotations.skeleton import load_skeleton
from datasets.coco import MSCOCO
from datasets.crops.images import ImageError
from datasets.pack_writer import write_pack
from datasets.synthetic.data_set import write_synthetic
from processors.reports.val_pictures import draw_results

COCO = load_skeleton("coco")


@pytest.fixture
def drawn(tmp_path):
    """Function: files to break -> arguments of `draw_results` for four images."""
    def make(*broken: str, **settings):
        shutil.rmtree(tmp_path / "images", ignore_errors=True)      # broken ones stay as they are
        write_synthetic(tmp_path / "images", tmp_path / "people.json", 4, seed=0)
        dataset = MSCOCO(tmp_path / "people.json", tmp_path / "images", COCO, **settings)
        for name in broken:
            (tmp_path / "images" / name).write_bytes(b"")
        people = json.loads((tmp_path / "people.json").read_text())["annotations"]
        return dataset, people, COCO, tmp_path / "picture.jpg"
    return make


def names(dataset: MSCOCO) -> list[str]:
    return dataset.persons.file_names.tolist()


def test_results_are_drawn_on_their_images(drawn):
    dataset, people, skeleton, path = drawn()
    draw_results(dataset, people, skeleton, path)
    with_people = cv2.imread(str(path)).astype(int)
    draw_results(dataset, [], skeleton, path)
    without = cv2.imread(str(path)).astype(int)
    assert with_people.shape == without.shape
    changed = np.abs(with_people - without).max(axis=2) > 60
    cells = np.array_split(changed, 4, axis=1)
    assert all(cell.mean() > 0.005 for cell in cells)


def test_a_broken_image_is_left_out_or_named(drawn):
    dataset, people, skeleton, path = drawn(skip_broken=True)
    draw_results(dataset, people, skeleton, path)
    whole = cv2.imread(str(path)).shape
    first = names(dataset)[0]
    dataset.path(0).write_bytes(b"")
    draw_results(dataset, people, skeleton, path)
    assert cv2.imread(str(path)).shape[1] < whole[1]
    dataset, *rest = drawn(first)
    with pytest.raises(ImageError, match=f"{first} is empty"):
        draw_results(dataset, *rest)


def test_beside_a_pack_the_images_may_be_gone_which_is_said(drawn, tmp_path, caplog):
    dataset, people, skeleton, path = drawn()
    write_pack(tmp_path / "pack", dataset, None, "raw", 0)
    dataset, people, skeleton, path = drawn(names(dataset)[0], pack=tmp_path / "pack")
    draw_results(dataset, people, skeleton, path)
    assert path.exists()
    assert f"not in {path}: image {dataset.path(0)} is empty" in caplog.text


def test_without_any_image_there_is_no_picture(drawn):
    dataset, people, skeleton, path = drawn(skip_broken=True)
    for row in range(len(names(dataset))):
        dataset.path(row).write_bytes(b"")
    draw_results(dataset, people, skeleton, path)
    assert not path.exists()


def test_absent_joints_are_not_drawn(drawn):
    dataset, people, skeleton, path = drawn()
    draw_results(dataset, [], skeleton, path)
    without = path.read_bytes()
    gone = [row | {"visibility": [[1, 0, 0]] * 17} for row in people]
    draw_results(dataset, gone, skeleton, path)
    assert path.read_bytes() == without
