"""Reading weights files: nothing runs, and every bad file is refused with one sentence."""
import json
import os
import pickle
import time
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from nets.files.plain_values import plain_values
from nets.files.safetensors_file import safetensors_bytes
from nets.files.weights_file import read_weights_file
from nets.pretrained import load_weights
from processors.models.checkpoint import load_checkpoint
from processors.models.load_pose_model import load_pose_model


class Command:
    """Unpickling this would run a command."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch '{self.marker}'",)


def refused(path, words):
    with pytest.raises(ValueError, match=words) as caught:
        read_weights_file(path)
    assert str(path) in str(caught.value) and len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("new_format", [True, False])
def test_a_malicious_checkpoint_runs_nothing(tmp_path, new_format):
    path, marker = tmp_path / "evil.pth", tmp_path / "it_ran"
    torch.save({"state_dict": {"a": torch.ones(2)}, "extra": Command(marker)}, path,
               _use_new_zipfile_serialization=new_format)
    refused(path, "system.*was not loaded")
    assert not marker.exists()
    torch.load(path, weights_only=False)     # the file is really malicious
    assert marker.exists()


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_bare_pickle_runs_nothing(tmp_path, protocol):
    path, marker = tmp_path / "evil.pkl", tmp_path / "it_ran"
    path.write_bytes(pickle.dumps(Command(marker), protocol=protocol))
    refused(path, "was not loaded|cannot be read")
    assert not marker.exists()


@pytest.mark.parametrize("new_format", [True, False])
def test_truncated_files(tmp_path, new_format):
    path = tmp_path / "cut.pth"
    torch.save({"a": torch.ones(5000)}, path, _use_new_zipfile_serialization=new_format)
    content = path.read_bytes()
    for size in (0, 1, 30, 300, len(content) // 2, len(content) - 9):
        path.write_bytes(content[:size])
        refused(path, "cannot be read|was not loaded")   # a cut may go through a name


def test_other_kinds_of_files(tmp_path):
    page = tmp_path / "page.pth"
    page.write_text("<html>404</html>")
    refused(page, "cannot be read")
    tensors = tmp_path / "x.safetensors"
    tensors.write_text("nonsense")
    refused(tensors, "safetensors")
    refused(tmp_path, "is a folder")
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    refused(tmp_path, "in several files .shards.*save them as one")
    with pytest.raises(FileNotFoundError, match="there is no weights file"):
        read_weights_file(tmp_path / "nothing.pth")


def test_one_wrong_bit_among_the_numbers(tmp_path):
    path = tmp_path / "rotten.pth"
    torch.save({"a": torch.ones(5000)}, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    refused(path, "BadZipFile.*damaged")


def test_numbers_of_numpy_beside_the_weights_are_passed_over(tmp_path):
    path = tmp_path / "with_numpy.pth"
    torch.save({"state_dict": {"a": torch.ones(2)}, "perf": np.float64(0.7), "epoch": 3,
                "meta": {"sigmas": np.ones(17, np.float32), "names": np.array(["a", "b"]),
                         "objects": np.array([[], {}], dtype=object), "lr": [0.1]}}, path)
    content = read_weights_file(path)
    assert content["state_dict"]["a"].tolist() == [1, 1]
    del content["state_dict"]
    assert content == {"perf": None, "epoch": 3, "meta": {"sigmas": None, "names": None,
                                                          "objects": None, "lr": [0.1]}}


def write_program(path, program):
    """A file of torch.save around a hand-written pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (("data.pkl", program), ("version", "3\n"), ("byteorder", "little")):
            archive.writestr(f"archive/{name}", content)


@pytest.mark.parametrize("kind", [b"U8", b"S8", b"f8"])
def test_an_array_with_a_tampered_dtype_is_never_built(tmp_path, kind):
    dtype = b"cnumpy\ndtype\n(X" + len(kind).to_bytes(4, "little") + kind + b"\x89\x88tRq\x01"
    array = b"cnumpy\nndarray\n(K\x01\x85h\x01tR"
    state = b"(K\x03X\x01\x00\x00\x00<NNNJ" + (2**30).to_bytes(4, "little") + b"K\x01K?tb"
    path = tmp_path / "tampered.pth"
    write_program(path, b"\x80\x02](" + dtype + array + b"h\x01" + state + b"e.")
    assert read_weights_file(path) == [None, None, None]


@pytest.mark.parametrize("program", [
    b"}q\x00X\x05\x00\x00\x00modelh\x00s.", b"]q\x00h\x00a.",
    b"}X\x05\x00\x00\x00model" * 5000 + b"}" + b"s" * 5000 + b"."])
def test_containers_without_an_end_are_refused(tmp_path, program):
    path = tmp_path / "cyclic.pth"
    write_program(path, b"\x80\x02" + program)
    refused(path, "cannot be read")


@pytest.mark.parametrize("levels", [25, 40])
def test_a_list_of_a_list_of_a_list_is_looked_at_once_and_refused(tmp_path, levels):
    path, nested = tmp_path / "laughs.pth", []
    for _ in range(levels):     # whoever shows or copies it fills the memory
        nested = [nested, nested]
    torch.save({"seed": nested}, path)
    start = time.monotonic()
    refused(path, "more than 1000000 values")
    assert time.monotonic() - start < 5


def test_what_is_named_twice_is_one_thing(tmp_path):
    shared = [1, {"a": (2, "x")}]
    torch.save({"a": shared, "b": [shared, shared]}, tmp_path / "x.pth")
    content = read_weights_file(tmp_path / "x.pth")
    assert content == {"a": shared, "b": [shared, shared]} and content["a"] is content["b"][1]


@pytest.mark.parametrize("protocol", [4, 5])
def test_another_protocol_of_pickle_is_named(tmp_path, protocol):
    path = tmp_path / "x.pth"
    for new_format in (True, False):
        torch.save({"a": torch.ones(2)}, path, pickle_protocol=protocol,
                   _use_new_zipfile_serialization=new_format)
        refused(path, f"pickle_protocol={protocol}.*torch.save\\(state, path\\)")


def test_a_program_of_torchscript_is_named(tmp_path):
    path = tmp_path / "x.pt"
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(path))
    refused(path, "a TorchScript archive.*state_dict")


def test_a_safetensors_file_of_hundreds_of_thousands_of_names(tmp_path):
    path = tmp_path / "x.safetensors"
    table = json.dumps({f"empty {n:0>40}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
                        for n in range(120_000)}).encode()
    path.write_bytes(len(table).to_bytes(8, "little") + table)
    refused(path, "its table of tensors has 1[0-9] MB")


def test_only_exact_types_survive(tmp_path):
    class Odd(str):
        pass

    tensor = torch.ones(2)
    tensor.clone = "no method"
    content = plain_values({"a": tensor, "b": Odd(), "c": {1, 2}, (1, 2): 3, "d": (b"x", True),
                            "e": OrderedDict(f=torch.nn.Parameter(tensor)), "g": torch.Size([1])})
    assert content["a"].clone().tolist() == [1, 1] and type(content["e"]["f"]) is torch.Tensor
    assert [content.get(key) for key in ("b", "c", "d", "g")] == [None, None, (None, True), None]
    assert type(content["e"]) is dict and (1, 2) not in content


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
def test_a_folder_from_hugging_face_is_read(tmp_path, name):
    state = {"head.conv.bias": torch.ones(2)}
    (tmp_path / "config.json").write_text("{}")
    if name.endswith(".bin"):
        torch.save(state, tmp_path / name)
    else:
        pytest.importorskip("safetensors.torch").save_file(state, tmp_path / name)
    assert torch.equal(read_weights_file(tmp_path)["head.conv.bias"], torch.ones(2))


@pytest.mark.parametrize("found", ["simplepose 9", "simplepose 10", "simplepose next"])
def test_our_own_format_of_another_version_is_refused_by_all_that_read_weights(tmp_path, found):
    """What its settings mean would be guessed."""
    path = tmp_path / "new.pth"
    torch.save({"format": found, "ema": {"weight": torch.ones(1)}}, path)
    words = f"new.* is of the format '{found}', and .* reads 'simplepose 1': update the project"
    refused(path, words)
    for read in (load_checkpoint, lambda path: load_pose_model(path, device="cpu"),
                 lambda path: load_weights(nn.Linear(1, 1), path)):
        with pytest.raises(ValueError, match=words):
            read(path)
    path = tmp_path / "new.safetensors"
    path.write_bytes(safetensors_bytes({"weight": torch.ones(1)}, {"format": found}))
    refused(path, words)


@pytest.mark.parametrize("found", ["simplepose 1", "other 9", 9, None])
def test_other_words_under_format_mean_nothing(tmp_path, found):
    torch.save({"format": found}, tmp_path / "x.pth")
    assert read_weights_file(tmp_path / "x.pth") == {"format": found}
