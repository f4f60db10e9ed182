import json

from configs.scores import SCORES
from processors.trackers.entries import NewLines, of_old, to_entry, tracker_name
from processors.trackers.metrics_file import MetricsFile

TRAIN = {"kind": "train", "step": 3, "time": 5.0, "epoch": 1, "loss": 0.5, "accuracy": None,
         "lr": 0.1}
VAL = {"kind": "val", "step": 4, "time": 6.0, "epoch": 1, "weights": "ema", "AP": 0.5,
       "AP(M)": 0.25, "protocol": "boxes: ground truth"}


def test_numbers_have_the_same_names_in_all_trackers():
    entry = to_entry(TRAIN)
    assert (entry.step, entry.time, entry.texts) == (3, 5.0, {})
    assert entry.numbers == {"train/epoch": 1, "train/loss": 0.5, "train/lr": 0.1}
    entry = to_entry(VAL)
    assert entry.numbers == {"val/ema/epoch": 1, "val/ema/AP": 0.5, "val/ema/AP_M": 0.25}
    assert entry.texts == {"val/ema/protocol": "boxes: ground truth"}


def test_no_two_scores_share_a_name():
    names = [name for scores in SCORES.values() for name in scores]
    assert len({tracker_name(name) for name in names}) == len(names)
    assert [tracker_name(name) for name in ("torso PCK@0.05", "AP easy", "PCKh@0.5")] == [
        "torso_PCK_0.05", "AP_easy", "PCKh_0.5"]


def losses(entries):
    return [(entry.step, entry.numbers["train/loss"]) for entry in entries.values()]


def test_of_steps_done_twice_the_last_or_the_first_count():
    """Killed after step 4, the run went on from 2, was killed after 3, and goes on from 2."""
    lines = [TRAIN | {"step": step, "loss": loss} for step, loss in
             [(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.4), (3, 0.33), (2, 0.22)]]
    assert losses(of_old(lines, 2, replaces=True)) == [(1, 0.1), (2, 0.22)]
    assert losses(of_old(lines, 2, replaces=False)) == [(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.4)]


def test_an_evaluation_by_another_protocol_is_another_one():
    lines = [VAL, VAL | {"protocol": "boxes: detections"}, VAL, VAL | {"weights": "net"}]
    assert len(of_old(lines, 9, replaces=False)) == len(of_old(lines, 9, replaces=True)) == 3


def test_lines_are_read_on_from_where_they_ended(tmp_path):
    metrics = MetricsFile(tmp_path / "metrics.jsonl", run="a", model_name="m")
    lines = NewLines(metrics, 0)
    assert lines.old() == lines.read() == []
    metrics.add(**TRAIN)
    MetricsFile(metrics.path, run="b", model_name="m").add(**TRAIN)
    metrics.add(kind="note", step=1)
    metrics.add(**{name: value for name, value in VAL.items() if name != "AP"})
    lines = NewLines(metrics, metrics.size())
    assert len(lines.old()) == 1 and lines.read() == []
    metrics.add(**VAL)
    with open(metrics.path, "a") as file:
        file.write(json.dumps(metrics.common | VAL)[:50])
    assert [line["AP"] for line in lines.read()] == [0.5] and lines.read() == []
    metrics.add(**TRAIN | {"step": 9})      # behind the line that a kill has cut off
    assert [line["step"] for line in lines.read()] == [9] and len(lines.old()) == 4 - 1
