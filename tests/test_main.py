"""The command line: help, and that whatever is wrong is one sentence before anything is done."""
import inspect
import os
import subprocess
import sys
from importlib import import_module

import pytest

import main
from nets.files.sources import SOURCES
from nets.official_forms import FORMS
from processors.commands import evaluate, export, import_labels
from processors.jobs.import_labels import IMPORTERS
from utils.errors import UserError
from utils.files import ROOT

GOOD = """
model_name: tiny
data: {train_ann_path: d/t.json, val_ann_path: d/v.json, train_img_root: d/t, val_img_root: d/v,
       synthetic_train: 2, synthetic_val: 2, batch_size: 2, num_workers: 0}
model: {name: resnet18}
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A file run.yaml in an empty folder that is the working folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "run.yaml"
    path.write_text(GOOD, encoding="utf-8")
    return path


def refusal(words: list[str], folder, capsys) -> str:
    """The one line that main says to wrong words; it must leave the folder as it was."""
    before = sorted(folder.rglob("*"))
    assert main.main(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1, (out, err)
    assert sorted(folder.rglob("*")) == before
    return err


@pytest.mark.parametrize("wrong, words", [
    ("modle_name: x", "no key modle_name; did you mean model_name?"),
    ("optim: {learning_rate: 1}", "no key optim.learning_rate"),
    ("lr: 0.1", "did you mean optim.lr?"), ("seed: one", "seed is 'one'"),
    ("optim: {epochs: 1.5}", "optim.epochs is 1.5; write a whole number"),
    ("optim: {schedule: step}", "choose multistep or cosine"), ("optim:", "optim is a section"),
    ("codec: {input_size: [200, 256]}", "multiples of 32"), ("seed: [", "not valid YAML"),
    ("model_name: again", "model_name twice"), ("optim: {lr: -1}", "must be above 0"),
    ("optim: {sync_bn: true}", "set processor: ddp"), ("gpus: 0,x", "gpus is 'x'"),
    ("gpus: [0, 1]\noptim: {amp: bf16}", "amp: fp16"), ("optim: {milestones: [9, 3]}", "rising"),
    ("val: {weight_path: ''}", "val.weight_path is empty"), ("gpus: [999]", "[999] names devices"),
])
def test_a_wrong_yaml_is_one_sentence(recipe, capsys, wrong, words):
    recipe.write_text(f"{GOOD}{wrong}\n", encoding="utf-8")
    assert words in refusal([str(recipe)], recipe.parent, capsys)


@pytest.mark.parametrize("settings, words", [
    (["other.txt"], "other.txt does not exist: give the path"),
    (["rum.yaml"], "did you mean run.yaml?"),
    (["trian"], "no command or YAML file trian: did you mean train?"),
    ([""], "the command line has an empty word, as of a variable of the shell that is not set"),
    (["evaluate", "run.yaml", "--weights", ""], "the command line has an empty word"),
    (["run.yaml", "other.yaml"], "the command line has 'other.yaml'"),
    (["run.yaml", "optim.lr=fast"], "the command line: optim.lr is 'fast'"),
    (["run.yaml", "model.num_joints=16"], "data.skeleton 'coco' has 17 joints"),
    (["run.yaml", "data.skeleton=cow"], "skeleton"),
    (["run.yaml", "data.train_ann_path=''"], "data.train_ann_path is not set"),
    (["run.yaml", "processor=ddp", "gpus=998,999"], "names devices that are not there"),
    (["run.yaml", "val.weight_path=run.yaml"],
     "val.weight_path: run.yaml is a file, and a folder is to be there: choose another one"),
    (["evaluate", "none.yaml"], "none.yaml does not exist"),
    (["evaluate", "run.yaml", "--weights", "none.pth"], "none.pth"),
    (["info", "run.yaml", "seed=x"], "the command line: seed is 'x'"),
])
def test_wrong_words_are_one_sentence(recipe, capsys, settings, words):
    assert words in refusal(settings, recipe.parent, capsys)


@pytest.mark.parametrize("words", [["--help"], ["-h"], *([name, "--help"] for name in
                                                         main.COMMANDS)])
def test_help_shows_what_there_is(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main.main(words)
    out, err = capsys.readouterr()
    assert caught.value.code == 0 and err == ""
    shown = main.COMMANDS if len(words) == 1 else [main.COMMANDS[words[0]]]
    text = " ".join(out.split())
    assert all(" ".join(word.split()) in text for word in shown)


def test_an_unknown_option_is_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        main.main(["--epochs", "3"])
    assert caught.value.code == 2 and "--epochs" in capsys.readouterr().err


@pytest.mark.parametrize("words, path, overrides", [
    ([], main.QUICKSTART, []), (["optim.epochs=2"], main.QUICKSTART, ["optim.epochs=2"]),
    (["train"], main.QUICKSTART, []), (["run.yaml"], "run.yaml", []),
    (["train", "run.yaml", "seed=1"], "run.yaml", ["seed=1"])])
def test_train_and_the_quickstart_are_the_default(recipe, monkeypatch, words, path, overrides):
    seen = []
    monkeypatch.setattr(main, "call", seen.append)
    assert main.main(words) == 0
    assert seen[0].arguments == {"cfg_path": type(main.QUICKSTART)(path), "overrides": overrides}


@pytest.mark.parametrize("processor", ["dp", "ddp"])
def test_the_processor_of_the_yaml_is_the_one_that_runs(recipe, monkeypatch, processor):
    class Fake:
        def __init__(self, path, overrides):
            seen.append((path.name, overrides))

        def run(self):
            seen.append("run")

    seen: list = []
    monkeypatch.setattr(f"processors.{processor}_pose_resnet_solver.{processor.upper()}Processor",
                        Fake)
    assert main.main([str(recipe), f"processor={processor}"]) == 0
    assert seen == [("run.yaml", [f"processor={processor}"]), "run"]


def test_info_tells_the_network(recipe, monkeypatch, capsys):
    monkeypatch.setattr("configs.arguments.QUICKSTART", recipe)
    monkeypatch.setattr("processors.commands.info.QUICKSTART", recipe)
    (recipe.parent / "mine.yaml").write_text("seed: [")
    (recipe.parent / "gone.yaml").symlink_to("nowhere")
    os.mkfifo(recipe.parent / "pipe.yaml")
    assert main.main(["info", str(recipe)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("resnet18") == 2 and "left out: " in shown
    assert "mine.yaml is not valid YAML" in shown       # somebody else's; ours is told all the same
    assert "gone.yaml does not exist" in shown and "pipe.yaml is no file" in shown


EVERY = {
    "train": ["train", "run.yaml"], "pack": ["pack", "run.yaml"],
    "evaluate": ["evaluate", "run.yaml"], "check": ["check", "run.yaml"],
    "detect": ["detect", "run.yaml", "--images", "d", "--out", "b.json"],
    "predict": ["predict", "a.jpg", "--weights", "w.pth", "--out", "b.jpg", "seed=1"],
    "export": ["export", "--weights", "w.pth", "--out", "b.onnx", "seed=1"],
    "export form": ["export", "--weights", "w.pth", "--out", "b.pth", "--form", "hrnet"],
    "import": ["import", "d", "--from", "yolo", "--skeleton", "coco", "--out", "b.json"],
    "init": ["init", "d", "--out", "b.yaml"],
    "alone": ["predict", "a.jpg"], "weights": ["weights", "yolov5n"],
    "publish": ["publish", "--weights", "w.pth", "--to", "a/b", "--license", "mit"],
    "by name": ["evaluate", "--weights", "mmpose/vitpose_b", "seed=1"],
    "rank": ["rank", "run.yaml", "--out", "d", "--images", "e", "--next", "9"],
    "info": ["info", "run.yaml"], "info --keys": ["info", "--keys"],
    "ddp": ["train", "run.yaml", "processor=ddp"]}


@pytest.mark.parametrize("words", EVERY.values(), ids=EVERY)
def test_every_command_names_a_function_and_its_arguments(recipe, words):
    """What mypy cannot see, since main.py imports by name."""
    module, _, function = main.read(words).function.partition(":")
    arguments = main.read(words).arguments
    inspect.signature(getattr(import_module(module), function)).bind(**arguments)
    assert {name.split()[0] for name in EVERY} >= main.COMMANDS.keys()


@pytest.mark.parametrize("weights, path", [
    ("hf://org/name", main.QUICKSTART), ("mmpose/vitpose_b", None)])
def test_weights_of_the_hub_are_judged_as_a_file_is(weights, path):
    assert main.read(["evaluate", "--weights", weights]).arguments["cfg_path"] == path


def test_names_that_the_words_know_without_torch_are_those_of_the_work():
    assert set(import_labels.FORMS) == set(IMPORTERS)
    assert set(evaluate.SOURCES) == set(SOURCES)
    assert set(export.OTHERS) == set(FORMS)


@pytest.mark.parametrize("words", [["--help"], ["trian"], ["--epochs=3"], ["run.yaml", "sed=1"],
                                   ["detect", "--images", "d", "--out", "b", "sed=1"],
                                   *([name, "--help"] for name in main.COMMANDS)], ids=" ".join)
def test_help_and_mistyped_words_are_answered_before_anything_heavy_is_imported(recipe, words):
    program = ("import sys, main\ntry:\n    main.main(sys.argv[1:])\nfinally:\n"
               "    heavy = {'torch', 'torchvision', 'cv2', 'numpy', 'matplotlib', 'pycocotools'}\n"
               "    print('imported:', *heavy & set(sys.modules))\n")
    done = subprocess.run([sys.executable, "-c", program, *words], cwd=recipe.parent, text=True,
                          capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.stdout.splitlines()[-1] == "imported:", done.stdout + done.stderr


def test_a_real_process_ends_with_status_2_and_no_traceback(recipe, pytestconfig):
    done = subprocess.run([sys.executable, str(pytestconfig.rootpath / "main.py"), "run.yaml",
                           "sed=1"], cwd=recipe.parent, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("error: the command line: there is no key sed; "
                           "did you mean seed?\n")
    assert list(recipe.parent.iterdir()) == [recipe]


def test_what_a_strangers_name_makes_of_a_sentence_stays_a_short_line(recipe, monkeypatch, capsys):
    def fail(job):
        raise ERRORS.pop()

    monkeypatch.setattr(main, "call", fail)
    ERRORS = [UserError("\x1b[31mrm\n" * 1000 + ": correct it"),
              FileNotFoundError("gone\n\x1b[2J" + "x" * 10 ** 5), OSError(5, "bad\n", "\x1b[2J")]
    while ERRORS:
        err = refusal([str(recipe)], recipe.parent, capsys)
        assert err[:-1].isprintable() and len(err) < 7000


@pytest.mark.parametrize("bug", [ValueError, TypeError, KeyError, RecursionError, OverflowError])
def test_an_error_of_our_own_keeps_its_traceback(recipe, monkeypatch, bug):
    def fail(job):
        raise bug("ours")

    monkeypatch.setattr(main, "call", fail)
    with pytest.raises(bug, match="ours"):
        main.main([str(recipe)])


def test_a_developer_can_ask_for_the_traceback(recipe, monkeypatch):
    monkeypatch.setenv("SIMPLEPOSE_TRACEBACK", "1")
    with pytest.raises(ValueError, match="no key sed"):
        main.main([str(recipe), "sed=1"])


@pytest.mark.parametrize("words", [
    ["evaluate", "C.yaml", "--sweep", "val.boxes=b.json", "--weights", "W.pth", "seed=1"],
    ["evaluate", "--weights", "W.pth", "C.yaml", "val.boxes=b.json", "seed=1", "--sweep"],
    ["evaluate", "C.yaml", "val.boxes=b.json", "seed=1", "--sweep", "--weights", "W.pth"]])
def test_settings_may_stand_before_and_behind_options(recipe, words):
    """argparse alone refuses settings that stand behind an option."""
    recipe.rename(recipe.with_name("C.yaml"))
    asked = main.read(words).arguments
    assert str(asked["cfg_path"]) == "C.yaml" and asked["overrides"] == ["val.boxes=b.json",
                                                                         "seed=1"]
    assert asked["sweep"] and str(asked["weights"]) == "W.pth"


@pytest.mark.parametrize("words, paths", [
    (["evaluate", "~/run.yaml", "--weights=~/x.pth", "--report", "~/page"],
     {"cfg_path": "run.yaml", "weights": "x.pth", "report": "page"}),
    (["predict", "~/a.jpg", "--weights", "~/x.pth", "--out=~/b.jpg"],
     {"source": "a.jpg", "weights": "x.pth", "out": "b.jpg"}),
    (["import", "~/labels", "--from", "yolo", "--skeleton", "~/dog.yaml", "--out", "~/a.json"],
     {"source": "labels", "skeleton": "dog.yaml", "out": "a.json"})])
def test_the_home_folder_is_filled_in_where_no_shell_does(recipe, monkeypatch, words, paths):
    monkeypatch.setenv("HOME", str(recipe.parent))
    job = main.read(words)
    assert {name: str(job.arguments[name]) for name in paths} == {
        name: str(recipe.parent / path) for name, path in paths.items()}


def test_a_variable_in_a_path_is_refused(recipe, capsys):
    assert "variables are not filled in" in refusal(
        ["export", "--weights", "$DATA/x.pth", "--out", "x.onnx"], recipe.parent, capsys)
