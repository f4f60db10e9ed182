"""at_hand: a file that lies at an address is fetched before it is looked at."""
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit
from urllib.request import url2pathname, urlopen

from processors.prediction.video_source import without_password
from utils.errors import UserError, first_line
from utils.log import log
from utils.outputs import cannot_write

SILENCE = 20.0      # seconds that a server may say nothing
CHUNK = 1 << 18     # bytes
LIVE = re.compile(r"text/|multipart/|.*(mpegurl|dash\+xml)", re.IGNORECASE)     # kinds of content
LISTS = (".m3u8", ".m3u", ".mpd", ".sdp", ".pls")       # of the pieces of a stream


@contextmanager
def at_hand(source: str) -> Iterator[str]:
    """The path of a file that an http(s) or file address names; other sources as they are.

    What has a length and is no list of pieces is a file; it is fetched into a temporary folder,
    for only so its sound, its end and its orientation are seen, and players' files with their
    table at the end can be read. The rest are streams, which OpenCV opens by their address. Raises
    UserError for a transfer that breaks off, and OSError where there is no room.
    """
    parts = urlsplit(source)
    if source.lower().startswith("file://"):
        yield url2pathname(parts.path)
        return
    answer = _file_at(source) if source.lower().startswith(("http://", "https://")) else None
    if answer is None:
        yield source
        return
    with TemporaryDirectory(prefix="simplepose-") as folder:
        path = Path(folder, re.sub(r"[^\w.-]+", "_", Path(parts.path).name) or "stream")
        with answer:
            _fetch(answer, path, without_password(source))
        yield str(path)


def _file_at(address: str) -> HTTPResponse | None:
    """The answer of a server that has a file there; None for streams, and where OpenCV is to say
    or to know more, such as of passwords."""
    path = urlsplit(address).path
    if Path(path).suffix.lower() in LISTS or without_password(address) != address:
        return None
    try:
        answer = urlopen(address, timeout=SILENCE)
    except (OSError, HTTPException, ValueError):
        return None
    if answer.headers.get("Content-Length") and not LIVE.match(answer.headers.get_content_type()):
        return answer
    answer.close()
    return None


def _fetch(answer: HTTPResponse, path: Path, address: str) -> None:
    size = int(answer.headers["Content-Length"])
    log.info("fetching %s, %.1f MB", address, size / 1e6)
    try:
        with open(path, "xb") as file:
            for chunk in iter(lambda: _chunk(answer, address), b""):
                file.write(chunk)
            if file.tell() != size:
                raise UserError(f"{address} broke off at {file.tell()} of {size} bytes: try again")
    except OSError as error:
        raise cannot_write(path, "the temporary folder (TMPDIR)", error) from error


def _chunk(answer: HTTPResponse, address: str) -> bytes:
    try:
        return answer.read(CHUNK)
    except (OSError, HTTPException) as error:
        raise UserError(f"{address} broke off ({first_line(error)}): try again") from error
