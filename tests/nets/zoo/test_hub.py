"""hf://: repositories of a Hub that a server in the test stands for."""
import errno
import logging
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from nets.zoo.hub import Address, hub_file, is_hub, parse
from nets.zoo.weights_by_name import find_weights
from utils.errors import UserError
from utils.files import ROOT

hub = pytest.importorskip("huggingface_hub")
NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize("given, address", [
    ("hf://org/na.me", Address("org/na.me", None, "")),
    ("hf:/org/name", Address("org/name", None, "")),        # as a Path shows it
    ("hf://org/name@v1", Address("org/name", "v1", "")),
    ("hf://org/name@refs", Address("org/name", "refs", "")),
    ("hf://org/name/sub/x.pth", Address("org/name", None, "sub/x.pth")),
    ("hf://org/name@0a1b/x.safetensors", Address("org/name", "0a1b", "x.safetensors"))])
def test_addresses(given, address):
    assert is_hub(given) and parse(given) == address


@pytest.mark.parametrize("given", ["hf://", "hf://name", "hf://org/na me", "hf://org/name@",
                                   "hf://org/name@v1@v2", "hf://org/name/\n", "hf://o/n/"])
def test_what_is_no_address_is_refused(given):
    with pytest.raises(UserError, match="is no address on the Hugging Face Hub"):
        hub_file(given)


def test_safetensors_first_and_fetched_once(fake, caplog):
    caplog.set_level(logging.INFO)
    fake.files["org/name"] = {"README.md": b"", "x.pth": b"pickle", "x.safetensors": b"numbers"}
    fake.card = {"license": "apache-2.0"}
    found = find_weights("hf://org/name")
    assert found.path.read_bytes() == b"numbers" and found.path.name == "x.safetensors"
    assert (found.given, found.published, found.source) == ("hf://org/name", None, None)
    assert "hf://org/name is under apache-2.0" in caplog.text
    caplog.clear()
    assert find_weights("hf://org/name").path == found.path
    assert fake.fetched == ["x.safetensors"] and "under" not in caplog.text


def test_the_whole_one_counts_and_others_by_their_name(fake, caplog):
    fake.files["org/name"] = {"model.safetensors": b"1", "other.safetensors": b"2",
                              "sub/x.pth": b"3"}
    assert hub_file("hf://org/name").read_bytes() == b"1"
    assert "its card names no licence" in caplog.text
    assert hub_file("hf://org/name/sub/x.pth").read_bytes() == b"3"
    assert hub_file("hf://org/name@v1/other.safetensors").parent.name == "b" * 40
    fake.card = {"license": "cc-by-nc-4.0"}
    fake.files["org/nc"] = {"x.bin": b"4"}
    assert hub_file("hf://org/nc").read_bytes() == b"4"
    assert "says it is under cc-by-nc-4.0; see whether that allows your use" in caplog.text


@pytest.mark.parametrize("files, given, sentence", [
    (["a.safetensors", "b.safetensors"], "hf://org/name",
     "several files of weights .a.safetensors, b.safetensors.: .*as in hf://org/name/a.safetensors"),
    (["a.pth", "b.pth"], "hf://org/name", "several files of weights"),
    (["README.md"], "hf://org/name", "has no file of weights .*it has README.md"),
    (["a.safetensors"], "hf://org/name/b.safetensors", "did you mean a.safetensors"),
    (["a.safetensors"], "hf://org/name/net.onnx", "no file net.onnx; it has a.safetensors"),
    (["a.safetensors"], "hf://org/name@v2", "hf://org/name has no such revision"),
    (["a.safetensors"], "hf://org/nme", "hf://org/nme is not there, or not for you")])
def test_what_is_not_there_is_one_sentence(fake, files, given, sentence):
    fake.files["org/name"] = dict.fromkeys(files, b"")
    with pytest.raises(UserError, match=sentence) as error:
        hub_file(given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("status, code, sentence", [
    (403, "GatedRepo", "accept its terms on its page"), (401, "RepoNotFound", "hf auth login"),
    (403, "", "not for you"), (400, "", "cannot be had")])
def test_refusals_are_one_sentence(fake, status, code, sentence):
    fake.refused["org/name"] = (status, code)
    with pytest.raises(UserError, match=f"hf://org/name .*{sentence}"):
        hub_file("hf://org/name")


def test_without_a_network_the_cache_counts(fake, caplog, monkeypatch):
    fake.files["org/name"] = {"model.safetensors": b"1"}
    first = hub_file("hf://org/name")
    fake.refused["org/name"] = (503, "")
    assert hub_file("hf://org/name") == first
    assert "is taken from the cache, for the Hub cannot be reached (" in caplog.text
    caplog.clear()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", NOWHERE)
    assert hub_file("hf://org/name/model.safetensors") == first
    assert "is taken from the cache, for the Hub cannot be reached" in caplog.text
    with pytest.raises(UserError, match="hf://org/other cannot be reached .*refused.*in the cache"):
        hub_file("hf://org/other")
    if hub.__version__ < "1":
        return      # its sessions know from their start whether they are offline
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="cannot be reached .*offline.*, and is not in the cache"):
        hub_file("hf://org/other")


def test_a_download_that_breaks_off_goes_on(fake):
    fake.files["org/name"] = {"model.safetensors": bytes(range(256)) * 100}
    fake.cuts = [1000, 20_000]
    for _ in range(3):
        with suppress(UserError):       # most versions of the package go on by themselves
            found = hub_file("hf://org/name")
    assert found.read_bytes() == bytes(range(256)) * 100 and len(fake.fetched) == 3


def test_one_that_never_ends_is_one_sentence_and_goes_on_later(fake, tmp_path):
    fake.files["org/name"] = {"model.safetensors": bytes(25_600)}
    fake.cuts = [0] * 20
    with pytest.raises(UserError, match="hf://org/name cannot be reached .*0 bytes") as error:
        hub_file("hf://org/name")
    assert "\n" not in str(error.value)
    assert not [*(tmp_path / "hub").rglob("model.safetensors")]
    fake.cuts = []
    assert hub_file("hf://org/name").read_bytes() == bytes(25_600)


def test_a_server_that_says_nothing_is_one_sentence(fake, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    fake.files["org/name"], fake.is_silent = {"model.safetensors": b"1"}, True
    with pytest.raises(UserError, match="hf://org/name cannot be reached .*timed out"):
        hub_file("hf://org/name")


def test_a_full_disk_is_said_with_its_place(fake, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "/cache")
    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    fake.files["org/name"] = {"model.safetensors": b"1"}
    with pytest.raises(OSError, match="No space left") as error:
        hub_file("hf://org/name")
    assert error.value.errno == errno.ENOSPC and error.value.filename == "/cache"


def test_without_the_package_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match="pip install huggingface_hub"):
        hub_file("hf://org/name")
    assert not is_hub("weights/hf.pth")


def test_the_endpoint_and_the_cache_are_those_of_the_environment(fake, tmp_path):
    fake.files["org/name"] = {"model.safetensors": b"1"}
    code = "from nets.zoo.hub import hub_file; print(hub_file('hf://org/name'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True,
                          env=os.environ | {"HF_ENDPOINT": fake.address, "HF_HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip().splitlines()[-1]).is_relative_to(tmp_path / "hub")


def test_our_own_errors_keep_their_traceback(fake, monkeypatch):
    fake.files["org/name"] = {"model.safetensors": b"1"}
    monkeypatch.setattr("nets.zoo.hub._choose", lambda *_: torch.zeros(1)[3])
    with pytest.raises(IndexError):
        hub_file("hf://org/name")
