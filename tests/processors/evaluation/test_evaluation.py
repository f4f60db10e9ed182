"""Evaluation: results before numbers, shares of every size, and nobody found."""
import gc
import json
import threading
from pathlib import Path

import pytest
import torch
from torch import nn

from datasets.annotations.skeleton import load_skeleton
from datasets.synthetic.data_set import ensure_synthetic
from processors.evaluation import evaluation as module
from processors.evaluation.evaluation import Evaluation
from processors.runtime.parallel import OneProcess
from tests.processors.drawn_sets import settings
from utils.errors import UserError
from utils.json_file import read_json

SKELETON = load_skeleton("coco")
METRICS = "val.metrics=[coco,pck,epe]"


class Together(OneProcess):
    """Two processes as two threads."""

    def __init__(self, rank: int, slots: list, barrier: threading.Barrier):
        super().__init__(())
        self.rank, self.world_size = rank, 2
        self.slots, self.barrier = slots, barrier

    def all_gather(self, value):
        self.slots[self.rank] = value
        self.barrier.wait(30)
        values = list(self.slots)
        self.barrier.wait(30)
        return values

    def broadcast(self, value):
        return self.all_gather(value)[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    ensure_synthetic(settings(folder).data, seed=0)
    return folder


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Conv2d(3, 17, 5, 4, 2)


def of_one_process(config) -> Evaluation:
    return Evaluation(config, SKELETON, OneProcess(()))


class Odd(nn.Module):
    """A network whose answers to some images, in their order, hold NaN."""

    def __init__(self, net: nn.Module, odd: slice):
        super().__init__()
        self.net, self.odd = net, odd

    def forward(self, images):
        heatmaps = self.net(images)
        heatmaps[self.odd] = torch.nan
        return heatmaps


def test_answers_without_numbers_are_left_out_of_every_metric(folder, net, tmp_path, caplog,
                                                                monkeypatch):
    evaluation = of_one_process(settings(folder, METRICS, "val.batch_size=99"))
    people = len(evaluation.dataset)
    matched, seen = module.match_by_row, []
    monkeypatch.setattr(module, "match_by_row",
                        lambda *given: seen.append(matched(*given)) or seen[-1])
    evaluation.run(Odd(net, slice(2)), tmp_path / "r.json")
    assert f"2 of {people} predictions hold NaN or infinite numbers and" in caplog.text
    assert len(evaluation.results) == people - 2
    assert seen[0].found == people - 2
    (tmp_path / "r.json").unlink()
    for run in (lambda: evaluation.run(Odd(net, slice(None)), tmp_path / "r.json"),
                lambda: evaluation.sweep(Odd(net, slice(None)), tmp_path)):
        with pytest.raises(UserError, match=f"answers for {people} of {people} boxes hold NaN or"):
            run()
    assert not list(tmp_path.iterdir())


def test_results_are_on_disk_before_they_are_judged(folder, net, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("judging failed")

    for run in ("run", "sweep"):
        evaluation = of_one_process(settings(folder))
        monkeypatch.setattr(module, "coco_metrics", fails)
        with pytest.raises(RuntimeError, match="judging failed"):
            if run == "run":
                evaluation.run(net, tmp_path / "r.json")
            else:
                evaluation.sweep(net, tmp_path)
        path = tmp_path / ("r.json" if run == "run" else "quickstart_argmax_noflip_results.json")
        assert len(json.loads(path.read_text())) == len(evaluation.results) > 0


@pytest.mark.parametrize("place", ["a file for its folder", "a folder for it"])
def test_a_path_that_cannot_be_written_is_said_before_the_first_batch(
        folder, net, tmp_path, monkeypatch, place):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    path = tmp_path / ("file/r.json" if place.startswith("a file") else "folder")
    monkeypatch.setattr(module, "predict", lambda *_: pytest.fail("a forward pass was made"))
    words = "folder is a folder" if path.is_dir() else "file is a file.*choose another one"
    with pytest.raises(UserError if path.is_dir() else OSError, match=words):
        of_one_process(settings(folder)).run(net, path)


@pytest.mark.parametrize("key, value", [
    ("keypoints", [1.0] * 48), ("area", float("nan")), ("image_id", None),
    (None, "text"), (None, 7), (None, None), (None, [1])])
def test_annotations_that_cannot_be_judged_are_said_before_the_network_runs(
        folder, tmp_path, key, value):
    """Detected boxes need no annotation until the end."""
    content = json.loads((folder / "val" / "people.json").read_text())
    boxes, truth = tmp_path / "boxes.json", tmp_path / "truth.json"
    boxes.write_text(json.dumps([
        {name: row[name] for name in ("image_id", "category_id", "bbox")} | {"score": 0.9}
        for row in content["annotations"]]))
    if key is None:
        content["annotations"][1:1] = [{**content["annotations"][0], "category_id": 9}]
        content["annotations"][-1] = value
    else:
        content["annotations"][-1][key] = value
    truth.write_text(json.dumps(content))
    words = key or f"row {len(content['annotations']) - 1} is no entry with image_id"
    with pytest.raises(ValueError, match=rf"truth\.json \(data\.val_ann_path\).*{words}"):
        of_one_process(settings(folder, f"val.boxes={boxes}", f"data.val_ann_path={truth}"))


def test_the_probe_leaves_nothing_behind(folder, net, tmp_path):
    evaluation = of_one_process(settings(folder))
    evaluation.run(net, tmp_path / "r.json")
    before = (tmp_path / "r.json").read_bytes()
    module.ensure_output(tmp_path / "r.json", "keypoint results", "the results")
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [before]


def test_results_take_the_place_of_results_only(folder, net, tmp_path, monkeypatch):
    """Not of the boxes or labels that are read, nor of anything else."""
    evaluation = of_one_process(settings(folder))
    monkeypatch.setattr(module, "predict", lambda *_: pytest.fail("a forward pass was made"))
    labels = folder / "val" / "people.json"
    (tmp_path / "mine.json").write_text('{"my": "own"}')
    before = labels.read_bytes()
    for path, words in ((labels, "which the command reads"), (tmp_path / "mine.json", "is there")):
        with pytest.raises(UserError, match=words):
            evaluation.run(net, path)
    assert labels.read_bytes() == before
    assert (tmp_path / "mine.json").read_text() == '{"my": "own"}'


def test_a_place_that_cannot_have_results_is_told_with_its_setting(folder, net, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="^val.weight_path: .*file is a file, and a folder is to be"):
        of_one_process(settings(folder)).run(net, tmp_path / "file" / "r.json")


def test_a_disk_that_fills_up_meanwhile_costs_the_file_only(
        folder, net, tmp_path, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device", "r.json")

    evaluation = of_one_process(settings(folder))
    metrics = evaluation.run(net, tmp_path / "r.json")
    monkeypatch.setattr(module, "write_results", full)
    with pytest.raises(OSError, match="No space left"):
        evaluation.run(net, tmp_path / "r.json")
    assert "judged all the same" in caplog.text and module.table(metrics) in caplog.text
    caplog.clear()
    with pytest.raises(OSError, match="No space left"):
        evaluation.sweep(net, tmp_path)
    assert caplog.text.count("judged all the same") == 8 and "quarter, no flip" in caplog.text


def test_a_sweep_writes_a_file_for_each_way(folder, net, tmp_path):
    evaluation = of_one_process(settings(folder))
    found = evaluation.sweep(net, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"quickstart_{decoder}_{flip}_results.json" for flip in ("flip", "noflip")
        for decoder in ("argmax", "quarter", "gauss_taylor", "vitpose"))
    alone = evaluation.run(net, tmp_path / "r.json")
    assert found["gauss_taylor, flip"].values == alone.values
    assert (tmp_path / "r.json").read_bytes() == (
        tmp_path / "quickstart_gauss_taylor_flip_results.json").read_bytes()
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 8


@pytest.mark.parametrize("people", [1, 5])
def test_processes_with_shares_of_any_size_give_the_results_of_one(folder, net, tmp_path, people):
    """With one person one of the two processes has nobody."""
    config = settings(folder, f"data.debug={people}")
    alone = of_one_process(config).run(net, tmp_path / "one.json")
    slots, barrier, found = [None, None], threading.Barrier(2), {}

    def work(rank: int):
        parallel = Together(rank, slots, barrier)
        found[rank] = Evaluation(config, SKELETON, parallel).run(net, tmp_path / "two.json")

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(2)]
    [thread.start() for thread in threads], [thread.join(60) for thread in threads]
    assert found[0].values == found[1].values == alone.values
    one, two = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "two"))
    assert len(one) == people
    for a, b in zip(one, two, strict=True):
        assert a["keypoints"] == pytest.approx(b["keypoints"], abs=1e-2)


@pytest.mark.parametrize("training", [True, False])
def test_the_network_is_judged_in_its_mode_for_use_and_goes_on_in_its_own(
        folder, tmp_path, training):
    modes = []

    class Net(nn.Conv2d):
        def forward(self, images):
            modes.append(self.training)
            return super().forward(images)

    net = Net(3, 17, 5, 4, 2).train(training)
    of_one_process(settings(folder)).run(net, tmp_path / "r.json")
    assert modes and not any(modes) and net.training == training


def test_a_part_of_the_people_is_judged_alone(folder, net, tmp_path):
    """With ground-truth boxes nobody else is missed then."""
    for count in (1, 2, 3):
        metrics = of_one_process(settings(folder, f"data.debug={count}")).run(
            net, tmp_path / "r.json")
        assert metrics.people == metrics.detections == count


@pytest.mark.parametrize("key", [None, "one", [1], 7, 2 ** 70])
def test_a_part_of_people_is_chosen_by_rows_whatever_their_ids_are(folder, net, tmp_path, key):
    content = json.loads((folder / "val" / "people.json").read_text())
    for row in content["annotations"]:
        row["id"] = key
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps(content))
    for count in (2, 1000):
        expected = of_one_process(settings(folder, f"data.debug={count}", METRICS)).run(
            net, tmp_path / "r.json")
        found = of_one_process(settings(folder, f"data.debug={count}", METRICS,
                                        f"data.val_ann_path={truth}")).run(net, tmp_path / "r.json")
        assert found.values == expected.values and found.people == expected.people
        assert 0 < found["EPE"] < 500


def test_nobody_found_is_zero_and_said(folder, net, tmp_path, caplog):
    lost = [{"image_id": 10 ** 6, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.9},
            {"image_id": 1, "category_id": 1, "bbox": [0, 0, 0, 9], "score": 0.9}]
    boxes = tmp_path / "boxes.json"
    for rows, words in (([], "0 persons"), (lost, "1 boxes without size")):
        caplog.clear()
        boxes.write_text(json.dumps(rows))
        evaluation = of_one_process(settings(folder, f"val.boxes={boxes}"))
        assert "no box is left" in caplog.text and words in caplog.text
        metrics = evaluation.run(net, tmp_path / "r.json")
        assert metrics["AP"] == metrics["AR"] == 0 and metrics.detections == 0
        assert json.loads((tmp_path / "r.json").read_text()) == []
        assert set(found["AP"] for found in evaluation.sweep(net, tmp_path).values()) == {0.0}
    config = settings(folder, f"val.boxes={boxes}", "val.only_images_with_boxes=true")
    assert of_one_process(config).run(net, tmp_path / "r.json")["AP"] == 0    # image 1 is named
    boxes.write_text("[]")
    assert of_one_process(config).run(net, tmp_path / "r.json")["AP"] == -1


@pytest.mark.parametrize("row", [{"score": 0.1}, {"category_id": 9}, {"bbox": [5, 5, 0, 9]}])
def test_an_image_that_is_named_is_judged_whatever_becomes_of_its_boxes(folder, tmp_path, row):
    content = json.loads((folder / "val" / "people.json").read_text())
    first, second, *_ = sorted({row["image_id"] for row in content["annotations"]})
    box = {"image_id": first, "category_id": 1, "bbox": [5, 5, 30, 30], "score": 0.9}
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps([box, {**box, "image_id": second, **row}]))
    evaluation = of_one_process(settings(folder, f"val.boxes={boxes}", "val.box_score=0.5",
                                         "val.only_images_with_boxes=true"))
    assert evaluation.dataset.persons.image_ids.tolist() == [first]
    assert [image["id"] for image in evaluation.ground_truth.images] == [first, second]
    part = of_one_process(settings(folder, f"val.boxes={boxes}", "data.debug=1",
                                   "val.only_images_with_boxes=true"))
    assert [image["id"] for image in part.ground_truth.images] == [first]


def test_num_keypoints_of_0_is_said_and_everybody_with_it_is_nobody(folder, net, tmp_path):
    content = json.loads((folder / "val" / "people.json").read_text())
    truth = tmp_path / "truth.json"
    people = [row for row in content["annotations"] if any(row["keypoints"][2::3])]
    for row in people[1:]:
        row["num_keypoints"] = 0
    truth.write_text(json.dumps(content))
    config = settings(folder, f"data.val_ann_path={truth}")
    metrics = of_one_process(config).run(net, tmp_path / "r.json")
    assert metrics.people == 1 and len(metrics.notes) == 1
    assert f"num_keypoints is 0 for {len(people) - 1} persons with labelled" in metrics.notes[0]
    people[0]["num_keypoints"] = 0
    truth.write_text(json.dumps(content))
    with pytest.raises(UserError, match=f"nobody in .*num_keypoints is 0 for all {len(people)}"):
        of_one_process(config)


def test_a_file_without_annotations_is_for_results_only(folder, net, tmp_path, caplog):
    """As the image_info files of COCO's test-dev are."""
    content = json.loads((folder / "val" / "people.json").read_text())
    boxes, truth = tmp_path / "boxes.json", tmp_path / "truth.json"
    boxes.write_text(json.dumps([
        {name: row[name] for name in ("image_id", "category_id", "bbox")} | {"score": 0.9}
        for row in content.pop("annotations")]))
    truth.write_text(json.dumps(content))
    paths = f"val.boxes={boxes}", f"data.val_ann_path={truth}"
    for more in ("data.debug=3", "val.metrics=[coco,pck,pckh]",
                 "val.only_images_with_boxes=true"):
        caplog.clear()
        metrics = of_one_process(settings(folder, *paths, more)).run(net, tmp_path / "r.json")
        assert set(metrics.values.values()) == {-1}
        assert json.loads((tmp_path / "r.json").read_text())
        assert "has no annotations to judge by" in caplog.text
    with pytest.raises(UserError, match="has no list of annotations"):
        of_one_process(settings(folder, paths[1]))


def test_the_annotation_file_is_parsed_once(folder, tmp_path, monkeypatch):
    parsed = []

    def count(path, name=""):
        parsed.append(Path(path).name)
        return read_json(path, name)

    monkeypatch.setattr("datasets.annotations.coco_file.read_json", count)
    evaluation = of_one_process(settings(folder))
    assert parsed == ["people.json"] and len(evaluation.dataset)
    del evaluation
    gc.collect()
    of_one_process(settings(folder))
    assert parsed == ["people.json"] * 2        # and nobody holds it meanwhile
