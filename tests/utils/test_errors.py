"""Errors in words."""
import pytest

from utils.errors import first_line


@pytest.mark.parametrize("error, words", [
    (OSError(28, "No space left on device", "/x/a.pth"), "No space left on device"),
    (RuntimeError("cut off. See https://example.org.\nat line 3"), "cut off"),
    (ValueError("not a number."), "not a number"), (KeyError(), "KeyError")])
def test_of_an_error_of_others_one_sentence_is_passed_on(error, words):
    assert first_line(error) == words
