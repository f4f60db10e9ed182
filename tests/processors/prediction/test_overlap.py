"""Frames in portions, and work in threads around them: order, limits, errors."""
import threading

import numpy as np
import pytest

from processors.prediction import overlap
from processors.prediction.frame import Frame
from processors.prediction.overlap import ahead, behind, in_portions

WAIT = 20       # seconds at most for another thread


def frames(count, side=10):
    return [Frame(number, 0.0, "", None if number == 3 else np.zeros((side, side, 3), np.uint8))
            for number in range(count)]


@pytest.mark.parametrize("most, largest, sizes", [
    (1, 1000, [1] * 7), (3, 10_000, [3, 3, 1]), (7, 10_000, [7]), (8, 600, [2, 3, 2]),
    (8, 1, [1, 1, 1, 2, 1, 1])])        # frame 3 has no pixels
def test_portions_end_with_their_count_or_their_bytes(monkeypatch, most, largest, sizes):
    monkeypatch.setattr(overlap, "LARGEST", largest)
    portions = list(in_portions(frames(7), most))
    assert [len(portion) for portion in portions] == sizes
    assert [frame.number for portion in portions for frame in portion] == list(range(7))


def test_a_portion_of_one_frame_does_not_wait_for_the_next():
    source = iter(frames(2))
    portions = in_portions(source, 1)
    assert next(portions)[0].number == 0 and next(source).number == 1


def test_the_next_item_is_made_while_this_one_is_worked_on():
    made, threads = [threading.Event() for _ in range(4)], set()

    def items():
        for number in range(4):
            threads.add(threading.current_thread())
            made[number].set()
            yield number

    with ahead(items()) as found:
        seen = []
        for number in found:
            assert number == 3 or made[number + 1].wait(WAIT)
            assert number >= 2 or not made[number + 2].is_set()     # one ahead, and no more
            seen.append(number)
    assert seen == [0, 1, 2, 3]
    thread, = threads
    assert thread is not threading.current_thread() and not thread.is_alive()


def test_items_that_count_as_false_come_too():
    with ahead(iter([0, [], None])) as found:
        assert list(found) == [0, [], None]


def test_what_is_raised_comes_with_its_item_and_the_thread_ends():
    def items():
        yield 1
        raise OSError("the disk is gone")

    before = threading.active_count()
    with pytest.raises(OSError, match="the disk is gone"), ahead(items()) as found:
        assert next(found) == 1
        next(found)
    with pytest.raises(KeyError), ahead(iter(range(100))) as found:
        next(found)
        raise KeyError
    assert threading.active_count() == before


def test_ahead_of_ahead():
    with ahead(iter(range(50))) as numbers, ahead(number ** 2 for number in numbers) as squares:
        assert list(squares) == [number ** 2 for number in range(50)]


def test_later_work_is_done_in_order_in_a_thread_with_one_piece_due():
    go, done = threading.Event(), []

    def work(number):
        assert number or go.wait(WAIT)
        done.append((number, threading.current_thread() is threading.main_thread()))

    with behind() as later:
        later(work, 0)
        assert not done     # it goes on here meanwhile
        go.set()
        for number in range(1, 9):
            later(work, number)
            assert len(done) >= number
    assert done == [(number, False) for number in range(9)]


@pytest.mark.parametrize("more", [0, 1, 5])
def test_what_later_work_raises_is_raised_and_nothing_follows_it(more):
    done = []

    def work(number):
        if number == 1:
            raise OSError("no space left")
        done.append(number)

    with pytest.raises(OSError, match="no space left"), behind() as later:
        for number in range(2 + more):
            later(work, number)
    assert done == [0]


def test_an_error_waits_for_the_work_that_is_due():
    done = []
    with pytest.raises(KeyError), behind() as later:
        later(done.append, 1)
        raise KeyError
    assert done == [1]
