"""The next images are those in the middle of the list, but not neighbouring frames of one film."""
import numpy as np

from processors.ranking.next_images import middle_first, next_images


def test_the_middle_of_a_list_comes_first():
    assert middle_first([*"abcde"]) == [*"cbdae"]
    assert middle_first([*"abcd"]) == [*"bcad"]
    assert middle_first([7]) == [7] and middle_first([]) == []


def test_the_first_ones_are_those_that_half_of_the_others_are_above():
    names = [f"{letter}.jpg" for letter in "abcdefghi"]
    scores = np.array([0.1, 0.9, 0.52, 0.8, 0.5, 0.2, 0.7, 0.4, 0.3])
    assert [names[place][0] for place in next_images(names, scores, 3)] == ["e", "c", "h"]
    assert next_images(names, np.exp(9 * scores), 3) == next_images(names, scores, 3)


def test_frames_that_are_chosen_are_apart():
    names = [f"film/{frame}.jpg" for frame in range(100)]
    scores = np.exp(-(np.arange(100) - 50.0) ** 2 / 200)     # the middle of the film is the hardest
    chosen = next_images(names, scores, 10)
    assert len(chosen) == 10
    assert np.diff(np.sort(chosen)).min() >= 5
    ranks = np.argsort(np.argsort(-scores, kind="stable"))[chosen]
    assert (np.diff(np.abs(2 * ranks - 99)) >= 0).all() and abs(2 * ranks[0] - 99) == 1


def test_there_are_always_enough_and_films_do_not_disturb_each_other():
    rng = np.random.default_rng(0)
    names = [f"{film}/{frame}.jpg" for film in "ab" for frame in range(30)]
    for count in (1, 7, 30, 60, 99):
        assert len(next_images(names, rng.random(60), count)) == min(count, 60)
    scores = np.full(60, -1.0)
    scores[[*range(10), *range(42, 60)]] = 1        # 28 above those in the middle, 29 below them
    scores[[40, 10, 11]] = 0.3, 0.2, 0.1
    assert next_images(names, scores, 5)[:2] == [10, 40]


def test_numbers_are_counted_by_their_order_and_images_without_people_are_left_out():
    names = ["cow_9.jpg", "cow_10.jpg", "cow_1000.jpg", "dog.jpg"]
    scores = np.array([0.5, 0.4, 0.3, np.nan])
    assert next_images(names, scores, 1) == [1]
    assert next_images(names, scores, 4) == [1, 0, 2]


def test_images_that_are_not_to_be_taken_leave_enough_of_the_others():
    names = [f"f{number}.jpg" for number in range(1000)]
    scores = np.where(np.arange(1000) < 100, np.linspace(1, 0, 1000), np.nan)
    assert sorted(next_images(names, scores, 100)) == list(range(100))
    assert len(next_images(names, scores, 30)) == 30
