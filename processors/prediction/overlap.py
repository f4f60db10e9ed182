"""Frames in portions, and threads that read one portion ahead and write one behind."""
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from processors.prediction.frame import Frame

LARGEST = 256 << 20     # bytes of pixels after which a portion ends; some three are in memory

Item = TypeVar("Item")


def in_portions(frames: Iterable[Frame], most: int) -> Iterator[list[Frame]]:
    """Up to `most` frames together, fewer of large ones, in their order."""
    portion, size = list[Frame](), 0
    for frame in frames:
        portion.append(frame)
        size += 0 if frame.pixels is None else frame.pixels.nbytes
        if len(portion) == most or size >= LARGEST:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


@contextmanager
def ahead(items: Iterator[Item]) -> Iterator[Iterator[Item]]:
    """The same items, each of which is made in a thread while the one before it is worked on.

    What is raised in the thread comes when its item is asked for. The thread has ended behind the
    `with`, however that is left.
    """
    with ThreadPoolExecutor(1) as thread:
        def each() -> Iterator[Item]:
            coming = thread.submit(_next, items)
            while item := coming.result():
                coming = thread.submit(_next, items)
                yield item[0]
        yield each()


def _next(items: Iterator[Item]) -> tuple[Item] | None:
    for item in items:
        return (item,)
    return None


@contextmanager
def behind() -> Iterator[Callable[..., None]]:
    """`later(work, *arguments)` does work in a thread, one after the other.

    It waits for the work before, so that never more than one is due, and raises what that has
    raised. Behind the `with` all is done.
    """
    due: list[Future[Any]] = []
    with ThreadPoolExecutor(1) as thread:
        def later(work: Callable[..., Any], *arguments: Any) -> None:
            while due:
                due.pop().result()
            due.append(thread.submit(work, *arguments))
        yield later
        while due:
            due.pop().result()
