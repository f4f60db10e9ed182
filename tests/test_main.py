"""The command line: help, and that whatever is wrong is one sentence before anything is done."""
import subprocess
import sys

import pytest

import main

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
    (["run.yaml", "other.yaml"], "the command line has 'other.yaml'"),
    (["run.yaml", "optim.lr=fast"], "the command line: optim.lr is 'fast'"),
    (["run.yaml", "model.num_joints=16"], "data.skeleton 'coco' has 17 joints"),
    (["run.yaml", "data.skeleton=cow"], "skeleton"),
    (["run.yaml", "data.train_ann_path=''"], "data.train_ann_path is not set"),
    (["run.yaml", "processor=ddp", "gpus=998,999"], "names devices that are not there"),
    (["run.yaml", "val.weight_path=run.yaml"], "val.weight_path: the folder run.yaml cannot be"),
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
    shown = main.COMMANDS if len(words) == 1 else [main.COMMANDS[words[0]].__doc__]
    text = " ".join(out.split())
    assert all(" ".join(word.split()) in text for word in shown)


def test_an_unknown_option_is_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        main.main(["--epochs", "3"])
    assert caught.value.code == 2 and "--epochs" in capsys.readouterr().err


@pytest.mark.parametrize("words, path, overrides", [
    ([], main.QUICKSTART, []), (["optim.epochs=1"], main.QUICKSTART, ["optim.epochs=1"]),
    (["train"], main.QUICKSTART, []), (["a.yaml"], "a.yaml", []),
    (["train", "a.yaml", "seed=1"], "a.yaml", ["seed=1"])])
def test_train_and_the_quickstart_are_the_default(monkeypatch, words, path, overrides):
    seen = []
    monkeypatch.setitem(main.COMMANDS, "train", lambda given: seen.append(given.settings))
    assert main.main(words) == 0
    assert main.split(seen[0]) == (type(main.QUICKSTART)(path), overrides)


def test_the_processor_of_the_yaml_is_the_one_that_runs(recipe, monkeypatch):
    class Fake:
        def __init__(self, path, overrides):
            seen.append((path.name, overrides))

        def run(self):
            seen.append("run")

    seen: list = []
    monkeypatch.setattr(main, "DDPProcessor", Fake)
    assert main.main([str(recipe), "processor=ddp"]) == 0
    assert seen == [("run.yaml", ["processor=ddp"]), "run"]


def test_info_tells_the_network(recipe, monkeypatch, capsys):
    monkeypatch.setattr(main, "recipes", lambda: {"tiny": main.load_config(recipe)})
    assert main.main(["info", str(recipe)]) == 0
    assert "resnet18" in capsys.readouterr().out


def test_a_real_process_ends_with_status_2_and_no_traceback(recipe, pytestconfig):
    done = subprocess.run([sys.executable, str(pytestconfig.rootpath / "main.py"), "run.yaml",
                           "sed=1"], cwd=recipe.parent, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("error: the command line: there is no key sed; "
                           "did you mean seed?\n")
    assert list(recipe.parent.iterdir()) == [recipe]


def test_a_developer_can_ask_for_the_traceback(recipe, monkeypatch):
    monkeypatch.setenv("SIMPLEPOSE_TRACEBACK", "1")
    with pytest.raises(ValueError, match="no key sed"):
        main.main([str(recipe), "sed=1"])


@pytest.mark.parametrize("words", [
    ["evaluate", "C.yaml", "--sweep", "val.boxes=b.json", "--weights", "W.pth", "seed=1"],
    ["evaluate", "--weights", "W.pth", "C.yaml", "val.boxes=b.json", "seed=1", "--sweep"],
    ["evaluate", "C.yaml", "val.boxes=b.json", "seed=1", "--sweep", "--weights", "W.pth"]])
def test_settings_may_stand_before_and_behind_options(monkeypatch, words):
    """argparse alone refuses settings that stand behind an option."""
    seen = {}
    monkeypatch.setitem(main.COMMANDS, "evaluate", lambda arguments: seen.update(vars(arguments)))
    assert main.main(words) == 0
    assert seen["settings"] == ["C.yaml", "val.boxes=b.json", "seed=1"]
    assert seen["sweep"] and str(seen["weights"]) == "W.pth"
