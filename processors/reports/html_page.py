"""HTML pages that need no network and nothing beside them, from the templates in this folder."""
import base64
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from configs.version import made_by
from utils.outputs import write_output


def write_page(path: Path, template: str, option: str = "--report", **values: Any) -> None:
    """Fill in a template of this folder, every text escaped, and write it. option: what names the
    path, for messages."""
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True,
                              undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": number, "data_url": data_url}
    page = environment.get_template(template).render(made_by=made_by(), **values)
    write_output(path, page.encode(), option)


def number(value: float, form: str = ".3f") -> str:
    """A number, or a dash where it is undefined (-1 or NaN)."""
    return "–" if np.isnan(value) or value == -1 else format(value, form)


def data_url(picture: bytes) -> str:
    """A PNG or JPEG as the source of an image within the page."""
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def rows_of(text: str) -> list[tuple[str, str]]:
    """Lines "name: words" -> (name, words)."""
    return [(name.strip(), words.strip()) for name, _, words in
            (line.partition(":") for line in text.splitlines())]
