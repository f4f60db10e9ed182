"""The lines of metrics.jsonl, which other programs and kills may spoil."""
import json

import pytest

from processors.reports.curves import draw_curves
from processors.trackers.metrics_file import MetricsFile
from processors.training.run_log import RunLog


@pytest.fixture
def metrics(tmp_path):
    return MetricsFile(tmp_path / "metrics.jsonl", run="a", model_name="pose")


def test_what_was_added_is_read(metrics):
    assert metrics.read() == []
    metrics.add(kind="train", loss=0.5)
    metrics.add(kind="val", AP=0.25)
    common = {"run": "a", "model_name": "pose"}
    assert metrics.read() == [common | {"kind": "train", "loss": 0.5},
                              common | {"kind": "val", "AP": 0.25}]
    assert all(json.loads(line) for line in metrics.path.read_text().splitlines())


def test_numbers_that_json_does_not_know_are_null(metrics):
    metrics.add(loss=float("nan"), norm=float("inf"), step=1)
    assert "NaN" not in metrics.path.read_text()
    assert metrics.read()[0] | {"step": 1, "loss": None, "norm": None} == metrics.read()[0]


def test_only_the_lines_of_this_run_are_read(metrics):
    MetricsFile(metrics.path, run="b", model_name="pose").add(step=1)
    MetricsFile(metrics.path, model_name="pose").add(step=2)
    metrics.add(step=3)
    assert [line["step"] for line in metrics.read()] == [3]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_cut_off_by_a_kill_is_left_and_spoils_no_other(metrics, cut):
    for step in (1, 2):
        metrics.add(step=step)
    metrics.path.write_bytes(metrics.path.read_bytes()[:-cut])
    whole = [1, 2] if cut == 1 else [1]     # without its newline a line is still whole
    assert [line["step"] for line in metrics.read()] == whole
    metrics.add(step=3)
    assert [line["step"] for line in metrics.read()] == [*whole, 3]


def test_zeros_left_by_a_power_cut_are_left_too(metrics):
    metrics.add(step=1)
    with open(metrics.path, "ab") as file:
        file.write(b"\0" * 100)
    metrics.add(step=2)
    assert [line["step"] for line in metrics.read()] == [1, 2]


@pytest.mark.parametrize("line", [b"[1]", b"5", b"null", b'"text"', b"\xff\xfe", b"[" * 100_000,
                                  b'{"run": ' * 5000, b"9" * 5000, b'{"loss": 1'])
def test_foreign_lines_are_left_out_and_counted_once(metrics, line, caplog):
    metrics.add(step=1)
    with open(metrics.path, "ab") as file:
        file.write(line + b"\n\n" + line + b"\n")
    metrics.add(step=2)
    for _ in range(2):      # it is read after every epoch
        assert [row["step"] for row in metrics.read()] == [1, 2]
    assert caplog.text.count(f"{metrics.path}: 2 lines left out, of no JSON object") == 1


TRAIN = {"kind": "train", "step": 3, "epoch": 1, "loss": 0.5, "lr": 0.1}
VAL = {"kind": "val", "step": 3, "epoch": 1, "AP": 0.5, "weights": "net"}


@pytest.mark.parametrize("whole, key, values", [
    (TRAIN, "kind", [["train"], 3]), (TRAIN, "step", ["3", None, -1, 10 ** 400]),
    (TRAIN, "loss", ["a", [1], True, 1e300]), (TRAIN, "lr", [{}]), (VAL, "kind", [None]),
    (VAL, "weights", [["net"]]), (VAL, "epoch", [{}, 1.5]), (VAL, "AP", ["0.5", [0.5]])])
def test_lines_that_lack_what_their_kind_has_are_left_out_and_counted(tmp_path, caplog, whole, key,
                                                                      values):
    log = RunLog(tmp_path, run="a", model_name="pose", rank=0)
    odd = [{name: value for name, value in whole.items() if name != key},
           *(whole | {key: value} for value in values)]
    for line in [TRAIN, *odd, VAL, VAL | {"AP": None}, {"kind": "note", "step": 1}]:
        log.metrics.add(**line)
    draw_curves(log.read(), tmp_path / "curves.png")
    assert [line["kind"] for line in log.read()] == ["train", "val", "val", "note"]
    assert caplog.text.count(f": {len(odd)} lines left out, of no JSON object, as after a k") == 1
