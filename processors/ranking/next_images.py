"""next_images: which to label next: from the middle of the list, and not the same frame twice.

Of whom the network knows least are often those of whom nobody can tell much, cut off or hidden, and
who are not like the others, and they taught least; the surest teach little. docs/rank.md has the
figures.
"""
import re
from collections import defaultdict
from typing import TypeVar

import numpy as np

from processors.proposal.grouping import film_of

NUMBER = re.compile(r"\d+")
One = TypeVar("One")


def next_images(names: list[str], scores: np.ndarray, count: int) -> list[int]:
    """Places of up to `count` of M images: by their scores those in the middle first.

    names: of the images; those that differ in their last number only are frames of a film. scores:
    (M,), NaN for images that are not to be taken. Of N that may be, frames of a film that are
    chosen are about N / (2 count) frames apart, so that each rules out as many as there are for
    each to choose: neighbours are nearly the same picture, and there are always enough. Equal
    scores go by name.
    """
    places = np.flatnonzero(~np.isnan(scores)).tolist()
    order = dict(zip(places, _frame_numbers([names[place] for place in places]), strict=True))
    apart = max(1, (len(places) // count + 1) // 2)
    chosen = list[int]()
    taken: dict[str, list[int]] = defaultdict(list)
    for place in middle_first(sorted(places, key=lambda place: (-scores[place], names[place]))):
        film, number = order[place]
        if all(abs(number - other) >= apart for other in taken[film]):
            taken[film].append(number)
            chosen.append(place)
        if len(chosen) == count:
            break
    return chosen


def middle_first(ranked: list[One]) -> list[One]:
    """Those in the middle of a list first, its ends last; of two as far from it the earlier one."""
    return [ranked[place] for place in sorted(
        range(len(ranked)), key=lambda place: abs(2 * place - len(ranked) + 1))]


def _frame_numbers(names: list[str]) -> list[tuple[str, int]]:
    """The film of each image, and its place among the frames of the film, from 0."""
    films = defaultdict(list)
    for place, name in enumerate(names):
        films[film_of(name)].append(place)
    found: list[tuple[str, int]] = [("", 0)] * len(names)
    for film, places in films.items():
        in_order = sorted(places, key=lambda place: NUMBER.sub(
            lambda number: number[0].zfill(20), names[place]))
        for number, place in enumerate(in_order):
            found[place] = film, number
    return found
