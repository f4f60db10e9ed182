"""The pages tell of things that are there: messages, files, and headings."""
import ast
import re
import shlex
from pathlib import Path

import pytest

from configs.loader import load_config

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
PACKAGES = ("configs", "datasets", "losses", "nets", "processors", "utils")
TABLE_OF_MESSAGES = re.compile(r"^\| message \|.*\n\|[-| ]+\n((?:\|.*\n)+)", re.MULTILINE)
GAP = "\0"      # stands in for what differs from one message to the next


def test_every_quoted_message_is_one_of_the_code():
    said = messages_of_the_code()
    quoted = [(page.name, message) for page in PAGES
              for message in quoted_messages(page.read_text(encoding="utf-8"))]
    assert len(quoted) > 40
    unknown = [entry for entry in quoted if not any(map(pattern(entry[1]).search, said))]
    assert not unknown


@pytest.mark.parametrize("message, found", [
    ("image ... is too old", False), ("image ... is cut short", True),
    ("image is cut short", False), ("is missing: copy ... image", False)])
def test_a_message_is_found_by_all_its_fixed_parts(message, found):
    code = f"image {GAP} is cut short, its end is missing: copy it again"
    assert bool(pattern(message).search(code)) == found


def test_the_chinese_readme_has_the_same_commands_links_and_sections():
    english = (ROOT / "README.md").read_text(encoding="utf-8")
    chinese = (ROOT / "docs/README_zh.md").read_text(encoding="utf-8")
    assert commands(chinese) == commands(english)
    assert re.findall(r"^#+ ", chinese, re.MULTILINE) == re.findall(r"^#+ ", english, re.MULTILINE)
    assert chinese.count("\n|") == english.count("\n|")     # rows of tables
    for number in re.findall(r"\d\.\d\d\d", english):
        assert number in chinese
    theirs = {(ROOT / "docs" / link).resolve() for link in links(chinese)
              if not link.startswith("zh/")}
    ours = {(ROOT / link).resolve() for link in links(english)}
    assert theirs - {ROOT / "README.md"} == ours - {ROOT / "docs/README_zh.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    text = page.read_text(encoding="utf-8")
    for target in links(text):
        name, _, heading = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), f"{target} is not there"
        assert not heading or heading in headings(file.read_text(encoding="utf-8")), target


def test_the_readme_names_every_recipe():
    linked = set(links((ROOT / "README.md").read_text(encoding="utf-8")))
    recipes = {f"configs/{path.name}" for path in ROOT.glob("configs/*.yaml")}
    assert recipes <= linked


def test_what_others_published_has_a_yaml_that_loads():
    """Beside each AP: a YAML, or "the same" as in the row above, and maybe settings."""
    rows = [line for line in (ROOT / "docs/published.md").read_text(encoding="utf-8").splitlines()
            if re.search(r"\| \.\d\d\d", line)]
    assert len(rows) > 20
    yaml, above = "", []
    for row in rows:
        *_, how, _ = row.split("|")
        settings = [word for words in re.findall("`([^`]+)`", how) for word in shlex.split(words)
                    if "=" in word]
        if found := re.search(r"\]\(\.\./(configs/.+?)\)", how):
            yaml, above = found[1], settings
        else:
            assert how.startswith(" the same"), row
            settings = above + settings
        config = load_config(ROOT / yaml, settings)
        width, height = config.codec.input_size
        assert f"| {height}x{width} |" in row or row.count("|") == 4, row


def commands(text: str) -> list[str]:
    """Blocks of code without comments, and commands within sentences."""
    blocks = re.findall(r"^```(?:sh|python|yaml)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    inline = re.findall(r"`(python\s[^`]+|pytest[^`]*)`", prose)
    return [re.sub(r" +# .*", "", block) for block in blocks] + [
        " ".join(command.split()) for command in inline]


def links(text: str) -> list[str]:
    """Targets within the project."""
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    return [target for target in targets if not target.startswith(("http://", "https://"))]


def messages_of_the_code() -> list[str]:
    """All text of the packages and of main.py, with a gap for each value that is put in."""
    files = [ROOT / "main.py",
             *(path for name in PACKAGES for path in ROOT.glob(f"{name}/**/*.py"))]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text("utf-8")))]
    plain = [re.sub("%[sdrf]", GAP, node.value) for node in nodes
             if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return plain + ["".join(part.value if isinstance(part, ast.Constant) else GAP
                            for part in node.values)
                    for node in nodes if isinstance(node, ast.JoinedStr)]


def quoted_messages(text: str) -> list[str]:
    """The first column of every table that is headed "message"."""
    rows = [row for table in TABLE_OF_MESSAGES.findall(text) for row in table.splitlines()]
    return [re.match(r"\| `(.+?)` \|", row)[1] for row in rows]


def pattern(message: str) -> re.Pattern:
    """Finds the message in the text of the code; "..." may be any text with a gap in it."""
    parts = [re.escape(part.strip("' ")) for part in re.split(r"\.{3}(?!\.)", message)
             if part.strip("' .")]
    return re.compile(f"[^{GAP}]*{GAP}.*?".join(parts), re.DOTALL)


def headings(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
