"""Safetensors with our settings inside, and with what cannot be settings."""
import sys

import pytest
import torch
from safetensors.torch import save_file

from nets.files.safetensors_file import OURS, read_safetensors, safetensors_bytes
from utils.errors import UserError

STATE = {"a": torch.arange(6.0).view(2, 3).T, "b": torch.ones(1)}     # a is not contiguous
STATE["c"] = STATE["a"]                                               # shares its memory


def same(found):
    return all(torch.equal(found[key], value) for key, value in STATE.items())


def test_weights_alone_and_with_settings(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(safetensors_bytes(STATE))
    found = read_safetensors(path)
    assert found.keys() == STATE.keys() and same(found)
    about = {"format": "simplepose 1", "config": {"é": [1, None]}, "ema": {"a": "not this"}}
    path.write_bytes(safetensors_bytes(STATE, about))
    found = read_safetensors(path)
    assert found["config"] == about["config"] and same(found["ema"])


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000, '{"a": ' + "9" * 5000 + "}",
                                  '{"a":' * 90 + "1" + "}" * 90])
def test_settings_that_cannot_be_are_refused(text, tmp_path):
    path = tmp_path / "x.safetensors"
    save_file({"b": torch.ones(1)}, path, {OURS: text})
    with pytest.raises(UserError, match="x.safetensors: the settings in it are no JSON"):
        read_safetensors(path)


def test_without_the_package_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(UserError, match="pip install safetensors"):
        safetensors_bytes(STATE)
    with pytest.raises(UserError, match="x.safetensors needs the package safetensors"):
        read_safetensors(tmp_path / "x.safetensors")
