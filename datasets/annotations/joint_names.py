"""Joint names: which side they say, which two are a pair, and which are the same in two lists.

People write left_eye, L_Eye, eye_l, LEye, Left Eye, left-eye and 左眼; whoever compares names asks
here, so that all of these are one.
"""
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache

# Left and right as people write them, the surest first. A lone letter may as well be a number of
# its own (L1), so a name of two letters must be left without it.
FORMS = (("left", "right"), ("左", "右"), ("link", "recht"), ("gauche", "droit"),
         ("gauche", "droite"), ("izq", "der"), ("izquierd", "derech"), ("sinistr", "destr"),
         ("sx", "dx"), ("esq", "dir"), ("esquerd", "direit"), ("лев", "прав"), ("왼", "오른"),
         ("ひだり", "みぎ"), ("lft", "rgt"), ("l", "r"))
WORDS = re.compile(r"[左右]|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z左右]+")

Words = tuple[str, ...]


def partners(names: Sequence[str]) -> list[int]:
    """For each name the place of the one with the other side; its own where there is none, or
    more than one."""
    found = [partner for partner, _, _ in _read(names)]
    return [other if found[other] == place else place for place, other in enumerate(found)]


def without_partner(names: Sequence[str]) -> list[str]:
    """Names with a word for a side of which nothing is the other side."""
    return [name for name, (_, side, _) in zip(names, _read(names), strict=True) if not side
            and any(len(rest) < len(_words(name)) for _, _, rest in _own_readings(_words(name)))]


def sides(names: Sequence[str]) -> list[int]:
    """1 for left, -1 for right, 0 for names without a partner."""
    return [side for _, side, _ in _read(names)]


def same_joints(theirs: Sequence[str], ours: Sequence[str]) -> list[int]:
    """For each of their names the place of the same joint in ours, -1 without one.

    Case, what stands between the words, their order, and the way to write left and right do not
    count.
    """
    known = {key: place for names in (_keys(ours), ours) for place, key in enumerate(names)}
    found = []
    for name, key in zip(theirs, _keys(theirs), strict=True):
        lone = (_key(side, rest) for _, side, rest in _own_readings(_words(name)))
        found.append(next((known[way] for way in (name, key, *lone) if way in known), -1))
    return found


@lru_cache(maxsize=10_000)
def own_name(name: str, ours: tuple[str, ...]) -> str:
    """What a joint is called in ours, however it is spelled; "" if it is none of them."""
    (place,) = same_joints([name], ours)
    return ours[place] if place >= 0 else ""


def misplaced(theirs: Sequence[str], ours: Sequence[str]) -> int:
    """The first place where a list of names has the joints of ours in another order; -1 if it has
    other joints, more, less, or the same order.

    Some may have other names as long as most are elsewhere; those that only count, such as kp1 and
    kp0, must be the same altogether.
    """
    found = same_joints(theirs, ours)
    wrong = [place for place, own in enumerate(found) if own not in (-1, place)]
    told = [place for place in wrong if not re.search(r"\d", theirs[place])]
    most = -1 not in found or 2 * len(told) > len(ours)
    return wrong[0] if wrong and most and len(theirs) == len(ours) else -1


def _keys(names: Sequence[str]) -> list[str]:
    """What is equal for two ways to write a joint: its side, its letters, its numbers in order.
    Names that would become the same keep their own letters."""
    keys = [_key(side, words) for _, side, words in _read(names)]
    double = {key for key, count in Counter(keys).items() if count > 1}
    return [name if key in double else key for name, key in zip(names, keys, strict=True)]


def _key(side: int, words: Words) -> str:
    letters = sorted(letter for letter in "".join(words) if not letter.isdigit())
    return f"{side} {''.join(letters)} {'.'.join(word for word in words if word.isdigit())}"


def _words(name: str) -> Words:
    return tuple(word.lower() for word in WORDS.findall(name))


def _read(names: Sequence[str]) -> list[tuple[int, int, Words]]:
    """Partner, side and the words without it of each name."""
    split = list(map(_words, names))
    known = {words: place for place, words in enumerate(split)}
    read = []
    for place, words in enumerate(split):
        found = ((known[mirrored], side, rest) for mirrored, side, rest in _readings(words)
                 if mirrored in known)
        read.append(next(found, (place, 0, words)))
    for left, right, rest in _otherwise_spelled(split, read):
        read[left], read[right] = (right, 1, rest), (left, -1, rest)
    return read


def _otherwise_spelled(split: list[Words], read: list[tuple[int, int, Words]],
                       ) -> Iterator[tuple[int, int, Words]]:
    """Left, right and the rest of two names without a partner whose sides are written in two ways,
    as in Eye_L and r_eye, where nobody else has that rest."""
    lone: dict[tuple[int, Words], dict[int, Words]] = defaultdict(dict)
    for place, words in enumerate(split):
        for _, side, rest in _own_readings(words) if not read[place][1] else ():
            lone[side, tuple(sorted(rest))][place] = rest
    for (side, key), lefts in lone.items():
        rights = lone.get((-1, key), {}) if side > 0 else {}
        if len(lefts) == len(rights) == 1 and lefts.keys() != rights.keys():
            (left, rest), (right, _) = *lefts.items(), *rights.items()
            yield left, right, rest


def _own_readings(words: Words) -> Iterator[tuple[Words, int, Words]]:
    """Those that hold without a partner to confirm them: a lone letter is a word of its own, so
    rear is no right ear."""
    return (reading for reading in _readings(words) if len(reading[2]) < len(words)
            or len("".join(words)) > len("".join(reading[2])) + 1)


def _readings(words: Words) -> Iterator[tuple[Words, int, Words]]:
    """Every way to find a side in the words: them with the other side, the side, and the rest."""
    for left, right in FORMS:
        for fits in (str.__eq__, str.startswith, str.endswith):
            for place, word in enumerate(words):
                for side, form, other in ((1, left, right), (-1, right, left)):
                    if not fits(word, form):
                        continue
                    at_end = fits is str.endswith
                    cut = word[:-len(form)] if at_end else word[len(form):]
                    changed = cut + other if at_end else other + cut
                    rest = (*words[:place], *([cut] if cut else []), *words[place + 1:])
                    if form not in "lr" or sum(map(str.isalpha, "".join(rest))) > 1:
                        yield (*words[:place], changed, *words[place + 1:]), side, rest
