"""setting: a field of a section of the Config, with all that is known of its values beforehand."""
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Range:
    """The numbers that a setting takes; every number has a smallest and a largest one."""
    low: float
    high: float
    without_low: bool = False       # the ends themselves, which belong to it else
    without_high: bool = False
    because: str = ""               # a reason, as the end of a sentence

    def __contains__(self, number: float) -> bool:
        """Never for NaN, which compares with nothing."""
        return (self.low < number if self.without_low else self.low <= number) and (
            number < self.high if self.without_high else number <= self.high)

    def __str__(self) -> str:
        """As docs/configuration.md shows it."""
        return (f"{'above ' if self.without_low else ''}{_text(self.low)} to "
                f"{'below ' if self.without_high else ''}{_text(self.high)}")

    def rule(self) -> str:
        """What a number must be, in words."""
        if not self.without_low and not self.without_high:
            words = f"lie between {_text(self.low)} and {_text(self.high)}"
        else:
            words = (f"be {'above' if self.without_low else 'at least'} {_text(self.low)} and "
                     f"{'below' if self.without_high else 'at most'} {_text(self.high)}")
        return words + self.because


def setting(default: Any, doc: str, *, low: float | None = None, above: float | None = None,
            high: float | None = None, below: float | None = None, because: str = "",
            choices: Sequence[str] = (), path: bool = False) -> Any:
    """A setting with its one-line description; docs/configuration.md is made from both.

    Numbers lie from `low` (or `above` it) to `high` (or `below` it), `because` ends the sentence
    for those that do not; this holds for every number in a list, too. choices: the texts that it
    may be, for lists that are made elsewhere; else its type names them. path: a file or a folder.
    """
    span = None
    if low is not None or above is not None:
        bottom, top = (low if above is None else above), (high if below is None else below)
        assert bottom is not None and top is not None, "a range has two ends"
        span = Range(bottom, top, above is not None, below is not None, because)
    return field(default=default, metadata={
        "doc": doc, "range": span, "choices": tuple(choices), "path": path})


def share(default: float, doc: str) -> Any:
    """A setting that is a part of something, or a probability."""
    return setting(default, doc, low=0, high=1)


def _text(number: float) -> str:
    if isinstance(number, int) and number > 10 ** 9 and not number & number - 1:
        return f"2 ** {number.bit_length() - 1}"
    return str(number)
