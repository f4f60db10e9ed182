"""What of the GPU benchmarks needs no GPU: bars, hours, tables, and the sentence without one."""
import json

import pytest
import torch

from benchmarks import gpu, gpu_loop, gpu_predict
from benchmarks.common import PAGE, RESULTS
from benchmarks.gpu_common import BARS, Report, recipe_hours
from benchmarks.gpu_page import TITLES, sentences, train_rows, write_page
from configs.loader import load_config
from datasets.annotations.skeleton import load_skeleton
from datasets.synthetic.data_set import write_synthetic
from nets import build_net
from processors.evaluation.evaluation import Evaluation
from processors.runtime.parallel import OneProcess

KEPT = RESULTS / "gpu_h100.jsonl"


def test_hours_of_the_classic_recipe():
    assert recipe_hours(149_813 * 180 / 3600) == 1.0
    assert recipe_hours(149_813 * 180 / 3600 / 21) == 21.0


@pytest.mark.parametrize("ratio, good", [(0.96, True), (0.94, False)])
def test_bars_are_judged_and_lines_are_kept(tmp_path, capsys, ratio, good):
    report = Report(tmp_path / "new" / "lines.jsonl")
    report("card", card="some")
    report.judge("loop", "loop / ready batches", ratio)
    assert report.good is good and BARS["loop / ready batches"] == 0.95
    kept = (tmp_path / "new" / "lines.jsonl").read_text()
    assert kept == capsys.readouterr().out
    assert [json.loads(line).get("ok") for line in kept.splitlines()] == [None, good]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["gpu.py"])
    assert gpu.main() == 2
    assert capsys.readouterr().err.startswith("error: this machine has no CUDA device")


def test_the_page_shows_the_kept_lines(tmp_path):
    copy = tmp_path / "results.md"
    copy.write_text(PAGE.read_text())
    write_page(KEPT, copy)
    assert copy.read_text() == PAGE.read_text()


def test_of_several_runs_in_one_file_the_last_counts(tmp_path):
    lines, page = tmp_path / "lines.jsonl", tmp_path / "page.md"
    older = KEPT.read_text().replace("H100", "A100").replace('"batch": 256', '"batch": 1')
    lines.write_text(older + KEPT.read_text())
    page.write_text(PAGE.read_text())
    write_page(lines, page)
    assert page.read_text() == PAGE.read_text()


def test_a_run_that_was_ended_early_gives_what_it_has(tmp_path):
    lines, page = tmp_path / "lines.jsonl", tmp_path / "page.md"
    left = {"benchmark": "gpu", "kind": "left out", "name": "hrnet", "why": "1 minutes are over"}
    lines.write_text("".join(KEPT.read_text().splitlines(keepends=True)[:4]) + json.dumps(left))
    page.write_text("<!-- gpu -->\n<!-- end of gpu -->\n")
    write_page(lines, page)
    text = page.read_text()
    assert "| bf16 |" in text and "compile" not in text and "Reading" not in text
    assert "- Left out: HRNet-W32 (1 minutes are over)." in text


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"kind": "card"}', "3"])
def test_a_file_of_something_else_is_one_sentence(tmp_path, monkeypatch, capsys, text):
    lines = tmp_path / "lines.jsonl"
    lines.write_text(text)
    monkeypatch.setattr("sys.argv", ["gpu.py", "--write", str(lines)])
    assert gpu.main() == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {lines} does not hold the lines of a run")
    assert error.count("\n") == 1


def test_rows_compare_with_the_first_form():
    lines = [json.loads(line) for line in KEPT.read_text().splitlines()]
    rows = train_rows(lines)
    first = next(row for row in rows if row[1] == "fp32 eager")
    assert first[4] == "1.00"
    last = next(row for row in rows if row[1] == "bf16 channels_last compile")
    assert last[4] == "2.96" and last[2] == "256"


def test_later_networks_take_the_best_batch_of_the_first(monkeypatch):
    """Or the next that fits into memory."""
    asked = []

    def measure(model, dtype, channels_last, compiled, batch):
        asked.append((model.type, dtype, channels_last, compiled, batch))
        if model.type == "pose_hrnet" and batch == 512:
            raise torch.OutOfMemoryError
        return {"persons_s": 1000 + (batch if channels_last else -batch), "peak_memory_gib": 1}
    monkeypatch.setattr(gpu, "measure_form", measure)
    best: dict[str, int] = {}
    gpu.measure_net("duc", 1e15, Report(None), best)
    assert best == {"fp32 eager": 128, "bf16": 256, "bf16 channels_last": 512,
                    "bf16 channels_last compile": 256}
    asked.clear()
    gpu.measure_net("hrnet", 1e15, Report(None), best)
    assert [(*form, batch) for _, *form, batch in asked] == [
        (None, False, False, 128), (torch.bfloat16, False, False, 256),
        (torch.bfloat16, True, False, 512), (torch.bfloat16, True, False, 256),
        (torch.bfloat16, True, True, 256)]


def test_a_small_card_gets_smaller_batches(monkeypatch, capsys):
    asked = []

    def measure(model, dtype, channels_last, compiled, batch):
        asked.append(batch)
        if batch > limit:
            raise torch.OutOfMemoryError
        return {"persons_s": batch, "peak_memory_gib": 1}
    monkeypatch.setattr(gpu, "measure_form", measure)
    best: dict[str, int] = {}
    limit = 70
    gpu.measure_net("duc", 1e15, Report(None), best)
    assert set(best.values()) == {64}
    assert asked == [256, 128, 64, 256, 128, 64, 512, 256, 128, 64, 256, 128, 64]
    limit = 15
    with pytest.raises(torch.OutOfMemoryError):
        gpu.measure_net("hrnet", 1e15, Report(None), best)
    assert asked[-3:] == [64, 32, 16]


def test_every_network_has_a_title_and_a_cost():
    """Without a GPU all but the measuring."""
    pytest.importorskip("timm")
    assert gpu.NETS.keys() == TITLES.keys()
    for model in gpu.NETS.values():
        assert gpu.cost_of(gpu.shape_only_net(model), gpu.INPUT).macs[""] > 1e9


@pytest.fixture
def without_gpu(monkeypatch):
    """The CPU in its place."""
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(gpu_predict, "DEVICE", torch.device("cpu"))
    monkeypatch.setattr(gpu_predict, "FRAMES", 3)


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_evaluation_and_prediction_are_measured_and_shown(tmp_path, without_gpu):
    skeleton, report = load_skeleton("coco"), Report(tmp_path / "lines.jsonl")
    write_synthetic(tmp_path / "people", tmp_path / "people.json", 4, 0, skeleton)
    config = load_config(gpu_loop.QUICKSTART, [
        f"data.val_ann_path={tmp_path / 'people.json'}", "data.num_workers=0",
        f"data.val_img_root={tmp_path / 'people'}", "codec.input_size=[64,64]"])
    evaluation = Evaluation(config, skeleton, OneProcess(()))
    gpu_loop.measure_evaluation(evaluation, build_net(config.model), 5000.0, report)
    gpu_predict.measure_prediction(tmp_path / "people", tmp_path, report)
    judged, epochs, found = lines_of(tmp_path / "lines.jsonl")
    persons = len(evaluation.dataset)
    assert judged["persons"] == persons > 4 and judged["bar"] == 0.8
    assert judged["ratio"] == pytest.approx(
        judged["persons_s"] / judged["computing_persons_s"], rel=0.2)
    assert epochs["ratio"] == pytest.approx(
        149_813 / 5000 / (6352 / judged["persons_s"]), rel=0.2)
    assert found["frames"] == 3 and min(
        found["frames_s"], found["without_pictures"], found["networks"]) > 0
    text = sentences([judged, epochs, found])
    assert f"judging {persons} persons" in text and "of it (bar 0.8)." in text
    assert f"{found['frames_s']} frames/s" in text and "6,352 labelled persons" in text
