"""Films, folders and copies stay on one side, and 10 to 20 % of the people validate if they can."""
import numpy as np
import pytest

from datasets.imports.write_coco import ImportedImage, ImportedPerson
from processors.proposal.grouping import divide, film_of, people
from utils.errors import UserError


def images(*names, split="", persons=1):
    person = ImportedPerson(np.array([[1, 1, 2.0]]), None)
    return [ImportedImage(name, None, [person] * persons, split=split) for name in names]


def sides(found):
    train, val, how = divide(found, "labels")
    assert {image.name for image in train}.isdisjoint(image.name for image in val)
    return {image.name for image in train}, {image.name for image in val}, how


@pytest.mark.parametrize("one, other, same", [
    ("a/cow_01.png", "a/cow_2.png", True), ("a/cow_1.png", "b/cow_1.png", False),
    ("cow1_5.png", "cow2_5.png", False), ("7.jpg", "8.png", True), ("cow.png", "dog.png", False),
    ("cow_1_jpg.rf.0a8f.jpg", "cow_1_jpg.rf.ff12.jpg", True), ("左1.png", "左2.png", True)])
def test_a_film_is_told_by_folder_and_name(one, other, same):
    assert (film_of(one) == film_of(other)) == same


@pytest.mark.parametrize("films, frames", [(20, 5), (7, 30), (6, 4), (100, 1)])
def test_whole_films_validate(films, frames):
    found = images(*(f"{film:c}x{frame}.png".replace("\x00", "") for film in range(97, 97 + films)
                     for frame in range(frames)))
    train, val, how = sides(found)
    assert {film_of(name) for name in train}.isdisjoint(map(film_of, val))
    assert 0.1 <= len(val) / len(found) <= 0.2 and len(train | val) == len(found)
    assert ("pictures" in how) == (frames == 1)


def test_of_three_films_one_validates_of_two_the_ends():
    three = images(*(f"{film}{frame}.png" for film in "abc" for frame in range(9)))
    assert len(sides(three)[1]) == 9
    two = images(*(f"{film}{frame}.png" for film in "ab" for frame in range(20)))
    train, val, how = sides(two)
    assert val == {f"{film}{frame}.png" for film in "ab" for frame in (17, 18, 19)}
    assert "the end of each film" in how


def test_frames_are_in_the_order_of_their_numbers():
    assert sides(images(*(f"{frame}.png" for frame in range(20))))[1] == {
        "17.png", "18.png", "19.png"}


def test_the_parts_of_the_labels_count_and_a_test_set_stays_aside():
    test = images("t1.png", "t2.png", split="test")
    train, val, how = sides(images("a.png", split="train") + images("b.png", split="valid") + test)
    assert (train, val) == ({"a.png"}, {"b.png"}) and "2 images of other parts" in how
    train, val, how = sides(images("y.png", "z.png", split="train")      # not as by lot or by order
                            + images("a.png", "b.png", "c.png", split="valid"))
    assert (train, val) == ({"y.png", "z.png"}, {"a.png", "b.png", "c.png"})
    train, val, how = sides(images("a.png", "b.png", "c.png", split="train") + test)
    assert train | val == {"a.png", "b.png", "c.png"} and "2 images of other parts" in how


def test_two_images_are_enough_and_one_is_not():
    assert [len(side) for side in sides(images("a.png", "b.png"))[:2]] == [1, 1]
    with pytest.raises(UserError, match="fewer than two images"):
        divide(images("a.png") + images("b.png", persons=0), "labels")
    assert people(images("a.png", "b.png", persons=3)) == 6


def test_pictures_without_people_take_no_place():
    train, val, _ = sides(images("a1.png", "a2.png") + images("a3.png", "a4.png", persons=0))
    assert {"a1.png"} <= train and {"a2.png"} <= val
