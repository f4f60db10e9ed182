"""`python main.py pack`: one command, its sentences, a kill in the middle, and training from it."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from torch import nn

from configs.loader import load_config
from datasets.broken_images import name_broken
from datasets.crops.crop_pack import VAL, CropPack, index_path
from datasets.sample import collate
from main import main
from processors.dp_pose_resnet_solver import DPProcessor
from processors.jobs.pack import make_pack
from utils.errors import UserError

ROOT = Path(__file__).resolve().parents[3]
CONFIG = str(ROOT / "configs" / "quickstart.yaml")


@pytest.fixture
def settings(tmp_path):
    """Of a few drawn people, as words of the command line."""
    paths = {f"data.{split}_{name}": tmp_path / split / file for split in ("train", "val")
             for name, file in (("ann_path", "people.json"), ("img_root", "images"))}
    values = paths | {"data.synthetic_train": 6, "data.synthetic_val": 2,
                      "data.train_pack": tmp_path / "packs" / "train.pack"}
    return [f"{key}={value}" for key, value in values.items()]


def test_the_command_makes_a_pack_and_then_checks_it(settings, tmp_path, caplog):
    assert main(["pack", CONFIG, *settings]) == 0
    path = tmp_path / "packs" / "train.pack"
    pack = CropPack(path)
    assert len(pack.records) >= 6 and "jpeg" in pack.summary()
    before = path.stat().st_mtime_ns
    assert main(["pack", CONFIG, *settings]) == 0
    assert path.stat().st_mtime_ns == before


def test_the_persons_to_judge_have_a_pack_of_their_own(settings, tmp_path, capsys):
    val = f"data.val_pack={tmp_path / 'packs' / 'val.pack'}"
    assert main(["pack", CONFIG, *settings, val]) == 0
    pack = CropPack(tmp_path / "packs" / "val.pack", VAL)
    assert len(pack.records) >= 2 and "raw" in pack.summary()
    assert len(CropPack(tmp_path / "packs" / "train.pack").records) >= 6
    assert main(["pack", CONFIG, *settings[:-1], val]) == 0         # without data.train_pack
    capsys.readouterr()
    assert main(["pack", CONFIG, *settings[:-1], val, "codec.input_size=[64,64]"]) == 2
    assert capsys.readouterr().err == (f"error: {pack} was made with codec.input_size [96, 128] "
                                       f"instead of [64, 64]: delete it, or name another file\n")
    assert main(["pack", CONFIG, *settings[:-1], val, "data.val_ann_path="]) == 2
    assert "error: data.val_ann_path is not set" in capsys.readouterr().err
    both = val.replace("val_pack", "train_pack")    # said before the hours of the first
    assert main(["pack", CONFIG, *settings[:-1], val, both]) == 2
    assert "error: data.train_pack and data.val_pack are both " in capsys.readouterr().err


@pytest.mark.parametrize("workers", ["0", "2"])
def test_without_room_for_workers_it_is_a_sentence_and_none_are_needed(settings, tmp_path, capsys,
                                                                      monkeypatch, workers):
    def refuse():
        raise UserError("no room: set data.num_workers to 0")

    monkeypatch.setattr("datasets.workers.ensure_room", refuse)
    status = main(["pack", CONFIG, *settings, f"data.num_workers={workers}"])
    path = tmp_path / "packs" / "train.pack"
    assert (status, path.exists()) == ((2, False) if workers == "2" else (0, True))
    assert capsys.readouterr().err == "error: no room: set data.num_workers to 0\n" * bool(status)


@pytest.mark.parametrize("change, words", [
    ("data.train_pack=''", "data.train_pack is not set"),
    ("augment.scale=0.9", r"train.pack \(data.train_pack\) was made with augment"),
    ("data.train_img_root=nowhere", "data.train_img_root"),
])
def test_what_is_wrong_is_one_sentence(settings, capsys, change, words):
    assert main(["pack", CONFIG, *settings]) == 0
    capsys.readouterr()
    assert main(["pack", CONFIG, *settings, change]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert words.replace("\\", "") in error


@pytest.mark.parametrize("owner, name, left", [
    ("utils.files.os", "replace", []),          # of the index, before there is anything
    ("datasets.pack_writer", "_append", []),
    ("utils.outputs", "try_to_write", None)])   # before the work: not even the folder is left
def test_a_full_disk_is_told_with_its_cure_and_leaves_nothing(settings, tmp_path, monkeypatch,
                                                              capsys, owner, name, left):
    def full(*_):
        raise OSError(28, "No space left on device")

    main(["check", CONFIG, *settings[:-1]])     # draws the people
    monkeypatch.setattr(f"{owner}.{name}", full)
    assert main(["pack", CONFIG, *settings]) == 2
    assert ("error: data.train_pack: " + str(tmp_path / "packs" / "train.pack") + " cannot be "
            "written (No space left on device): make room or permit it") in capsys.readouterr().err
    folder = tmp_path / "packs"
    assert (list(folder.iterdir()) if folder.exists() else None) == left


def test_a_dead_worker_is_one_sentence(settings, monkeypatch, capfd):
    with monkeypatch.context() as patch:
        patch.setattr("datasets.pack_writer.ImagePieces.__getitem__",
                      lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        assert main(["pack", CONFIG, *settings]) == 2
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("error: a process that reads images died (")
    assert last.endswith("; the same command packs on from where it was")
    assert main(["pack", CONFIG, *settings]) == 0


def test_training_takes_the_pack(settings, tmp_path):
    make_pack(load_config(CONFIG, settings))
    processor = DPProcessor(CONFIG, [*settings, f"val.weight_path={tmp_path}"])
    assert processor.train_set.pack and "crops from" in processor.train_set.summary()


def test_a_damaged_crop_is_not_blamed_on_its_image(settings, tmp_path, capsys):
    make_pack(load_config(CONFIG, settings))
    path = tmp_path / "packs" / "train.pack"
    path.write_bytes(bytes(100) + path.read_bytes()[100:])
    run = DPProcessor(CONFIG, [*settings, f"val.weight_path={tmp_path}", "data.skip_broken=true",
                               "augment.half_body=0", "data.num_workers=0"])
    image = run.train_set.image_path(0)
    named: set[Path] = set()
    for _ in range(2):
        name_broken(collate([run.train_set[0]]), run.train_set, named)
    said = f"going on without the broken crop of {image} in {path} (data.train_pack) (1 so far)"
    assert capsys.readouterr().out.count(said) == 1


@pytest.mark.slow
def test_a_killed_command_goes_on(settings, tmp_path):
    settings[settings.index("data.synthetic_train=6")] = "data.synthetic_train=120"
    command = [sys.executable, str(ROOT / "main.py"), "pack", CONFIG, *settings]
    path = tmp_path / "packs" / "train.pack"
    kills = 0
    for _ in range(3):
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL,
                                   start_new_session=True)
        size = path.stat().st_size if path.exists() else 0
        while process.poll() is None:
            if path.exists() and path.stat().st_size > size:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                kills += 1
            time.sleep(0.002)
        if process.returncode == 0:
            break
    assert process.returncode == 0 or subprocess.run(command, cwd=tmp_path).returncode == 0
    assert kills > 1
    whole = tmp_path / "whole.pack"
    make_pack(load_config(CONFIG, [*settings, f"data.train_pack={whole}"]))
    assert path.read_bytes() == whole.read_bytes()
    assert index_path(path).read_bytes() == index_path(whole).read_bytes()


def quick_learner(config, **_) -> nn.Module:
    """Stands in for a ResNet, which would need minutes."""
    def layer(before, after, stride=1, shuffle=1):
        return [nn.Conv2d(before, after * shuffle ** 2, 3, stride, 1, bias=False),
                nn.PixelShuffle(shuffle), nn.BatchNorm2d(after), nn.ReLU()]

    net = nn.Sequential(*layer(3, 32, 2), *layer(32, 64, 2), *layer(64, 128, 2),
                        *layer(128, 256, 2), *layer(256, 256), *layer(256, 256),
                        *layer(256, 128, 1, 2), *layer(128, 64, 1, 2),
                        nn.Conv2d(64, config.num_joints, 1))
    nn.init.normal_(net[-1].weight, std=0.001)
    return net


@pytest.mark.long
def test_real_people_are_learnt_as_well_from_the_pack(shared, tmp_path, monkeypatch):
    """A small network overfits to a few real persons from images and from their pack."""
    monkeypatch.setattr("processors.training.pose_processor.build_net", quick_learner)
    coco = shared / "data" / "coco"
    ann, images = coco / "annotations" / "person_keypoints_train2017.json", coco / "train2017"
    values = {"data.train_ann_path": ann, "data.val_ann_path": ann, "data.train_img_root": images,
              "data.val_img_root": images, "data.synthetic_train": 0, "data.synthetic_val": 0,
              "data.debug": 12, "data.batch_size": 12, "data.num_workers": 0, "optim.epochs": 100,
              "optim.amp": "false", "augment.rotation": 0, "augment.scale": 0,
              "augment.flip": 0, "val.weight_path": tmp_path}
    words = [f"{key}={value}" for key, value in values.items()]
    make_pack(load_config(CONFIG, [*words, f"data.train_pack={tmp_path / 'people'}"]))
    found = {}
    for pack in ("''", tmp_path / "people"):
        run = DPProcessor(CONFIG, [*words, f"data.train_pack={pack}"])
        assert bool(run.train_set.pack) == (pack != "''")
        for step, batch in enumerate(run.loader):
            run.train_step(batch, 1e-3 if step < 75 else 2e-4, measure=False)
        found[pack] = run.evaluation.run(run.net, tmp_path / "results.json").values["AP"]
    print(found)
    assert min(found.values()) > 0.75       # coarse heatmaps, and crowded people
    assert max(found.values()) - min(found.values()) < 0.03
