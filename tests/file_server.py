"""A web server in the test's own process that stands for every address of the internet."""
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class FileServer:
    """Files by their paths, and what goes wrong with them; counts what it was asked."""

    def __init__(self):
        self.files = {}             # path: content
        self.moved = {}             # path: where to
        self.cuts = {}              # path: after how many bytes the next answers break off
        self.silent = set()         # paths that are never answered
        self.stalls = set()         # paths whose cut answers wait instead of ending
        self.kinds = {}             # path: content type
        self.has_ranges = True
        self.asked = []             # (path, Range)
        self.ended = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Answer, self))
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()


class Answer(BaseHTTPRequestHandler):
    def __init__(self, server, *args):
        self.ours = server
        super().__init__(*args)

    def log_message(self, *args):
        pass

    def do_GET(self):
        ours, path, asked = self.ours, self.path, self.headers["Range"]
        ours.asked.append((path, asked))
        if path in ours.silent:
            ours.ended.wait(30)
            return
        if path in ours.moved:
            self.answer(302, Location=ours.moved[path])
            return
        if path not in ours.files:
            self.answer(404)
            return
        data, start = ours.files[path], 0
        if asked and ours.has_ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(data):
                self.answer(416)
                return
        end = ours.cuts[path].pop(0) if ours.cuts.get(path) else len(data)
        self.answer(206 if start else 200, **{
            "Content-Length": str(len(data) - start),
            "Content-Type": ours.kinds.get(path, "application/octet-stream")})
        self.wfile.write(data[start:max(start, end)])
        if end < len(data) and path in ours.stalls:
            ours.ended.wait(30)

    def answer(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@pytest.fixture
def web(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = FileServer()
    thread = threading.Thread(target=server.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.close()
    thread.join()
