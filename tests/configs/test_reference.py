from dataclasses import fields, is_dataclass
from typing import get_type_hints

import pytest

from configs.reference import reference
from configs.schema import Config

SECTIONS = {name: kind for name, kind in get_type_hints(Config).items() if is_dataclass(kind)}


def test_the_page_is_what_the_schema_says_now(pytestconfig):
    page = (pytestconfig.rootpath / "docs/configuration.md").read_text(encoding="utf-8")
    assert page == reference(), "run: python main.py info --keys > docs/configuration.md"


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_stands_in_its_section(section):
    below = reference().split(f"## `{section}`\n")[1].split("\n## `")[0]
    for knob in fields(SECTIONS[section]):
        assert f"\n| `{knob.name}` | " in below


@pytest.mark.parametrize("row", [
    "| `input_size` | list of 2: whole number | `[192, 256]` | ",
    "| `resume` | true or false, or `auto` | `auto` | ",
    "| `lr` | number | `0.001` | ",
    "| `debug` | true or false, or whole number | `false` | ",
    "| `encoding` | `default`, `exact`, `rounded` | `default` | ",
    "| `milestones` | list of: whole number | `[120, 160]` | ",
    "| `extra_sets` | list of mappings | `[]` | ",
    "| `skeleton` | text | empty | its skeleton"])
def test_types_and_defaults_are_told_in_words(row):
    assert f"\n{row}" in reference()
