"""Nothing is drawn over, or beside, files that were not drawn."""
import os
import shutil

import pytest

import datasets.synthetic.data_set as synthetic
import main
from configs.schema import DataConfig
from datasets.synthetic import drawn_folder
from datasets.synthetic.data_set import ensure_synthetic, write_synthetic
from datasets.synthetic.drawn_folder import MARK
from datasets.synthetic.scene import draw_scene


def data(folder, **changes):
    values = {"synthetic_train": 3, "synthetic_val": 2}
    for name in ("train", "val"):
        values |= {f"{name}_ann_path": str(folder / "set" / "ann" / f"{name}.json"),
                   f"{name}_img_root": str(folder / "set" / name)}
    return DataConfig(**values | changes)


def tree(folder):
    """What lies in a folder: bytes of files, aims of links, None for folders."""
    return {str(path.relative_to(folder)): os.readlink(path) if path.is_symlink()
            else path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def refused(folder, words, seed=0, **changes):
    before = tree(folder)
    with pytest.raises(ValueError) as said:
        ensure_synthetic(data(folder, **changes), seed)
    assert tree(folder) == before
    for word in (words, "; correct the path, or give data."):
        assert word in str(said.value)
    return str(said.value)


@pytest.mark.parametrize("name", ["000000000002.jpg", "IMG_7.PNG", ".hidden", "notes.txt",
                                  "clips/a.jpg", "drawn_set.json", "t.json.77.tmp", "empty/"])
def test_a_folder_with_a_users_file_is_left_alone(tmp_path, name):
    photos = tmp_path / "photos"
    (photos / name).parent.mkdir(parents=True)
    if name.endswith("/"):
        (photos / name).mkdir()
    else:
        (photos / name).write_bytes(b"mine")
    said = refused(tmp_path, "holds what was not drawn there, such as " + name.split("/")[0],
                   val_img_root=str(photos))
    assert f"data.val_ann_path: {tmp_path}/set/ann/val.json does not exist" in said


@pytest.mark.parametrize("name", ["labels.json", "run.yaml", ".hidden", "raw/0.jpg", "a.cache.npz"])
def test_annotations_are_not_written_beside_a_users_files(tmp_path, name):
    path = tmp_path / "labels" / name
    path.parent.mkdir(parents=True)
    path.write_text('{"info": {}, "images": []}')
    refused(tmp_path, f"the folder {tmp_path}/labels holds what was not drawn there, such as "
            + name.split("/")[0], train_ann_path=str(tmp_path / "labels" / "typo.json"))


@pytest.mark.parametrize("mark", ["[" * 10 ** 5, '{"what": ' * 10 ** 5, "{", "[1]"])
def test_a_mark_that_is_none_of_ours_is_a_users_file(tmp_path, mark):
    folder = tmp_path / "set" / "train"
    folder.mkdir(parents=True)
    (folder / MARK).write_text(mark)
    (folder / "000000000001.jpg").write_bytes(b"of the user")
    refused(tmp_path, "train")


def test_a_link_to_a_users_folder_is_refused_and_one_to_an_empty_folder_is_not(tmp_path):
    for name in ("full", "empty"):
        (tmp_path / name).mkdir()
        (tmp_path / f"to_{name}").symlink_to(tmp_path / name)
    (tmp_path / "full" / "000000000001.jpg").write_bytes(b"mine")
    refused(tmp_path, "to_full holds", train_img_root=str(tmp_path / "to_full"))
    ensure_synthetic(data(tmp_path, train_img_root=str(tmp_path / "to_empty")), seed=0)
    assert len(list((tmp_path / "empty").glob("*.jpg"))) == 3


def test_no_link_is_followed_or_replaced_by_a_file(tmp_path):
    (tmp_path / "set" / "ann").mkdir(parents=True)
    (tmp_path / "set" / "ann" / "val.json").symlink_to(tmp_path / "elsewhere.json")
    refused(tmp_path, "val.json is a link that leads nowhere", synthetic_train=0)
    (tmp_path / "set" / "ann" / "val.json").unlink()
    (tmp_path / "set" / "val").symlink_to(tmp_path / "nowhere")
    refused(tmp_path, "set/val is not a folder", synthetic_train=0)
    (tmp_path / "set" / "val").unlink()
    ensure_synthetic(data(tmp_path), seed=0)
    (tmp_path / "set" / "ann" / "val.json").unlink()
    image = tmp_path / "set" / "val" / "000000000001.jpg"
    image.rename(tmp_path / "moved.jpg")
    image.symlink_to(tmp_path / "moved.jpg")
    refused(tmp_path, "such as 000000000001.jpg")


def test_a_file_where_a_folder_should_be(tmp_path):
    (tmp_path / "file").write_bytes(b"mine")
    refused(tmp_path, "file is not a folder", val_img_root=str(tmp_path / "file" / "images"))
    refused(tmp_path, "file is not a folder", train_ann_path=str(tmp_path / "file" / "t.json"))


def test_a_mistyped_path_beside_a_drawn_set(tmp_path):
    ensure_synthetic(data(tmp_path), seed=0)
    typo = str(tmp_path / "set" / "ann" / "typo.json")
    said = refused(tmp_path, "holds the set of another annotation file", train_ann_path=typo)
    assert f"{tmp_path}/set/ann/train.json" in said
    (tmp_path / "set" / "train" / MARK).unlink()        # a set that was drawn before marks were
    ensure_synthetic(data(tmp_path), seed=0)
    refused(tmp_path, "such as 000000000001.jpg", train_ann_path=typo)


def test_two_sets_in_one_folder_or_file(tmp_path):
    ensure_synthetic(data(tmp_path, synthetic_val=0), seed=0)
    refused(tmp_path, "set of another annotation file",
            val_img_root=str(tmp_path / "set" / "train"))
    shutil.rmtree(tmp_path / "set")
    with pytest.raises(ValueError, match="data.train_ann_path and data.val_ann_path.*file each"):
        ensure_synthetic(data(tmp_path, val_ann_path=str(tmp_path / "set/ann/train.json")), seed=0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("paths", [("ann/{}.json", "{}"), ("{}/people.json", "{}/images"),
                                   ("{}.json", "{}"), ("{}/people.json", "{}"),
                                   ("{}.json", "deep/er/{}")])
def test_a_killed_drawing_is_finished_in_every_order_of_folders(tmp_path, monkeypatch, paths):
    places = {f"{name}_{key}": str(tmp_path / "set" / path.format(name))
              for name in ("train", "val")
              for key, path in zip(("ann_path", "img_root"), paths, strict=True)}
    whole = {key: value.replace("set", "whole") for key, value in places.items()}
    ensure_synthetic(data(tmp_path, **whole), seed=4)
    for images in (0, 2, 4):
        left = iter(range(images))

        def killed_later(*arguments, left=left):
            if next(left, None) is None:
                raise KeyboardInterrupt
            return draw_scene(*arguments)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(synthetic, "draw_scene", killed_later)
            ensure_synthetic(data(tmp_path, **places), seed=4)
    root = next((tmp_path / "set").rglob(MARK)).parent
    rests = [f"{path}.4711.simplepose.tmp" for path in (    # of a process that was killed outright
        root / "000000000003.jpg", *(places[f"{name}_ann_path"] for name in ("train", "val")))]
    rests = [tmp_path / rest for rest in rests]
    for rest in rests:
        rest.write_bytes(b"half")
    ensure_synthetic(data(tmp_path, **places), seed=4)
    for rest in rests:
        rest.unlink()
    assert tree(tmp_path / "set") == tree(tmp_path / "whole")


def test_the_second_set_is_drawn_later_beside_the_first(tmp_path):
    places = {f"{name}_{key}": str(tmp_path / "set" / f"{name}{end}") for name in ("train", "val")
              for key, end in (("ann_path", ".json"), ("img_root", ""))}
    ensure_synthetic(data(tmp_path, **places, synthetic_val=0), seed=0)
    ensure_synthetic(data(tmp_path, **places), seed=0)
    assert len(list((tmp_path / "set" / "val").glob("*.jpg"))) == 2


def test_lost_annotations_are_drawn_again_beside_their_cache(tmp_path):
    ensure_synthetic(data(tmp_path), seed=0)
    before = tree(tmp_path)
    path = tmp_path / "set" / "ann" / "train.json"
    path.unlink()
    for name in ("train", "val"):
        path.with_name(f"{name}.json.17-half_pixel.cache.npz").write_bytes(b"")
    refused(tmp_path, "drawn with another seed", seed=1)
    ensure_synthetic(data(tmp_path), seed=0)
    assert before.items() <= tree(tmp_path).items()


def test_fewer_images_than_a_killed_drawing_began(tmp_path):
    ensure_synthetic(data(tmp_path), seed=0)
    for count in (1, 5, 2):
        (tmp_path / "set" / "ann" / "train.json").unlink()
        ensure_synthetic(data(tmp_path, synthetic_train=count), seed=0)
    assert len(list((tmp_path / "set" / "train").glob("*.jpg"))) == 5


def test_an_image_that_was_put_into_a_drawn_folder_stays(tmp_path):
    ensure_synthetic(data(tmp_path), seed=0)
    (tmp_path / "set" / "ann" / "train.json").unlink()
    (tmp_path / "set" / "train" / "000000000002.jpg").write_bytes(b"mine")
    before = tree(tmp_path)
    with pytest.raises(ValueError, match="000000000002.jpg is there already"):
        ensure_synthetic(data(tmp_path), seed=0)
    assert tree(tmp_path) == before
    (tmp_path / "set" / "train" / "000000000002.jpg").rename(
        tmp_path / "set" / "train" / "000000000004.jpg")        # nobody has drawn a fourth
    refused(tmp_path, "such as 000000000004.jpg")


def test_the_writer_itself_replaces_nothing(tmp_path):
    (tmp_path / "p.json").write_text("{}")
    with pytest.raises(ValueError, match="p.json is there already"):
        write_synthetic(tmp_path / "images", tmp_path / "p.json", 1, seed=0)
    assert (tmp_path / "p.json").read_text() == "{}"


def test_a_skeleton_that_cannot_be_drawn_leaves_nothing(tmp_path):
    skeleton = tmp_path / "dog.yaml"
    skeleton.write_text("name: dog\njoints:\n  - [tail, 0.1, 1, upper]\n")
    with pytest.raises(ValueError, match="skeleton dog"):
        ensure_synthetic(data(tmp_path, skeleton=str(skeleton)), seed=0)
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("command", ["train", "check", "pack", "evaluate"])
@pytest.mark.parametrize("name", ["train", "val"])
def test_a_mistyped_path_is_one_sentence_in_every_command(
        tmp_path, monkeypatch, capsys, command, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for number in (1, 80, 581929):
        (tmp_path / "photos" / f"{number:012d}.jpg").write_bytes(b"mine %d" % number)
    before = tree(tmp_path)
    for root in ("photos", f"data/synthetic/{name}"):
        words = [command, f"data.{name}_ann_path=mistyped.json", f"data.{name}_img_root={root}",
                 "data.train_pack=p.pack"]
        if command == "evaluate":
            words[-1:] = ["data.synthetic_train=0", "--weights", "none.pth"]
        assert main.main(words) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1
        if command != "evaluate":       # which draws nothing
            assert f"data.{name}_ann_path: mistyped.json does not exist" in error
        assert tree(tmp_path) == before


def test_a_run_may_write_its_weights_beside_the_sets_it_draws(tmp_path):
    words = ["data.num_workers=0", "codec.input_size=[64, 64]", "optim.epochs=1",
             "optim.warmup_epochs=0", "data.batch_size=2",
             f"val.weight_path={tmp_path}/all/weights"]
    for name in ("train", "val"):
        words += [f"data.synthetic_{name}=2", f"data.{name}_ann_path={tmp_path}/all/{name}.json",
                  f"data.{name}_img_root={tmp_path}/all/{name}"]
    for _ in range(2):
        assert main.main(["train", *words]) == 0


@pytest.mark.parametrize("module", [synthetic, drawn_folder])
def test_a_place_that_cannot_be_written_is_told_with_its_settings(tmp_path, monkeypatch, module):
    def refuse(path, _):
        raise PermissionError(13, "Permission denied", str(path))
    monkeypatch.setattr(module, "write_atomically", refuse)
    with pytest.raises(PermissionError, match=(
            f"^data.train_ann_path, data.train_img_root: {tmp_path}.* cannot be written "
            ".Permission denied.: make room or permit it, or give another place")):
        ensure_synthetic(data(tmp_path), 0)
