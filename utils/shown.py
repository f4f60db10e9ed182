"""shown: foreign values in messages, cut to what a reader takes in.

A file of some hundred bytes can hold a list that `repr` writes out as gigabytes, and a name of a
megabyte.
"""
import difflib
import reprlib
import unicodedata
from collections.abc import Iterable
from typing import Any

LONGEST = 80        # characters of a text
LONGEST_SENTENCE = 1500     # of all that is said at once

TURNS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")    # of bidirectional text


class _Short(reprlib.Repr):
    def repr_int(self, number: int, level: int) -> str:
        if number.bit_length() > 300:       # Python itself refuses to write very long ones
            return f"a number of some {round(number.bit_length() * 0.30103)} digits"
        return repr(number)


_SHORT = _Short()
_SHORT.maxstring = _SHORT.maxother = LONGEST
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 6
_SHORT.maxlevel = 3


def shown(value: Any) -> str:
    """`value` as Python writes it, on one line of at most some hundred characters."""
    text = _SHORT.repr(value)
    return shortened(text, 3 * LONGEST)


def shortened(text: str, longest: int = LONGEST) -> str:
    """The text on one line of printable characters, its middle left out if it is longer."""
    if len(text) > longest:
        end = longest // 4
        text = f"{text[:longest - end]}...{text[-end:]}"
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def first_few(names: Iterable[str], count: int = 2) -> str:
    """The first names, which may be a stranger's, and how many more there are."""
    names = list(names)
    return (", ".join(shortened(name) or "''" for name in names[:count])
            + (f" and {len(names) - count} more" if len(names) > count else ""))


def on_one_line(error: Exception, longest: int = 150) -> str:
    """The words of somebody's error, or its kind where it has none."""
    text = str(error).partition("; use sys.")[0]        # what Python advises programmers
    return shortened(" ".join(text.split()) or type(error).__name__, longest)


def sentence(error: object) -> str:
    """What somebody's error says, as it may be printed, whatever name of theirs stands in it."""
    return shortened(str(error), LONGEST_SENTENCE)


def lines(text: str) -> str:
    """The same for text of several lines: no codes reach a terminal."""
    return "\n".join(shortened(line, len(line)) for line in text.split("\n"))


def most_like(word: str, known: Iterable[str], cutoff: float = 0.6) -> list[str]:
    """At most three of the known words that may be meant, the likeliest first; in any capitals."""
    small = {name.lower(): name for name in known}
    return [small[name] for name in difflib.get_close_matches(word.lower(), small, cutoff=cutoff)]


def counted(number: int, noun: str) -> str:
    """Such as "1 epoch" or "2 epochs"."""
    return f"{number} {noun}{'s' * bool(number != 1)}"


def is_plain(text: str) -> bool:
    """Whether a log and a file name can hold it: no line breaks, codes of terminals, halves of
    letters, or marks that turn the direction of what follows."""
    return not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")
                   or unicodedata.bidirectional(letter) in TURNS for letter in text)
