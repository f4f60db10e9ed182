"""Whatever a file holds, a message shows a line of it."""
import pytest

from utils.shown import counted, is_plain, lines, most_like, sentence, shortened, shown


def doubled(depth: int) -> list:
    """A list that `repr` would write out with 2 ** depth ends."""
    value: list = [1]
    for _ in range(depth):
        value = [value, value]
    return value


ENDLESS: list = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize("value", [
    doubled(40), ENDLESS, "x" * 10 ** 7, ["x" * 10 ** 6] * 10 ** 5, 10 ** 6000, -10 ** 400,
    {"k" * 10 ** 6: doubled(30)}, {(1, 2): {3}}, b"x" * 10 ** 6, list(range(10 ** 6)),
    ["x" * 90] * 90],
    ids=lambda value: type(value).__name__)
def test_anything_is_shown_on_one_short_line(value):
    text = shown(value)
    assert 0 < len(text) <= 400 and text.isprintable()


@pytest.mark.parametrize("value", [{"x": 1}, "fast", 1.5, True, None, [1, 2], "it's", 10 ** 30, -3])
def test_what_is_short_is_shown_as_it_is(value):
    assert shown(value) == repr(value)


def test_a_long_text_keeps_its_ends_and_codes_of_terminals_are_written_out():
    assert shortened("a" * 100 + "z" * 100, 40) == "a" * 30 + "..." + "z" * 10
    assert shortened("\ud800.jpg").encode() == b"\\ud800.jpg"
    assert shortened("\x1b[2Ja\nb") == "\\x1b[2Ja\\nb" and shortened("骨架 1") == "骨架 1"


def test_what_is_printed_has_no_codes_of_terminals_and_keeps_its_end():
    assert sentence(ValueError("\x1b[2J" + "x" * 10 ** 5 + ": mend it")).endswith(": mend it")
    assert len(sentence("\n" * 10 ** 5)) < 4000 and sentence("\n\x1b").isprintable()
    assert lines("a\nb\x1b[31m\rc") == "a\nb\\x1b[31m\\rc"


@pytest.mark.parametrize("number, words", [(0, "0 steps"), (1, "1 step"), (2, "2 steps")])
def test_one_of_a_kind_has_no_s(number, words):
    assert counted(number, "step") == words


@pytest.mark.parametrize("text, plain", [
    ("a b", True), ("骨\u3000架", True), ("", True), ("a\nb", False), ("\x1b", False),
    ("\x00", False), ("\x9b", False), ("\ud800", False), ("a\u202eb", False), ("a\u2028b", False),
    ("\u0645\u06cc\u200c\u0631\u0648\u0645", True)])
def test_text_that_a_log_can_hold(text, plain):
    assert is_plain(text) == plain


def test_what_may_be_meant_in_any_capitals():
    assert most_like("RESNET18", ["vgg", "resnet18", "ResNet50"]) == ["resnet18", "ResNet50"]
    assert most_like("Nose", ["zebra"]) == [] == most_like("nose", ["noseband"], cutoff=0.9)
