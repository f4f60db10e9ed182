"""What the doctor says of orientations and bits; that it finds them at all is test_examine.py's."""
from dataclasses import replace

import cv2
import numpy as np
import pytest

from configs.schema import Config, DataConfig
from tests.datasets.doctor.sets import draw
from tests.turned_pictures import store_turned


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("drawn"), train=6, val=3)


def findings(sets, check: str, **data) -> list:
    sets.config = Config(data=DataConfig(**data))
    return [finding for finding in sets.diagnose().findings if finding.check == check]


def turn(sets, count: int, orientation: int, row_exif: str = "") -> None:
    for image in sets.train["images"][:count]:
        store_turned(sets.train_root / image["file_name"], orientation)
        image.update({"exif": row_exif} if row_exif else {})


@pytest.mark.parametrize("orientation", [2, 3, 4])
def test_what_no_size_settles_is_wrong_until_somebody_says_it(sets, orientation):
    sets.own_images()
    turn(sets, 2, orientation)
    (found,) = findings(sets, "orientations")
    assert found.serious and found.count == 2 and "2 of the 6 images" in found.sentence
    assert "as stored (data.exif: default)" in found.sentence
    for exif, read in (("obey", "upright"), ("ignore", "as stored")):
        (found,) = findings(sets, "orientations", exif=exif)
        assert not found.serious and read in found.sentence


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_what_the_size_settles_is_a_note(sets, orientation):
    sets.own_images()
    turn(sets, 2, orientation)
    diagnosis = sets.diagnose()
    (found,) = diagnosis.findings
    assert not diagnosis.serious and (found.check, found.count) == ("orientations", 2)
    assert "which the stated size proves" in found.sentence


def test_the_pictures_that_prove_something_speak_for_the_others(sets):
    sets.own_images()
    turn(sets, 1, 3)
    sets.train["images"] = sets.train["images"][::-1]
    turn(sets, 3, 6)
    for exif, serious in (("default", True), ("ignore", True), ("obey", False)):
        found = findings(sets, "orientations", exif=exif)
        assert sorted(finding.serious for finding in found) == [False, serious]
        assert any("say obey, 3 to 0" in finding.sentence for finding in found)


def test_the_row_of_an_import_says_it(sets):
    sets.own_images()
    turn(sets, 3, 3, row_exif="obey")
    assert sets.diagnose().findings == ()


def deepen(sets, bits: list[int]) -> None:
    """The first images as 16-bit PNGs that use so many bits."""
    for image, depth in zip(sets.train["images"], bits, strict=False):
        pixels = cv2.imread(str(sets.train_root / image["file_name"])).astype(np.uint16)
        pixels[0, 0] = 255
        image["file_name"] = image["file_name"].replace(".jpg", ".png")
        cv2.imwrite(str(sets.train_root / image["file_name"]), pixels << depth - 8)


@pytest.mark.parametrize("bits, setting, serious, words", [
    ([16, 16], 0, None, ""), ([12, 12, 12], 0, False, "use 12 (3 images) of them"),
    ([12, 10], 0, True, "set data.bits to 12"), ([12, 10], 12, False, "scaled by 12 bits"),
    ([14, 10], 12, True, "set data.bits to 14")])
def test_bits_of_16(sets, bits, setting, serious, words):
    sets.own_images()
    deepen(sets, bits)
    found = findings(sets, "bit_depths", bits=setting)
    assert [finding.serious for finding in found] == ([] if serious is None else [serious])
    assert all(words in str(finding) for finding in found)
    assert replace(sets.diagnose(), findings=()).verdict == "nothing wrong found"


@pytest.mark.parametrize("setting", [0, 16])
def test_values_far_above_zero_are_wrong_unless_the_bits_are_set(sets, setting):
    sets.own_images()
    deepen(sets, [10, 10])
    for image in sets.train["images"][:2]:
        path = str(sets.train_root / image["file_name"])
        cv2.imwrite(path, cv2.imread(path, cv2.IMREAD_UNCHANGED) + np.uint16(27000))
    found = [finding for finding in findings(sets, "bit_depths", bits=setting) if finding.serious]
    assert len(found) == (setting == 0)
    assert all("2 of 2 images" in str(one) and "would be one grey" in str(one) for one in found)
