"""Templates: what is put in is escaped, and what is missing is an error."""
import math

import jinja2
import pytest

from processors.reports.html_page import number, rows_of, write_page


def test_a_value_that_a_template_misses_is_no_blank(tmp_path):
    with pytest.raises(jinja2.UndefinedError, match="title"):
        write_page(tmp_path / "a.html", "evaluation_page.html")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value, text", [(0.5, "0.500"), (-1, "–"), (math.nan, "–"), (0, "0.000")])
def test_undefined_numbers_are_dashes(value, text):
    assert number(value) == text


def test_rows_of_words():
    assert rows_of("flip test  : on: by 1 px\nNMS: none") == [("flip test", "on: by 1 px"),
                                                             ("NMS", "none")]
