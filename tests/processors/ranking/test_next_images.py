"""The next images are the least sure ones, but not neighbouring frames of one film."""
import numpy as np

from processors.ranking.next_images import next_images


def test_frames_that_are_chosen_are_apart():
    names = [f"film/{frame}.jpg" for frame in range(100)]
    scores = np.exp(-(np.arange(100) - 50.0) ** 2 / 200)     # the middle of the film is the hardest
    chosen = next_images(names, scores, 10)
    assert chosen[0] == 50 and len(chosen) == 10
    assert np.diff(np.sort(chosen)).min() >= 5
    assert (np.diff(scores[chosen]) <= 0).all()


def test_there_are_always_enough_and_films_do_not_disturb_each_other():
    rng = np.random.default_rng(0)
    names = [f"{film}/{frame}.jpg" for film in "ab" for frame in range(30)]
    for count in (1, 7, 30, 60, 99):
        assert len(next_images(names, rng.random(60), count)) == min(count, 60)
    scores = np.zeros(60)
    scores[[10, 11, 40]] = 3, 2, 1
    assert next_images(names, scores, 5)[:2] == [10, 40]


def test_numbers_are_counted_by_their_order_and_images_without_people_are_left_out():
    names = ["cow_9.jpg", "cow_10.jpg", "cow_1000.jpg", "dog.jpg"]
    scores = np.array([0.5, 0.4, 0.3, np.nan])
    assert next_images(names, scores, 1) == [0]
    assert next_images(names, scores, 4) == [0, 1, 2]


def test_images_that_are_not_to_be_taken_leave_enough_of_the_others():
    names = [f"f{number}.jpg" for number in range(1000)]
    scores = np.where(np.arange(1000) < 100, np.linspace(1, 0, 1000), np.nan)
    assert sorted(next_images(names, scores, 100)) == list(range(100))
    assert len(next_images(names, scores, 30)) == 30
