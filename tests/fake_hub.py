"""A Hugging Face Hub in the test's own process, by the plain HTTP that huggingface_hub speaks.

Repositories are read at /api/models/NAME and /NAME/resolve/REVISION/FILE, and written in four
steps: /api/repos/create, preupload (which files are large), Git LFS for these, a commit of all.
"""
import base64
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from types import SimpleNamespace

import pytest
import yaml

TOKEN = "hf_of_the_test"
COMMIT = "a" * 40
LICENCES = ("apache-2.0", "mit", "cc-by-nc-4.0", "other")


class FakeHub:
    """Repositories by their names, and what goes wrong with them; remembers what it was asked."""

    def __init__(self):
        self.files = {}         # repository: {name: content}
        self.revisions = {"main": COMMIT, "v1": "b" * 40, COMMIT: COMMIT, "b" * 40: "b" * 40}
        self.card = {}          # what the cards say, where no README.md does
        self.refused = {}       # repository: (status, X-Error-Code)
        self.failing = {}       # a part of METHOD /path: status of the answer to what is sent
        self.cuts = []          # after how many bytes the next downloads break off
        self.is_silent = False  # downloads are never answered
        self.large = {}         # sha256: content of what came by LFS
        self.fetched = []       # files
        self.asked = []         # (method, path)
        self.messages = []      # of the commits
        self.ended = threading.Event()
        fake = self

        class Answer(Request):
            hub = fake

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.elsewhere = f"http://localhost:{self.server.server_port}"      # another host

    def close(self):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()


class Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        """What is there, for everybody."""
        fake, parts = self.hub, self.parts()
        if parts[0] == "lfs":
            self.send_file(parts[2], fake.large[parts[1]], {})
            return
        api = parts[:2] == ["api", "models"]
        parts = parts[2:] if api else parts
        name, rest = "/".join(parts[:2]), parts[3:] if len(parts) > 3 else ["main"]
        if name in fake.refused or name not in fake.files:
            status, code = fake.refused.get(name, (404, "RepoNotFound"))
            self.answer(status, headers={"X-Error-Code": code})
            return
        commit, files = fake.revisions.get(rest[0]), fake.files[name]
        if commit is None:
            self.answer(404, headers={"X-Error-Code": "RevisionNotFound"})
            return
        if api:
            page = files.get("README.md", b"").decode().split("---\n")
            self.answer(200, {"id": name, "sha": commit,
                              "cardData": yaml.safe_load(page[1]) if len(page) > 2 else fake.card,
                              "siblings": [{"rfilename": file} for file in files]})
            return
        file = "/".join(rest[1:])
        if file not in files:
            self.answer(404, headers={"X-Error-Code": "EntryNotFound"})
            return
        digits = hashlib.sha256(files[file]).hexdigest()
        headers = {"X-Repo-Commit": commit, "ETag": f'"{digits}"'}
        if digits in fake.large:        # large files lie on another host
            self.answer(302, headers=headers | {
                "Location": f"{fake.elsewhere}/lfs/{digits}/{file}", "X-Linked-ETag": f'"{digits}"',
                "X-Linked-Size": str(len(files[file]))})
            return
        self.send_file(file, files[file], headers)

    def send_file(self, file, content, headers):
        """All or, if asked so, the end; or less, where a break is wanted."""
        fake, first = self.hub, 0
        if self.command == "GET":
            fake.fetched.append(file)
            if fake.is_silent:
                fake.ended.wait(30)
                return
            if asked := self.headers["Range"]:
                first = int(asked.removeprefix("bytes=").removesuffix("-"))
        end = fake.cuts.pop(0) if fake.cuts and self.command == "GET" else len(content)
        self.send_response(206 if first else 200)
        for key, value in (headers | {"Content-Length": str(len(content) - first)}).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[first:max(first, end)])
            self.close_connection |= end < len(content)

    def do_PUT(self):
        """A large file, at the address that LFS has told."""
        data, digits = self.body(), self.parts()[1]
        if not self.fails():
            good = hashlib.sha256(data).hexdigest() == digits
            self.hub.large |= {digits: data} if good else {}
            self.answer(200 if good else 400)

    def do_POST(self):
        fake, parts, data = self.hub, self.parts(), self.body()
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.answer(401, {"error": "Invalid username or password."})
        elif self.fails():
            return
        elif parts == ["api", "repos", "create"]:
            asked = json.loads(data)
            name = f"{asked['organization']}/{asked['name']}"
            is_new = name not in fake.files
            fake.files.setdefault(name, {".gitattributes": b""})
            self.answer(200 if is_new else 409, {"url": f"{fake.address}/{name}"})
        elif parts == ["api", "validate-yaml"]:
            page = json.loads(data)["content"].split("---\n")
            known = yaml.safe_load(page[1])["license"] in LICENCES
            self.answer(200 if known else 400, {"warnings": [], "errors": [] if known else [
                {"message": '"license" must be one of ["apache-2.0", "mit", ...]'}]})
        elif parts[4:5] == ["preupload"]:
            self.answer(200, {"files": [
                {"path": one["path"], "shouldIgnore": False,
                 "uploadMode": "lfs" if one["path"].endswith(".safetensors") else "regular"}
                for one in json.loads(data)["files"]]})
        elif parts[2:] == ["info", "lfs", "objects", "batch"]:
            self.answer(200, {"transfer": "basic", "objects": [
                one | {"actions": {"upload": {"href": f"{fake.address}/lfs/{one['oid']}"}}}
                for one in json.loads(data)["objects"]]})
        elif parts[4:5] == ["commit"]:
            self.commit("/".join(parts[2:4]), [json.loads(line) for line in data.splitlines()])
        else:
            self.answer(404)

    def commit(self, name, lines):
        fake = self.hub
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                fake.messages.append(value["summary"])
            elif line["key"] == "file":
                fake.files[name][value["path"]] = base64.b64decode(value["content"])
            else:
                assert line["key"] == "lfsFile"
                fake.files[name][value["path"]] = fake.large[value["oid"]]
        commit = hashlib.sha1(str(fake.messages).encode()).hexdigest()
        fake.revisions |= {"main": commit, commit: commit}
        self.answer(200, {"commitOid": commit,
                          "commitUrl": f"{fake.address}/{name}/commit/{commit}"})

    def parts(self):
        path = self.path.partition("?")[0]
        self.hub.asked.append((self.command, path))
        return path.strip("/").split("/")

    def body(self):
        if self.headers["Transfer-Encoding"] != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"] or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def fails(self):
        asked = f"{self.command} {self.path}"
        status = next((status for part, status in self.hub.failing.items() if part in asked), 0)
        if status:
            self.answer(status)
        return bool(status)

    def answer(self, status, content=None, headers=None):
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", "Content-Length": str(len(body)),
                           **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """A Hub with nothing in it, an empty cache, and somebody who has logged in."""
    pytest.importorskip("huggingface_hub")
    # all that has names of its own for what is changed, before it is
    constants, http, download, _ = (import_module(f"huggingface_hub.{name}") for name in (
        "constants", "utils._http", "file_download", "hf_api"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    server = FakeHub()
    thread = threading.Thread(target=server.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    # all are read from the environment when the package is imported
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT,
                                                                 server.address)
    for module in (constants, download):
        monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    # its protocol for large files is that of a program of its own; without it LFS is taken
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True, raising=False)
    at_once = SimpleNamespace(**vars(time) | {"sleep": lambda seconds: None})   # between attempts
    for module in (http, download):
        monkeypatch.setattr(module, "time", at_once)
    yield server
    server.close()
    thread.join()
