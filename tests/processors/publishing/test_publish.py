"""publish: what leaves the machine, what does not, and that it comes back the same by hf://."""
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from configs.loader import config_to_dict, load_config
from configs.schema import Config, ExtraSet, ModelConfig, UnlabelledSet
from datasets.annotations.skeleton import load_skeleton, skeleton_to_dict
from main import main
from nets.files.weights_file import read_weights_file
from processors.models.checkpoint import load_checkpoint, save_checkpoint
from processors.models.load_pose_model import load_pose_model
from processors.publishing.half_precision import export_half
from processors.publishing.model_card import UNTOLD, _origin
from processors.publishing.portable import without_machine
from processors.publishing.publish import FILES, _differing, publish
from tests.processors.pose_checkpoints import small_config, write_checkpoint
from utils.errors import UserError

hub = pytest.importorskip("huggingface_hub")
BEST = {"AP": 0.7123, "AP50": 0.9, "AP(L)": -1.0, "epoch": 3, "weights": "ema"}
SECRET = "/home/ann/secret"


def narrow_config(**val):
    """Small, for its weights are sent and read many times."""
    plain = small_config(**val)
    return replace(plain, model=replace(plain.model, width=0.25))


@pytest.fixture(scope="module")
def config():
    plain = narrow_config(boxes=f"{SECRET}/boxes.json", weight_path=f"{SECRET}/weights",
                         joint_score=0.3)
    return replace(
        plain, gpus=(3,), processor="ddp", model_name="dogs",
        model=replace(plain.model, input_format="rgb_half", pretrained=f"{SECRET}/first.pth"),
        codec=replace(plain.codec, alignment="udp"), optim=replace(plain.optim, ema=0.9),
        detector=replace(plain.detector, weights=f"{SECRET}/yolo.pt"),
        data=replace(plain.data, train_ann_path=f"{SECRET}/train.json",
                     val_ann_path=f"{SECRET}/val.json", skeleton=f"{SECRET}/dogs.yaml",
                     extra_sets=(ExtraSet(ann_path=f"{SECRET}/more.json", img_root=SECRET),),
                     unlabelled=(UnlabelledSet(boxes=f"{SECRET}/b.json", img_root=SECRET),)))


@pytest.fixture(scope="module")
def best(tmp_path_factory, config):
    skeleton = skeleton_to_dict(replace(load_skeleton("coco"), name="dogs"))
    path = write_checkpoint(tmp_path_factory.mktemp("run") / "best.pth", narrow_config(), best=BEST,
                            step=9, run="2026-11-29 10:00:00", skeleton=skeleton)
    save_checkpoint(load_checkpoint(path) | {"config": config_to_dict(config)}, path)
    return path


@pytest.fixture(scope="module")
def written(best, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "dry"
    for _ in range(2):      # what is ours is replaced
        assert main(["publish", "--weights", str(best), "--to", "ann/dogs", "--license",
                     "apache-2.0", "--dry-run", str(out)]) == 0
    return out


def test_what_was_published_is_the_same_model(best, written):
    first, second = load_pose_model(best, overrides=["data.skeleton=coco"]), load_pose_model(
        written / "model.safetensors")
    assert second.input_format == "rgb_half" and second.codec.input_size == (64, 96)
    assert second.config.codec == first.config.codec and second.skeleton.name == "dogs"
    images = torch.rand(1, 3, 96, 64)
    with torch.no_grad():
        assert (first.network(images) - second.network(images)).abs().max() <= 1e-6
    wanted, found = first.network.state_dict(), second.network.state_dict()
    assert all(torch.equal(wanted[key], found[key]) for key in wanted)
    assert load_pose_model(written).codec.input_size == (64, 96)        # the folder


def test_nothing_of_this_machine_leaves_it(written):
    assert {path.name for path in written.iterdir()} == FILES.keys()
    for path in written.iterdir():
        assert b"/home" not in path.read_bytes() and b"secret" not in path.read_bytes()
    content = read_weights_file(written / "model.safetensors")
    assert content["config"]["gpus"] == [] and content["config"]["processor"] == "dp"
    assert content["config"]["val"]["joint_score"] == 0.3


def test_the_yaml_and_the_skeleton_are_read_by_this_project(written, monkeypatch, config):
    monkeypatch.chdir(written)
    loaded = load_config("config.yaml")
    assert loaded.codec == config.codec and loaded.val.joint_score == 0.3
    assert load_skeleton(loaded.data.skeleton).joint_names == load_skeleton("coco").joint_names


def test_the_card_says_where_ap_comes_from(written):
    card = (written / "README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert head["library_name"] == "simplepose" and head["license"] == "apache-2.0"
    assert head["pipeline_tag"] == "keypoint-detection"
    for words in ("| AP | AP50 | AP(L) |", "| 0.7123 | 0.9000 | - |",
                  "after epoch 3, of the run begun on 2026-11-29", "annotations: val.json",
                  "detections of boxes.json", "udp",
                  "trained on: train.json, more.json", "licence may count",
                  "--weights hf://ann/dogs"):
        assert words in card


@pytest.mark.parametrize("other", [{"optimizer": {}, "best": BEST}, {"best": {"AP": -1.0}}, {}])
def test_no_ap_is_stated_where_none_is_known(other, tmp_path):
    config = narrow_config()
    config = replace(config, data=replace(config.data, train_ann_path="d/train.json"))
    weights = write_checkpoint(tmp_path / "last.pth", config, **other)
    publish(weights, "ann/dogs", "mit", tmp_path / "dry")
    card = (tmp_path / "dry" / "README.md").read_text()
    assert "No AP of these weights is known" in card and "0.7123" not in card
    assert "trained from: random weights" in card and "trained on: train.json" in card


def test_of_a_file_that_was_passed_on_nothing_is_guessed(best, tmp_path):
    """Such as those that come with the project: their settings have no paths."""
    export_half(best, tmp_path / "small.pth")
    publish(tmp_path / "small.pth", "ann/dogs", "mit", tmp_path / "dry")
    card = (tmp_path / "dry" / "README.md").read_text()
    for words in ("trained on: ", "trained from: ", "annotations: ", "boxes:       "):
        assert words + UNTOLD in card
    assert "0.7123" in card and "random weights" not in card


@pytest.mark.parametrize("pretrained, words", [
    (True, "torchvision's weights of the backbone resnet18"), ("hf://org/net@v1", "hf://org/net@v1"),
    ("mmpose/vitpose_b", "mmpose/vitpose_b (Apache-2.0; trained on from MAE")])
def test_what_training_started_from_is_told_with_its_licence(pretrained, words):
    assert _origin(ModelConfig(name="resnet18", pretrained=pretrained)).startswith(words)


def test_drawn_people_are_called_so(tmp_path):
    config = narrow_config()
    config = replace(config, data=replace(config.data, train_ann_path="d/train.json",
                                          val_ann_path="d/val.json", synthetic_train=5,
                                          synthetic_val=5))
    publish(write_checkpoint(tmp_path / "best.pth", config, best=BEST), "ann/dogs", "mit",
            tmp_path / "dry")
    card = (tmp_path / "dry" / "README.md").read_text()
    assert "trained on: train.json (drawn people, unless" in card
    assert "annotations: val.json (drawn people, unless" in card


@pytest.mark.parametrize("words, sentence", [
    ({"to": "dogs"}, "write the repository as org/name"),
    ({"license": None}, "publish needs --license, under"),
    ({"license": "My own"}, "needs --license .My own is none., under"),
    ({"weights": "plain.pth"}, "is no checkpoint of this project"),
    ({"weights": "net.onnx"}, "is an ONNX file")])
def test_what_cannot_be_published_is_refused(words, sentence, best, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(read_weights_file(best)["ema"], "plain.pth")
    said = {"weights": best, "to": "ann/dogs", "license": "mit", "dry_run": Path("dry")} | words
    with pytest.raises(UserError, match=sentence):
        publish(**said)
    assert not Path("dry").exists()


def test_a_word_too_much_is_refused(capsys):
    assert main(["publish", "--weights", "w", "--to", "a/b", "optim.lr=1"]) == 2
    assert "publish takes no optim.lr=1" in capsys.readouterr().err


def test_files_of_others_stay(best, tmp_path):
    (tmp_path / "README.md").write_text("my page\n")
    with pytest.raises(UserError, match="README.md is there already"):
        publish(best, "ann/dogs", "mit", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


@torch.no_grad()
def test_what_was_published_is_loaded_again_by_its_address(best, fake, capsys):
    """All by HTTP: making the repository, both ways to send files, and fetching them."""
    publish(best, "ann/dogs", "mit")
    assert "published: --weights hf://ann/dogs" in capsys.readouterr().out
    assert fake.files["ann/dogs"].keys() == {".gitattributes", *FILES}
    [large] = fake.large.values()
    assert fake.files["ann/dogs"]["model.safetensors"] == large
    first = load_pose_model(best, overrides=["data.skeleton=coco"])
    second = load_pose_model("hf://ann/dogs")
    assert fake.fetched[-1] == "model.safetensors" and "is under mit" in capsys.readouterr().out
    assert second.config.codec == first.config.codec and second.skeleton.name == "dogs"
    images = torch.rand(1, 3, 96, 64)
    wanted, found = first.network(images), second.network(images)
    assert (wanted - found).abs().max() <= 1e-6 * wanted.abs().max()


def test_what_is_ours_is_changed_and_what_is_of_others_stays(best, fake):
    for licence in ("mit", "apache-2.0"):
        publish(best, "ann/dogs", licence)
    assert fake.messages == ["Weights, settings and card by SimplePose"] * 2
    assert b"license: apache-2.0" in fake.files["ann/dogs"]["README.md"]
    for card in (b"", b"library_name: timm\n", b"no library_name: simplepose\n"):
        fake.files["ann/other"] = {"README.md": card}
        with pytest.raises(UserError, match="hf://ann/other is there already"):
            publish(best, "ann/other", "mit")
        assert fake.files["ann/other"] == {"README.md": card}
    fake.files["ann/other"] = {"x.bin": b"1"}       # without a card
    with pytest.raises(UserError, match="hf://ann/other is there already"):
        publish(best, "ann/other", "mit")


@pytest.mark.parametrize("wrong, sentence", [
    ("token", "not for you: .*hf auth login, with a token that may write"),
    ("repos/create", "not for you"),
    *((step, "was not published .*500") for step in (
        "preupload", "/lfs/objects/batch", "PUT /lfs/", "/commit/")),
    ("licence", 'was not published .*"license" must be one of'),
    ("port", "was not published .*write --dry-run FOLDER"),
    ("offline", "was not published .*offline")])
def test_what_fails_on_the_way_is_one_sentence(best, fake, monkeypatch, wrong, sentence):
    if wrong == "token":
        monkeypatch.setenv("HF_TOKEN", "hf_of_another")
    elif wrong == "port":
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    elif wrong == "offline":
        if hub.__version__ < "1":
            pytest.skip("its sessions know from their start whether they are offline")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    elif wrong != "licence":
        fake.failing = {wrong: 403 if "create" in wrong else 500}
    with pytest.raises(UserError, match=f"hf://ann/dogs .*{sentence}") as error:
        publish(best, "ann/dogs", "my-own" if wrong == "licence" else "mit")
    assert "\n" not in str(error.value)
    assert fake.files.get("ann/dogs", {}).keys() <= {".gitattributes"}      # nothing, or all


def test_every_setting_that_is_a_path_goes(config):
    """Also one that comes later: the schema says which are paths."""
    assert "secret" not in json.dumps(config_to_dict(without_machine(config)))
    assert _differing(config_to_dict(Config())).keys() == {"model", "codec"}
