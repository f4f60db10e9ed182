"""Values in messages are a line at most, whatever they are."""
import pytest

from utils.errors import cut, first_line, shown

EVERYTHING: list = ["x" * 1000]
for _ in range(60):
    EVERYTHING = [EVERYTHING] * 10      # written out it would fill every disk


@pytest.mark.parametrize("value", ["x" * 100_000, 10 ** 4000, EVERYTHING, ["x" * 90] * 90, {1: 2}])
def test_a_value_is_cut_to_a_line(value):
    assert 1 < len(shown(value)) <= 80 and len(shown(value).splitlines()) == 1


def test_short_values_are_as_python_writes_them():
    assert [shown(value) for value in (1, "1", 2.5, None, [1, "a"])] == [
        "1", "'1'", "2.5", "None", "[1, 'a']"]


def test_names_are_cut_and_can_be_printed():
    assert cut("a/b.jpg") == "a/b.jpg" and cut("x" * 99) == "x" * 77 + "..."
    assert cut("\ud800.jpg").encode() == b"\\ud800.jpg"


@pytest.mark.parametrize("error, words", [
    (OSError(28, "No space left on device", "/x/a.pth"), "No space left on device"),
    (RuntimeError("cut off. See https://example.org.\nat line 3"), "cut off"),
    (ValueError("not a number."), "not a number"), (KeyError(), "KeyError")])
def test_of_an_error_of_others_one_sentence_is_passed_on(error, words):
    assert first_line(error) == words
