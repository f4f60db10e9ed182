"""Frames of films as pictures: which ones, what they are called, and what is left alone."""
import cv2
import numpy as np
import pytest

from processors.prediction.frame_files import films_of, write_frames
from utils.errors import UserError


def film(path, count=25, step=9):
    """Grey frames, each brighter than the one before."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for number in range(count):
        writer.write(np.full((48, 64, 3), step * number, np.uint8))
    writer.release()
    return str(path)


def test_each_tenth_frame_by_its_number(tmp_path):
    assert write_frames([(film(tmp_path / "a.avi"), "a")], tmp_path / "out", 10) == 3
    found = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in found] == ["a_000000.jpg", "a_000010.jpg", "a_000020.jpg"]
    for number, path in zip((0, 10, 20), found, strict=True):
        assert abs(cv2.imread(str(path)).mean() - 9 * number) < 4


def test_several_films_go_into_one_folder_again_and_again(tmp_path):
    films = tmp_path / "films"
    (films / "b").mkdir(parents=True)
    film(films / "a.avi"), film(films / "b" / "a.avi", count=4)
    found = films_of(str(films))
    assert [name for _, name in found] == ["a", "b/a"]
    for _ in range(2):
        assert write_frames(found, tmp_path / "out", 20) == 3
    assert (tmp_path / "out" / "b" / "a_000000.jpg").is_file()


def test_a_picture_of_somebody_else_is_not_lost(tmp_path):
    (tmp_path / "a_000000.jpg").write_bytes(b"mine")
    with pytest.raises(UserError, match="a_000000.jpg"):
        write_frames([(film(tmp_path / "a.avi"), "a")], tmp_path, 10)
    assert (tmp_path / "a_000000.jpg").read_bytes() == b"mine"


def test_a_frame_of_another_film_is_not_replaced(tmp_path):
    out = tmp_path / "out"
    write_frames([(film(tmp_path / "a.avi"), "a")], out, 10)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(UserError, match="a_000010.jpg is there already and shows another picture"):
        write_frames([(film(tmp_path / "b.avi", step=5), "a")], out, 10)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_what_is_a_film(tmp_path):
    path = film(tmp_path / "a.avi")
    assert films_of(path) == [(path, "a")]
    (tmp_path / "boxes.json").write_text("[]")
    cv2.imwrite(str(tmp_path / "x.png"), np.zeros((4, 4, 3), np.uint8))
    assert films_of(str(tmp_path / "boxes.json")) == films_of(str(tmp_path / "x.png")) == []
    assert films_of(str(tmp_path)) == []        # a folder of pictures
