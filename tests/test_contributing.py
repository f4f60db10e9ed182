"""The worked examples of CONTRIBUTING.md: they fit the code of today, and they run."""
import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"^### (.+?)\n(.*?)(?=^### |\Z)", PAGE, re.MULTILINE | re.DOTALL))
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NEEDED = ("benchmarks", "configs", "datasets", "docs", "losses", "nets", "processors", "tests",
          "utils", "main.py", "hubconf.py", "pyproject.toml", "README.md", "CONTRIBUTING.md",
          "CHANGELOG.md", "CITATION.cff", ".github", ".ci", "weights/simplepose_r18_160x128.pth")
MINUTES = 8


def test_there_are_the_four_examples():
    assert list(EXAMPLES) == ["A head", "A backbone", "A decoder", "A data set"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_fits_the_code(name):
    changed = changed_files(EXAMPLES[name])
    for path, text in changed.items():
        assert text.endswith("\n")
        if path.endswith(".py"):
            ast.parse(text)
    assert any(path.startswith("tests/") for path in changed), "an example brings its test"


def test_the_rooms_of_the_page_are_those_of_the_house():
    rooms = re.findall(r"^\| `([a-z_/]+)/` \|", PAGE, re.MULTILINE)
    packages = {path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("*/**/__init__.py")}
    assert sorted(rooms) == sorted(
        name for name in packages if name.partition("/")[0] not in ("benchmarks", "tests"))


def test_the_ties_to_torch_are_where_the_page_says():
    section = PAGE.partition("## Ties to torch's insides")[2].partition("\n## ")[0]
    ties = re.findall(r"^\| `(\S+\.py)` \| (.+) \|$", section, re.MULTILINE)
    assert len(ties) >= 8
    for path, words in ties:
        text = (ROOT / path).read_text(encoding="utf-8")
        for name in re.findall("`(.+?)`", words):
            assert name in text, f"{path} has no {name}"


def test_lines_that_are_no_longer_there_are_noticed():
    with pytest.raises(AssertionError, match="main.py"):
        changed_files("```diff main.py\n-def no_such_function():\n+def other():\n```\n")


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name, tmp_path):
    for part in NEEDED:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        (tmp_path / part).parent.mkdir(exist_ok=True)
        copy(ROOT / part, tmp_path / part)
    (tmp_path / "photos").mkdir()
    for photo in set(re.findall(r"\w+\.jpg", EXAMPLES[name])):
        cv2.imwrite(str(tmp_path / "photos" / photo), np.full((120, 200, 3), 90, np.uint8))
    for path, text in changed_files(EXAMPLES[name]).items():
        (tmp_path / path).write_text(text, encoding="utf-8")
    commands, = [text for kind, _, text in BLOCK.findall(EXAMPLES[name]) if kind == "sh"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = os.environ | {"PATH": path}
    done = subprocess.run(["bash", "-e", "-c", commands], cwd=tmp_path, text=True,
                          timeout=60 * MINUTES, capture_output=True, env=settings)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def changed_files(example: str) -> dict[str, str]:
    """The text of every file that an example writes or changes, by its path."""
    texts: dict[str, str] = {}
    for kind, path, text in BLOCK.findall(example):
        if kind == "diff":
            before = texts.get(path) or (ROOT / path).read_text(encoding="utf-8")
            for hunk in text.split("@@\n"):
                before = with_hunk(before, hunk, path)
            texts[path] = before
        elif path:
            assert not (ROOT / path).exists(), f"{path} is there already"
            texts[path] = text
    return texts


def with_hunk(text: str, hunk: str, path: str) -> str:
    """`text` with the lines of a diff put in; those it has or takes away must be there once."""
    lines = hunk.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] in " -")
    assert text.count(old) == 1, f"{path} has {text.count(old)} times:\n{old}"
    return text.replace(old, "".join(line[1:] for line in lines if line[0] in " +"))
