"""`python main.py evaluate`: which processes it starts, and that they give the numbers of one."""
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import main
from configs.loader import config_to_dict, load_config
from datasets.annotations.skeleton import load_skeleton, skeleton_to_dict
from datasets.synthetic.data_set import ensure_synthetic
from nets import build_net
from nets.files.weights_file import FORMAT
from processors.evaluation.coco_metrics import COCO_METRICS
from processors.jobs import evaluate as module
from processors.jobs.evaluate import evaluate, evaluate_weights
from processors.models.load_pose_model import load_pose_model
from processors.models.weights_against_config import config_for_weights
from processors.runtime.run_lock import RunLock
from tests.processors.drawn_sets import drawn_words, folder_of
from utils.errors import UserError
from utils.log import log

ROOT = Path(main.__file__).parent


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> list[str]:
    """The command line of an evaluation of a small network on drawn people, and its weights."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("evaluate")
    settings = drawn_words(folder, "data.synthetic_val=9", "data.num_workers=1",
                           "val.joint_score=0")
    config = load_config(main.QUICKSTART, settings)
    ensure_synthetic(config.data, seed=0)
    torch.save({"ema": build_net(config.model).state_dict(), "config": config_to_dict(config),
                "skeleton": skeleton_to_dict(load_skeleton("coco"))},
               folder / "quickstart_best.pth")
    return settings


def test_the_results_of_a_run_that_goes_on_are_left_alone(words, monkeypatch):
    folder = folder_of(words)
    of_the_run = "[\n]"
    (folder / "quickstart_results.json").write_text(of_the_run)
    monkeypatch.setattr(RunLock, "is_held_by_another", lambda _: True)
    evaluate(main.QUICKSTART, words)
    assert (folder / "quickstart_results.json").read_text() == of_the_run
    assert json.loads((folder / "quickstart_evaluated_results.json").read_text()) is not None


def numbers(said: str) -> list[list[str]]:
    """The tables of APs in a log."""
    return re.findall(r"(?:-?\d\.\d{4}|-)(?:\s+(?:-?\d\.\d{4}|-)){9}", said)


def truth_like(results: list[dict], path: Path) -> None:
    """Let the labels of a file be near the results, so that there are numbers to compare."""
    content, rng = json.loads(path.read_text()), np.random.default_rng(0)
    for person in content["annotations"]:
        found = [r for r in results if r["image_id"] == person["image_id"]]
        joints = np.reshape(found[person["id"] % len(found)]["keypoints"], (17, 3))
        joints = joints + rng.normal(0, rng.choice([0.2, 1.5]), (17, 3))
        joints[:, 2] = 2
        person.update(keypoints=joints.ravel().tolist(), num_keypoints=17)
    path.write_text(json.dumps(content))


@pytest.mark.slow
def test_two_processes_give_every_number_of_one(words):
    folder = folder_of(words)
    truth = folder / "val" / "people.json"
    boxes = folder / "boxes.json"
    boxes.write_text(json.dumps([
        {key: person[key] for key in ("image_id", "category_id", "bbox")} | {"score": 0.9}
        for person in json.loads(truth.read_text())["annotations"]]))
    words = [*words, f"val.boxes={boxes}"]
    evaluate_weights(load_config(main.QUICKSTART, words))
    truth_like(json.loads((folder / "quickstart_results.json").read_text()), truth)
    alone = evaluate_weights(load_config(main.QUICKSTART, words))[""]
    results = json.loads((folder / "quickstart_results.json").read_text())
    assert 0.2 < alone["AP"] < 0.95
    one = " ".join(f"{alone[name]:.4f}" if alone[name] >= 0 else "-" for name in COCO_METRICS)

    command = ["evaluate", str(main.QUICKSTART), *words, "processor=ddp"]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    for start, more in (([], ["processes=2"]), (torchrun, []),
                        ([], ["processes=2", "--report", str(folder / "report")]),
                        ([], ["processes=2", "--sweep"])):
        for old in folder.glob("*_results.json"):
            old.unlink()
        done = subprocess.run([sys.executable, *start, "main.py", *command, *more], cwd=ROOT,
                              env=os.environ | {"OMP_NUM_THREADS": "1"}, text=True, timeout=600,
                              capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        tables = [" ".join(row.split()) for row in numbers(done.stdout)]
        assert len(tables) == (8 if "--sweep" in more else 1)
        assert tables[-3 if "--sweep" in more else -1] == one   # gauss_taylor with flip test
        name = ("quickstart_gauss_taylor_flip_results.json" if "--sweep" in more
                else "quickstart_results.json")
        here = folder / "report" if "--report" in more else folder
        for a, b in zip(results, json.loads((here / name).read_text()), strict=True):
            assert a["image_id"] == b["image_id"]
            assert a["keypoints"] == pytest.approx(b["keypoints"], abs=1e-2)
    assert (folder / "report" / "report.html").is_file()


@pytest.mark.slow
def test_the_error_of_a_process_is_one_sentence(words, tmp_path):
    done = subprocess.run(
        [sys.executable, "main.py", "evaluate", *words, "processor=ddp", "processes=2",
         f"--weights={tmp_path / 'no.pth'}"], cwd=ROOT, capture_output=True, text=True, timeout=600,
        env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert len(re.findall(r"no\.pth", done.stderr)) == 1


@pytest.mark.parametrize("settings, processes", [
    (["processor=ddp", "processes=2"], 2), (["processor=ddp"], None), ([], None)])
def test_ddp_is_launched_with_all_that_was_asked_for(words, monkeypatch, settings, processes):
    calls = []
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr(module, "launch", lambda *given: calls.append(given))
    monkeypatch.setattr(module, "evaluate_weights", lambda *given, overrides: calls.append("here"))
    assert main.main(["evaluate", "configs/quickstart.yaml", *words, *settings, "--sweep",
                      "--weights", "w.pth", "--source", "pose_hrnet"]) == 0
    if processes is None:
        assert calls == ["here"]
        return
    (sent, count, again), = calls
    assert count == processes and "evaluation again" in again
    assert sent == ["evaluate", "configs/quickstart.yaml", *words, *settings, "--weights",
                    "w.pth", "--source", "pose_hrnet", "--sweep"]
    understood = main.read(sent).arguments
    assert understood["sweep"] and understood["source"] == "pose_hrnet"


@pytest.mark.parametrize("option", ([], ["--sweep"]))
def test_a_dead_worker_is_one_sentence(words, monkeypatch, capfd, option):
    monkeypatch.setattr("datasets.coco.MSCOCO.__getitems__",
                        lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    assert main.main(["evaluate", *words, *option]) == 2
    said = capfd.readouterr().err
    assert said.startswith("error: a process that reads images died (") and said.count("\n") == 1
    assert said.endswith("; the same command makes the evaluation again\n")


def test_dp_under_torchrun_is_refused(words, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main.main(["evaluate", *words]) == 2
    assert "processor is dp" in capsys.readouterr().err


def test_a_sweep_makes_no_report(words, tmp_path, capsys):
    assert main.main(["evaluate", *words, "--sweep", "--report", str(tmp_path / "r")]) == 2
    assert re.search("--report .* --sweep .* leave one", capsys.readouterr().err)
    with pytest.raises(ValueError, match="--sweep"):
        evaluate("no.yaml", sweep=True, report=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_report_that_fails_leaves_no_folder(words, tmp_path):
    with pytest.raises(FileNotFoundError):
        evaluate(main.QUICKSTART, words, weights=tmp_path / "no.pth", report=tmp_path / "new")
    assert not list(tmp_path.iterdir())


def test_a_sweep_says_the_common_protocol_once(words, caplog, monkeypatch):
    monkeypatch.setattr("processors.jobs.evaluate.show_log",
                        lambda rank: log.setLevel("INFO"))
    found = evaluate_weights(load_config(main.QUICKSTART, words), sweep=True)
    assert len(found) == 8 and caplog.text.count("pose score:") == 1
    assert "with and without" in caplog.text and "kernel 7" in caplog.text
    assert len(list(folder_of(words).glob("quickstart_*_results.json"))) >= 6


@pytest.fixture
def trained(words, tmp_path):
    """A checkpoint of ours, made with other settings than those of `words`."""
    def write(**content):
        config = load_config(main.QUICKSTART, [
            *words, "codec.input_size=[64, 96]", "codec.sigma=1.25", "codec.decoder=quarter",
            "codec.alignment=udp", "model.input_format=rgb_mean", "model.width=0.15"])
        torch.save({"format": FORMAT, "ema": build_net(config.model).state_dict(),
                    "config": config_to_dict(config),
                    "skeleton": skeleton_to_dict(load_skeleton("coco"))} | content,
                   tmp_path / "x.pth")
        return tmp_path / "x.pth"
    return write


def judged(monkeypatch, weights, words, *own):
    """The Config and the skeleton that a checkpoint is evaluated with."""
    class Seen(Exception):
        pass

    def evaluation(config, skeleton, parallel):
        raise Seen(config, skeleton)

    monkeypatch.setattr("processors.jobs.evaluate.Evaluation", evaluation)
    monkeypatch.setattr("processors.jobs.evaluate.show_log",
                        lambda rank: log.setLevel("INFO"))
    with pytest.raises(Seen) as seen:
        evaluate(main.QUICKSTART, [*words, *own], weights)
    return seen.value.args


def test_weights_are_judged_as_they_were_trained(words, trained, caplog, monkeypatch):
    small = [word for word in words if not word.startswith("codec.")]
    path = trained()
    config, skeleton = judged(monkeypatch, path, small)
    codec, model = config.codec, config.model
    assert (codec.input_size, codec.sigma, codec.decoder, codec.alignment) == (
        (64, 96), 1.25, "quarter", "udp")
    assert model.input_format == "rgb_mean" and model.width == 0.15
    assert skeleton.joint_names == load_skeleton("coco").joint_names
    assert caplog.text.count("where the YAML, or a default, is otherwise") == 1
    assert f"as {path} was trained" in caplog.text and "codec.sigma=1.25 (not 1.5)" in caplog.text
    assert "command line says, which" not in caplog.text


def test_the_command_line_wins_over_the_weights_and_that_is_said(words, trained, caplog,
                                                                 monkeypatch):
    config, _ = judged(monkeypatch, trained(), words, "codec.decoder=argmax",
                       "model.input_format=bgr_mean_std")
    assert config.codec.decoder == "argmax" and config.model.input_format == "bgr_mean_std"
    assert config.codec.input_size == (64, 64)      # of `words`
    assert config.codec.sigma == 1.25
    line = next(text for text in caplog.messages if "command line says, which is not" in text)
    assert "codec.decoder=argmax (not quarter)" in line and "bgr_mean_std (not rgb_mean)" in line


def test_a_skeleton_of_the_command_line_is_read_and_that_of_the_weights_otherwise(
        words, trained, monkeypatch):
    own = replace(load_skeleton("coco"), sigmas=(0.5,) * load_skeleton("coco").num_joints)
    path = trained(skeleton=skeleton_to_dict(own))
    _, skeleton = judged(monkeypatch, path, words)
    assert skeleton.sigmas == own.sigmas
    with pytest.raises(ValueError, match="'mpii' has 16 joints; make them equal"):
        evaluate(main.QUICKSTART, [*words, "data.skeleton=mpii"], path)


@pytest.mark.parametrize("config", [None, [], "text", torch.ones(2), {"nothing": 1},
                                    {"model": {"num_joints": 10 ** 9}},
                                    {"codec": {"input_size": [3200000, 3200000]}}])
def test_a_checkpoint_with_odd_settings_is_one_sentence(words, trained, config):
    path = trained(config=config)
    small = [word for word in words if not word.startswith("codec.")]
    for use in (lambda: evaluate(main.QUICKSTART, small, path), lambda: load_pose_model(path)):
        with pytest.raises(UserError) as caught:
            use()
        assert str(path) in str(caught.value) and len(str(caught.value)) < 500


def test_the_alignment_that_the_weights_want_is_used(words, monkeypatch):
    monkeypatch.setattr("processors.models.weights_against_config.disagreements",
                        lambda *_: {("codec", "alignment"): "dark"})
    config = config_for_weights(load_config(main.QUICKSTART, words),
                             SimpleNamespace(where="w.pth", assumed=""))
    assert config.codec.alignment == "dark"


def test_a_new_head_is_not_judged(words, monkeypatch):
    monkeypatch.setattr("processors.models.load_pose_model.load_weights",
                        lambda *_, **__: SimpleNamespace(reinitialised=("head",)))
    with pytest.raises(ValueError, match="for another number of joints"):
        evaluate_weights(load_config(main.QUICKSTART, words))


def test_a_report_that_cannot_be_written_is_said_before_the_work(words, tmp_path, capsys,
                                                                 monkeypatch):
    monkeypatch.setattr(module, "find_weights", None)
    (tmp_path / "page").write_text("mine")
    assert main.main(["evaluate", *words, "--report", str(tmp_path / "page")]) == 2
    assert "--report" in capsys.readouterr().err and (tmp_path / "page").read_text() == "mine"
