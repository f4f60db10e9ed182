"""What is wrong with a JSON file is one sentence that names it."""
import bz2
import gzip
import lzma
import os

import pytest

from datasets.annotations.coco_file import read_coco
from utils.errors import UserError
from utils.json_file import parse_json, read_json


@pytest.mark.parametrize("content, words", [
    ("{", "is not JSON"), ("", "is not JSON"), ("[" * 10 ** 6, "is nested too deeply"),
    ('{"a":' * 10 ** 5, "is nested too deeply"), ("1" * 5000, "is not JSON")])
def test_what_is_no_json_is_said(tmp_path, content, words):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=rf"^the labels {words}.*again$") as caught:
        read_json(path, "the labels")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("text", ["{", "", "[" * 10 ** 5, b'{"a":' * 10 ** 5, b"\xff"])
def test_a_text_that_is_no_json_is_a_value_error(text):
    with pytest.raises(ValueError):
        parse_json(text)


def test_what_is_no_file_is_said(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(ValueError, match=f"^{path} cannot be read: it is no file"):
            read_json(path)
    with pytest.raises(FileNotFoundError, match=r"no\.json does not exist"):
        read_json(tmp_path / "no.json")


def test_what_is_json_is_read(tmp_path):
    (tmp_path / "x.json").write_text('{"a": [1, NaN]}')
    assert str(read_json(tmp_path / "x.json")) == "{'a': [1, nan]}"


def test_a_number_of_thousands_of_digits_is_told_without_advice_for_programmers(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[" + "9" * 5000 + "]")
    with pytest.raises(UserError, match=r"value has 5000 digits\): download or write it again$"):
        read_json(path)


@pytest.mark.parametrize("pack, tool", [(gzip.compress, "gzip"), (bz2.compress, "bzip2"),
                                        (lzma.compress, "xz")])
def test_a_packed_file_is_to_be_unpacked(tmp_path, pack, tool):
    path = tmp_path / "a.json.gz"
    path.write_bytes(pack(b"{}"))
    with pytest.raises(UserError, match=f"gz is not JSON, but packed by {tool}: unpack it$"):
        read_json(path)
    with pytest.raises(UserError, match=f"a file of {tool}: unpack it$"):
        read_coco(path)
