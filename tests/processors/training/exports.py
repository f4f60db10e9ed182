"""Weights as ONNX files, for tests that look at what these give."""
from collections.abc import Iterator
from pathlib import Path

import pytest

import main


def exported_both_ways(weights: Path, folder: Path) -> Iterator[tuple[bool, Path, list[str]]]:
    """Whether with the decoder, the file (net0.onnx, net1.onnx), and the names of its outputs."""
    onnxruntime = pytest.importorskip("onnxruntime")
    for decode in (False, True):
        out = folder / f"net{int(decode)}.onnx"
        words = ["--decode"] * decode
        assert main.main(["export", "--weights", str(weights), "--out", str(out), *words]) == 0
        yield decode, out, [one.name for one in onnxruntime.InferenceSession(
            str(out)).get_outputs()]
