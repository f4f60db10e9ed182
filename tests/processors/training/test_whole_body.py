"""A tiny network of 133 joints on drawn people with made-up hands and faces: trained, judged,
resumed, reported and used."""
import json
from dataclasses import replace

import numpy as np
import pytest

import main
from configs.loader import load_config
from datasets.annotations.part_fields import PART_FIELDS
from datasets.annotations.skeleton import load_skeleton
from datasets.synthetic.data_set import write_synthetic
from processors.evaluation.coco_metrics import COCO_METRICS
from processors.evaluation.evaluation import Evaluation
from processors.evaluation.results_file import usable_results
from processors.models.pose_ranking import Predictions
from processors.pose_predictor import PosePredictor
from processors.runtime.parallel import OneProcess
from utils.errors import UserError

WHOLE = load_skeleton("coco_wholebody")
NEAR = {"foot_kpts": (15, 16), "face_kpts": (0, 0), "lefthand_kpts": (9, 9),
        "righthand_kpts": (10, 10)}     # joints of the body that a part is drawn around


def add_parts(path, seed):
    """Give the people of a drawn set the other fields of COCO-WholeBody, in random places around
    their own joint of the body; v = 0 where that is not labelled."""
    rng, content = np.random.default_rng(seed), json.loads(path.read_text())
    for row in content["annotations"]:
        body = np.reshape(row["keypoints"], (-1, 3))
        for field, count in PART_FIELDS.items():
            around = body[[NEAR[field][2 * joint // count] for joint in range(count)]]
            table = around + np.column_stack([rng.normal(0, 4, (count, 2)), np.zeros(count)])
            row[field] = (table * (around[:, 2:] > 0)).round(1).ravel().tolist()
            row[field.replace("kpts", "valid")] = bool((around[:, 2] > 0).any())
    path.write_text(json.dumps(content))


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Folder of a training and a validation set in the form of COCO-WholeBody's files."""
    folder = tmp_path_factory.mktemp("whole")
    for split, count, seed in (("train", 6, 1), ("val", 4, 2)):
        write_synthetic(folder / split, folder / f"{split}.json", count, seed)
        add_parts(folder / f"{split}.json", seed)
    return folder


@pytest.fixture
def words(people, tmp_path):
    return [f"data.{split}_{key}={people / name}" for split in ("train", "val")
            for key, name in (("ann_path", f"{split}.json"), ("img_root", split))] + [
        "data.synthetic_train=0", "data.synthetic_val=0", "data.skeleton=coco_wholebody",
        "model.num_joints=133", "val.metrics=[coco,wholebody]", "val.best=wholebody AP",
        f"val.weight_path={tmp_path}", "data.batch_size=4", "data.num_workers=0",
        "codec.input_size=[64,64]", "optim.epochs=2", "optim.warmup_epochs=0", "log.every=1",
        "model.name=resnet18", "model.width=0.125", "optim.amp=false"]


def test_a_run_is_judged_by_parts_and_goes_on(words, people, tmp_path, capsys):
    quickstart = "configs/quickstart.yaml"
    assert main.main(["train", quickstart, *words]) == 0
    said = "".join(capsys.readouterr())
    assert "parts:       each with the score of the whole pose" in said
    assert "\nrighthand " in said and "best wholebody AP" in said
    lines = map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
    val = [line for line in lines if line["kind"] == "val"][-1]
    assert {f"{part} {name}" for part in WHOLE.parts for name in COCO_METRICS} < val.keys()
    assert val["AP"] == val["wholebody AP"] >= 0
    rows = json.loads((tmp_path / "quickstart_results.json").read_text())
    assert len(rows[0]["keypoints"]) == 51 and len(rows[0]["face_kpts"]) == 204

    assert main.main(["train", quickstart, *words, "optim.epochs=3"]) == 0
    said = "".join(capsys.readouterr())
    assert "going on from" in said and "epoch 3" in said and "\nwholebody " in said

    report = tmp_path / "report"
    assert main.main(["evaluate", quickstart, *words, "--report", str(report)]) == 0
    assert "\nfoot " in "".join(capsys.readouterr())
    page = (report / "report.html").read_text()
    assert "<td>lefthand</td>" in page and "<span>lefthand AP</span>" not in page

    photo = next(iter(sorted((people / "val").iterdir())))
    predictor = PosePredictor(tmp_path / "quickstart_best.pth", device="cpu")
    found, = predictor(photo, [[10, 10, 100, 150]])
    assert found.keypoints.shape == (133, 2) and predictor.skeleton == WHOLE
    assert predictor.draw(photo, [found], threshold=-9.0).any()


def test_perfect_poses_reach_one_in_every_part(words):
    evaluation = Evaluation(load_config("configs/quickstart.yaml", words), WHOLE, OneProcess(()))
    truth = evaluation.ground_truth
    poses = []
    for row in truth.annotations:       # joints that are not labelled: anywhere in the box
        table, (x, y, width, height) = np.reshape(row["keypoints"], (133, 3)), row["bbox"]
        table = np.where(table[:, 2:] > 0, table, [x + width / 2, y + height / 2, 1])
        poses.append(row | {"keypoints": table.ravel().tolist(), "score": 0.9})
    results, _ = usable_results(poses, truth, 133)
    metrics = evaluation.judge(results, Predictions.empty(133))
    assert [ten[0] for ten in metrics.by_part.values()] == pytest.approx([1.0] * 6)


def test_what_cannot_be_judged_is_said_before_the_network_runs(words):
    def config(*more):
        return load_config("configs/quickstart.yaml", [*words, *more])

    with pytest.raises(UserError, match="has no parts: set data.skeleton to coco_wholebody"):
        Evaluation(config("data.skeleton=coco", "model.num_joints=17"), load_skeleton("coco"),
                   OneProcess(()))
    fewer = replace(WHOLE, parts={"body": WHOLE.parts["body"]})
    with pytest.raises(UserError, match="val.best is wholebody AP, .* no such part, only body"):
        Evaluation(config(), fewer, OneProcess(()))
    with pytest.raises(UserError, match="val.best is face AP, which val.metrics does not ask for"):
        config("val.best=face AP", "val.metrics=[coco]")
