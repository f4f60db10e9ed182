"""Reading weights files: nothing runs, and every bad file is refused with one sentence."""
import os
import pickle

import numpy as np
import pytest
import torch

from nets.weights_file import read_weights_file


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
    for path in (tmp_path, tmp_path / "nothing.pth"):
        with pytest.raises(FileNotFoundError, match="there is no weights file"):
            read_weights_file(path)


def test_numbers_of_numpy_beside_the_weights_are_data(tmp_path):
    path = tmp_path / "with_numpy.pth"
    torch.save({"state_dict": {"a": torch.ones(2)}, "perf": np.float64(0.7),
                "meta": {"sigmas": np.ones(17, np.float32), "ids": np.arange(3)}}, path)
    content = read_weights_file(path)
    assert content["perf"] == 0.7 and content["meta"]["sigmas"].shape == (17,)
