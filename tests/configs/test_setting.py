"""Every number has a range beside its setting, and is held to it."""
import math
from dataclasses import fields, is_dataclass, replace
from typing import get_args, get_type_hints

import pytest

from configs.checks import ensure_ranges, problems
from configs.schema import Config, DataConfig, ExtraSet
from configs.setting import Range, setting


def numbers_in(kind) -> set:
    """int and float, if a type holds them anywhere; a bool is no number."""
    inner = get_args(kind)
    return {kind} & {int, float} | {n for part in inner for n in numbers_in(part)}


def knobs(section=Config, prefix=""):
    """(key, type, range) of each setting, in sections and in lists of them."""
    for knob in fields(section):
        kind = get_type_hints(section)[knob.name]
        inner = [part for part in (kind, *get_args(kind)) if is_dataclass(part)]
        if inner:
            yield from knobs(inner[0], f"{prefix}{knob.name}.")
        else:
            yield f"{prefix}{knob.name}", kind, knob.metadata["range"]


KNOBS = list(knobs())
NUMBERS = [(key, kind, span) for key, kind, span in KNOBS if numbers_in(kind)]


@pytest.mark.parametrize("key, kind, span", KNOBS)
def test_every_number_has_a_range_with_two_finite_ends_and_nothing_else_has(key, kind, span):
    assert (span is not None) == bool(numbers_in(kind)), f"{key}: setting(..., low=..., high=...)"
    if span:
        assert -math.inf < span.low < span.high < math.inf


def with_value(key, kind, number):
    """The standard Config but for one number, which stands in a list where lists are asked for."""
    if str(kind).startswith("tuple"):
        length = len(get_args(kind)) - (Ellipsis in get_args(kind))
        number = (64,) * (length - 1) + (number,)
    section, _, name = key.rpartition(".")
    if section == "data.extra_sets":
        extra = ExtraSet(ann_path="a", img_root="b", **{name: number})
        return Config(data=DataConfig(extra_sets=(ExtraSet(ann_path="a", img_root="b"), extra)))
    if not section:
        return replace(Config(), **{name: number})
    return replace(Config(), **{section: replace(getattr(Config(), section), **{name: number})})


@pytest.mark.parametrize("key, kind, span", NUMBERS, ids=lambda x: x if type(x) is str else "")
def test_what_is_beyond_the_range_is_refused_by_its_key(key, kind, span):
    beyond = [math.inf, -math.inf, math.nan, 10 ** 400]
    beyond += [span.low - 1, span.high + span.high / 1000 + 1]
    beyond += [span.low] * span.without_low + [span.high] * span.without_high
    for number in beyond:
        (found, sentence), = problems(with_value(key, kind, number))
        assert found == key.replace("extra_sets", "extra_sets[1]")
        assert span.rule() in sentence and len(sentence) < 400
    for number in [span.low] * (not span.without_low) + [span.high] * (not span.without_high):
        assert "must" not in "".join(sentence for found, sentence in
                                     problems(with_value(key, kind, number))
                                     if span.rule() in sentence)


@pytest.mark.parametrize("span, shown, rule", [
    (Range(0, 1), "0 to 1", "lie between 0 and 1"),
    (Range(0, 30, without_low=True), "above 0 to 30", "be above 0 and at most 30"),
    (Range(0, 2 ** 63, without_high=True), "0 to below 2 ** 63", "be at least 0 and below 2 ** 63"),
    (Range(0, 0.4, because=", or else"), "0 to 0.4", "lie between 0 and 0.4, or else")])
def test_a_range_in_words(span, shown, rule):
    assert (str(span), span.rule()) == (shown, rule)


def test_a_range_with_one_end_is_no_range():
    with pytest.raises(AssertionError, match="two ends"):
        setting(1, "a number", low=0)


def test_ranges_hold_where_no_yaml_was_loaded():
    ensure_ranges(DataConfig(), "data.")
    with pytest.raises(ValueError, match="^data.batch_size is 0; it must lie between 1 and"):
        ensure_ranges(DataConfig(batch_size=0), "data.")
