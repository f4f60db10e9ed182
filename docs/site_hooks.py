"""What MkDocs does beside its plugins: pages outside of docs/ are in the site, too, and links lead
to the same files as in the repository."""
import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PLACES = {              # in the repository: in the site; others are where they are in docs/
    ROOT / "README.md": "index.md", DOCS / "README_zh.md": "zh/index.md",
    ROOT / "CONTRIBUTING.md": "contributing.md", ROOT / "CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")
FENCE = re.compile(r"^(```\w+) (\S+)$", re.MULTILINE)


def on_files(files, *, config):
    if file := files.get_file_from_path("README_zh.md"):
        files.remove(file)
    for path, place in PLACES.items():
        files.append(File.generated(config, place, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, *, page, config, files):
    """Links as from the page's place in the repository; files that are no pages come along, and of
    links to folders, which a site has not, the words stay. A block's file becomes its title."""
    folder = Path(page.file.abs_src_path).parent

    def follow(found):
        words, name, heading = found.groups()
        target = (folder / name).resolve()
        if target.is_dir():
            return words
        if not target.is_file():
            return found[0]         # MkDocs will say so
        place = PLACES.get(target) or target.relative_to(
            DOCS if target.is_relative_to(DOCS) else ROOT).as_posix()
        if files.get_file_from_path(place) is None:
            files.append(File.generated(config, place, abs_src_path=str(target)))
        here = posixpath.dirname(page.file.src_uri)
        return f"[{words}]({posixpath.relpath(place, here or '.')}{heading or ''})"

    return FENCE.sub(r'\1 title="\2"', LINK.sub(follow, markdown))


def on_page_context(context, *, page, config, nav):
    """The theme speaks the language of the page."""
    config.theme["language"] = "zh" if page.file.src_uri.startswith("zh/") else "en"
    return context
