"""Whose the files of a run are, which of them are kept, and which are named at the end."""
import dataclasses
import os
import re
import shutil

import pytest

from processors.models.checkpoint import load_checkpoint
from processors.runtime import run_lock
from processors.training.run_folder import RunFolder
from tests.processors.training.written import equal, lines, weights
from utils import outputs
from utils.errors import UserError
from utils.outputs import marked_json

HELD = '{"program": "SimplePose", "pid": 9, "host": "far", "since": "now"}'


def test_resume_false_keeps_the_older_run(tiny, tmp_path):
    tiny(**{"optim.epochs": 1}).run()
    before = weights(tmp_path / "weights" / "quickstart_last.pth")
    tiny(**{"optim.epochs": 1, "resume": False, "seed": 1}).run()
    assert equal(before, weights(tmp_path / "weights" / "quickstart_last.old.pth"))
    assert not equal(before, weights(tmp_path / "weights" / "quickstart_last.pth"))


def test_resume_false_that_cannot_start_leaves_the_older_run_where_it_is(tiny, tmp_path):
    tiny(**{"optim.epochs": 1}).run()

    def no_weights(config, **_):
        raise ValueError("there is no weights file")
    with pytest.raises(ValueError, match="there is no weights file"):
        tiny(net=no_weights, resume=False).run()
    assert (tmp_path / "weights" / "quickstart_last.pth").is_file()
    assert not list((tmp_path / "weights").glob("*.old.pth"))


def test_a_start_that_fails_leaves_no_folder(tiny, tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="^val.weight_path: .*file is a file, and a folder is to be"):
        tiny(**{"val.weight_path": tmp_path / "file" / "new"})
    for name in ("new/newer", "old"):
        with pytest.raises(ValueError, match="does not divide"):
            tiny(**{"val.weight_path": tmp_path / name, "data.batch_size": 97 * 600,
                    "optim.accumulate": 97})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "old"]


@pytest.mark.parametrize("resume", ["auto", False])
def test_a_run_does_not_write_over_the_weights_it_begins_with(tiny, tmp_path, resume):
    folder = tmp_path / "weights"
    tiny(**{"optim.epochs": 1}).run()
    (folder / "quickstart_last.pth").unlink()
    best = (folder / "quickstart_best.pth").read_bytes()
    (tmp_path / "link.pth").symlink_to(folder / "quickstart_best.pth")
    for name in ("link.pth", "weights/../weights/quickstart_best.pth"):
        with pytest.raises(UserError, match="model.pretrained: .*best.pth|link.pth is a file of "
                                            "the run itself"):
            tiny(**{"model.pretrained": tmp_path / name, "resume": resume})
    assert (folder / "quickstart_best.pth").read_bytes() == best


def test_resume_true_needs_a_checkpoint_before_anything_is_written(tiny, tmp_path):
    with pytest.raises(FileNotFoundError, match="resume is true, but .*quickstart_last.pth"):
        tiny(resume=True).run()
    assert not (tmp_path / "weights").exists()


def test_a_run_that_another_process_holds_is_refused_with_nothing_touched(
        tiny, tmp_path, monkeypatch):
    tiny(**{"optim.epochs": 1}).run()
    folder = tmp_path / "weights"
    (folder / "quickstart_last.pth.9.simplepose.tmp").write_bytes(b"of the other process")
    monkeypatch.setattr(run_lock, "WAIT_FOR_HOLDER", 0)
    monkeypatch.setattr(run_lock, "_locked", lambda _: False)
    (folder / "quickstart.lock").write_text(HELD)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for settings in ({}, {"resume": False}, {"data.train_ann_path": tmp_path / "new" / "x.json",
                                             "data.train_img_root": tmp_path / "new"}):
        with pytest.raises(ValueError, match="is being trained by process 9 on far since now; "):
            tiny(**settings)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert not (tmp_path / "new").exists()


def test_the_run_is_held_from_the_first_line_to_the_end(tiny, tmp_path):
    processor = tiny(**{"optim.epochs": 1})
    lock = tmp_path / "weights" / "quickstart.lock"
    assert lock.exists()
    processor.run()
    assert not lock.exists()
    with pytest.raises(ValueError, match="cannot go on with"):
        tiny(**{"model.reduction": True})
    assert not lock.exists()


def test_a_run_whose_lock_another_took_ends_without_a_save(tiny, tmp_path, monkeypatch):
    processor = tiny(**{"optim.epochs": 1})
    lock = tmp_path / "weights" / "quickstart.lock"
    evaluate = processor._evaluate

    def removed(epoch):
        lock.write_bytes(b"")
        lock.unlink()
        lock.write_text(HELD)
        monkeypatch.setattr(run_lock, "_locked", lambda _: False)
        evaluate(epoch)
    processor._evaluate = removed
    with pytest.raises(UserError, match="by process 9 on far since now, too, since .* was removed"):
        processor.run()
    assert lock.exists() and not list(lock.parent.glob("*.pth"))


def test_with_another_protocol_the_best_begins_anew(tiny, tmp_path, capsys):
    tiny().run()
    folder = tmp_path / "weights"
    older = (folder / "quickstart_best.pth").read_bytes()
    best = tiny(**{"val.flip_test": False}).run()       # the run was finished
    said = capsys.readouterr().out
    assert "judged by other settings now (val.flip_test), so that" in said
    assert (folder / "quickstart_best.old.pth").read_bytes() == older
    assert best["epoch"] == 2 and len(lines(folder, "val")) == 6    # the last one, once more
    assert load_checkpoint(folder / "quickstart_best.pth")["best"] == best
    tiny(**{"val.flip_test": False}).run()
    assert "judged by other settings" not in capsys.readouterr().out
    assert not (folder / "quickstart_best.old.2.pth").exists()


def test_where_ap_is_undefined_the_last_weights_are_kept_and_named(tiny, tmp_path, capsys):
    processor = tiny(**{"optim.epochs": 3})
    run = processor.evaluation.run
    processor.evaluation.run = lambda *rest: dataclasses.replace(
        metrics := run(*rest), values=metrics.values | {"AP": -1.0})
    best = processor.run()
    assert best["epoch"] == 3
    last = capsys.readouterr().out.splitlines()[-1]
    assert f"epoch 3, are kept as the best; weights {tmp_path}/weights/quickstart_best.pth" in last
    assert load_checkpoint(tmp_path / "weights" / "quickstart_best.pth")["best"]["epoch"] == 3


def test_the_best_may_be_chosen_by_another_number(tiny, tmp_path):
    processor, errors = tiny(**{"optim.epochs": 3, "val.metrics": "[coco, epe]",
                                "val.best": "EPE", "optim.ema": 0}), iter([9.0, 3.0, 5.0])
    run = processor.evaluation.run
    processor.evaluation.run = lambda *rest: dataclasses.replace(
        metrics := run(*rest), values=metrics.values | {"EPE": next(errors)})
    best = processor.run()
    assert (best["epoch"], best["EPE"]) == (2, 3.0)


def test_the_last_words_name_files_that_are_there(tiny, tmp_path, capsys):
    tiny(**{"optim.epochs": 1}).run()
    (tmp_path / "weights" / "quickstart_best.pth").unlink()
    (tmp_path / "weights" / "quickstart_val.jpg").unlink()
    tiny(**{"optim.epochs": 1}).run()
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.search(r"best AP \S+ after epoch 1; quickstart_best.pth, which had it, is not there "
                     f"any more, only the last weights {tmp_path}/weights/quickstart_last.pth; "
                     f"curves and predictions beside it as quickstart_curves.png$", last)


@pytest.mark.parametrize("name, folder", [
    ("tiny_best.pth", False), ("tiny_results.json", False), ("tiny_curves.png", False),
    ("tiny_val.jpg", False), ("metrics.jsonl", False), ("metrics.jsonl", True),
    ("tiny_last.prev.pth", False),
    ("tiny_last.pth", True), ("tiny_curves.png", True)])
def test_a_name_of_the_run_that_others_have_used_is_said_before_the_work(tmp_path, name, folder):
    path = tmp_path / name
    if folder:
        path.mkdir()
    else:
        path.write_bytes(b"\xff\xd8, a photo" if "jpg" in name else b"PK, weights of others")
    with pytest.raises(UserError, match=f"{name} is {'a folder' if folder else 'there already'}"):
        RunFolder(str(tmp_path), "tiny", 0).hold()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["tiny_last.pth", "tiny_last.prev.pth", "tiny_best.pth",
                                  "metrics.jsonl", "tiny_results.json", "tiny_val.jpg"])
def test_a_link_under_a_name_of_the_run_is_said_before_the_work(tmp_path, name):
    """Also one to a file of ours, and to nothing."""
    path = tmp_path / name
    path.symlink_to(tmp_path / "other")
    with pytest.raises(UserError, match=f"{name} is a link, and nothing is written through links"):
        RunFolder(str(tmp_path), "tiny", 0).hold()
    assert list(tmp_path.iterdir()) == [path]


def test_boxes_that_the_run_would_overwrite_are_told_before_the_work(tiny, tmp_path):
    path = tmp_path / "weights" / "quickstart_results.json"
    path.parent.mkdir()
    path.write_text(marked_json('[{"image_id": 1, "category_id": 1, "keypoints": [1, 2, 2]}]'))
    with pytest.raises(UserError, match="quickstart_results.json would be overwritten, which the"):
        tiny(**{"val.boxes": path})


def test_a_file_that_takes_no_more_lines_is_told_before_the_work(tmp_path, monkeypatch):
    """As one of another user's run in a shared folder."""
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"run": "2026-01-01", "model_name": "other", "kind": "train"}\n')

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))
    monkeypatch.setattr(outputs, "open_to_append", refuse)
    with pytest.raises(PermissionError, match=f"{path} cannot be written .* or give another place"):
        RunFolder(str(tmp_path), "tiny", 0).hold()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["tiny_last.pth", "tiny_best.pth", "tiny_curves.png"])
def test_what_another_user_keeps_is_told_before_the_work(tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes(b"")
    tmp_path.chmod(0o1777)
    monkeypatch.setattr(outputs.os, "geteuid", lambda: os.getuid() + 4711)
    with pytest.raises(UserError, match=f"{name} is another user's, .* choose another folder or"):
        RunFolder(str(tmp_path), "tiny", 0).hold()
    tmp_path.chmod(0o777)
    folder = RunFolder(str(tmp_path), "tiny", 0)
    folder.hold(), folder.release()


@pytest.mark.parametrize("when", ["_save", "say_the_end", "_run_epochs"])
def test_a_folder_that_is_moved_while_it_trains_is_said(tiny, tmp_path, when):
    processor, folder = tiny(**{"optim.epochs": 1}), tmp_path / "weights"
    really = getattr(processor, when)

    def moved(*rest):
        shutil.move(folder, tmp_path / "elsewhere")
        really(*rest)
    setattr(processor, when, moved)
    with pytest.raises(UserError, match=f"^val.weight_path: the folder {folder} was moved or remo"):
        processor.run()
    assert not folder.exists()
