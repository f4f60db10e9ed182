"""Finding: one thing the doctor says about a data set (datasets/doctor/examine.py)."""
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from utils.shown import shortened

ODD = 1e-4          # share below which a finding is a note: it costs less than AP can show
EXAMPLES = 5


@dataclass(frozen=True)
class Finding:
    sentence: str                   # what is wrong
    cost: str                       # what it does to training or AP, and the cure
    count: int = 1
    examples: tuple[str, ...] = ()  # ids or names to look at
    serious: bool = True            # False: worth knowing, nothing is wrong
    check: str = ""                 # who found it, a key of CHECKS in datasets/doctor/examine.py
    where: str = ""                 # the set or the setting; both are filled in by `told`

    def __str__(self) -> str:
        shown = f" ({', '.join(self.examples)}{', ...' if self.more else ''})" * bool(self.examples)
        return (f"{'WRONG' if self.serious else 'note'}  {self.where}: {self.sentence}{shown}.\n"
                f"       {self.advice}.")

    @property
    def advice(self) -> str:
        """The cost as a sentence of its own."""
        return self.cost[:1].upper() + self.cost[1:]

    @property
    def more(self) -> bool:
        """Whether there are more than the examples."""
        return self.count > len(self.examples)


def told(check: str, where: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """What a check finds, with its name, and the place where the finding says none."""
    return (replace(one, check=check, where=one.where or where) for one in findings)


def examples_of(values: Iterable, what: str = "") -> tuple[str, ...]:
    """The first few different values, such as "annotation 17"."""
    return tuple(shortened(f"{what} {value}".strip())
                 for value in islice(dict.fromkeys(map(str, values)), EXAMPLES))


def is_serious(count: int, total: int) -> bool:
    """Whether so many of all are more than noise."""
    return count > ODD * total
