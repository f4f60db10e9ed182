"""The site is built without a warning, and a browser finds its pages, pictures and words."""
import http.server
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# what is added to a page: it tells how wide its pictures are shown, or is loaded when results are
PICTURES = b"""<script>addEventListener("load", () => document.documentElement.dataset.pictures =
[...document.images].map(one => one.naturalWidth).join())</script></body>"""
RESULTS = b"""<img src="/wait"><script>setInterval(() => {
if (document.querySelector(".md-search-result__link")) fetch("/found") }, 200)</script></body>"""
PATIENCE = 60       # seconds for results
NEEDED = ("mkdocs", "material", "mkdocstrings")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(
    not all(map(find_spec, NEEDED)), reason="pip install -r docs/requirements.txt")]


def build(config: Path, site: Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "mkdocs", "build", "--config-file", str(config),
                           "--site-dir", str(site)], capture_output=True, text=True, cwd=ROOT)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("documentation") / "site"
    done = build(ROOT / "mkdocs.yml", folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


class Pages(http.server.SimpleHTTPRequestHandler):
    """The files of the site, with PICTURES or RESULTS."""
    found = threading.Event()

    def log_message(self, *args):
        pass

    def do_GET(self):
        name, _, query = self.path.partition("?")
        if name == "/wait":
            self.found.wait(PATIENCE)
        elif name == "/found":
            self.found.set()
        path = Path(self.translate_path(name))
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes().replace(b"</body>", RESULTS if query else PICTURES)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A browser that has seen enough hangs up."""


@pytest.fixture(scope="module")
def browse(site, tmp_path_factory):
    """Function: page -> its DOM after loading, and what the browser's console says."""
    if CHROMIUM is None:
        pytest.skip("no chromium on the PATH: apt-get install chromium")
    server = Server(("127.0.0.1", 0), partial(Pages, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    profile = tmp_path_factory.mktemp("profile")

    def look(page: str) -> tuple[str, str]:
        Pages.found.clear()
        done = subprocess.run(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
             "--no-first-run", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", f"--user-data-dir={profile}", "--enable-logging=stderr", "--v=0",
             "--dump-dom",
             f"http://127.0.0.1:{server.server_port}/{page}"],
            capture_output=True, text=True, timeout=300, check=True)
        return done.stdout, "\n".join(re.findall(r".*CONSOLE.*", done.stderr))

    yield look
    server.shutdown()
    server.server_close()


def test_every_page_is_in_the_site(site):
    pages = {path.stem for path in [*ROOT.glob("docs/*.md"), *ROOT.glob("docs/zh/*.md")]}
    found = {path.parent.name for path in site.rglob("index.html")}
    assert pages - {"README_zh"} <= found
    assert {"changelog", "contributing", "zh"} <= found
    for file in ("configs/quickstart.yaml", "prediction.jpg", "quickstart.ipynb", "LICENSE"):
        assert (site / file).is_file(), file
    assert not (site / "README_zh").exists()


def test_the_names_to_import_come_with_their_docstrings(site):
    text = (site / "api/index.html").read_text(encoding="utf-8")
    for words in ("a checkpoint of this project, an .onnx", "blur_kernel", "pose_vit", "cfg_path",
                  "images: paths, or arrays (H, W, 3) uint8 RGB", "Train to the last epoch"):
        assert words in text, words


def test_nothing_is_fetched_from_elsewhere(site):
    for page in (site / "index.html", site / "zh/index.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r'(src|<link[^>]* href)="(https?:)?//', text)


@pytest.mark.parametrize("page, language, title", [
    ("", "en", "SimplePose"), ("zh/", "zh", "SimplePose")])
def test_a_page_opens_with_its_pictures_and_without_errors(browse, page, language, title):
    dom, console = browse(page)
    assert console == ""
    assert f'<html lang="{language}"' in dom and re.search(f"<h1[^>]*>{title}", dom)
    widths = re.search(r'data-pictures="([\d,]*)"', dom)[1]
    assert widths and "0" not in widths.split(",")
    assert '中文' in dom and 'hreflang="zh"' in dom and 'hreflang="en"' in dom


@pytest.mark.parametrize("words, page", [
    ("freeze_epochs", "fine_tuning/"), ("骨架", "zh/own_data/")])
def test_the_search_finds(browse, words, page):
    dom, console = browse(f"?q={quote(words)}")
    results = re.findall(r'<a href="([^"]+)" class="md-search-result__link"', dom)
    assert any(f"/{page}" in result for result in results), (results, console)


@pytest.mark.parametrize("wrong, words", [
    ("[one](nowhere.md) and [two](#nowhere)", "Aborted with 2 warnings"),
    ("::: nets.build.no_such_function", "no_such_function")])
def test_broken_links_and_missing_names_fail(tmp_path, wrong, words):
    """In a site of one page, with the project's own settings."""
    (tmp_path / "docs").mkdir()
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("nav:\n")[0]
    settings = re.sub(r"^hooks:.*\n", "", settings, flags=re.MULTILINE)
    (tmp_path / "mkdocs.yml").write_text(settings.replace("paths: [.]", f"paths: [{ROOT}]"),
                                         encoding="utf-8")
    (tmp_path / "docs/index.md").write_text(f"# A page\n\n{wrong}\n", encoding="utf-8")
    done = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert done.returncode != 0 and words in done.stderr + done.stdout
