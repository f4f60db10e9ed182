"""Labels of SLEAP, in files that sleap-io writes: whose count, and frames of films as pictures."""
import builtins
import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

import main
from datasets.annotations.skeleton import load_skeleton
from datasets.films.sleap import _names, _of_files, read_sleap, sleap_skeleton
from datasets.imports.label_studio import read_label_studio
from datasets.imports.write_coco import Notes, write_coco
from tests.processors.prediction.videos import HEIGHT, WIDTH, write_video
from utils.errors import UserError

NODES = ["nose", "ear_l", "ear_r"]
NAN = np.nan
FIRST = np.array([[10.25, 20.5], [30, 40.125], [NAN, NAN]])
SECOND = np.array([[50, 10], [60, 20], [70, 30.0]])


@pytest.fixture
def sio():
    """The package, which is optional."""
    return pytest.importorskip("sleap_io", reason="sleap-io is not installed")


@pytest.fixture
def mouse(tmp_path):
    (tmp_path / "mouse.yaml").write_text("joints: [nose, left_ear, right_ear]")
    return load_skeleton(str(tmp_path / "mouse.yaml"))


def skeleton_of(sio, name="mouse"):
    found = sio.Skeleton(nodes=[*NODES], edges=[("nose", "ear_l"), ("nose", "ear_r")], name=name)
    found.add_symmetry("ear_l", "ear_r")
    return found


def labels_of(sio, video, skeleton=None):
    """Two people in frame 2, one of them with a joint that is not visible; predictions only in
    frame 5; predictions and one person in frame 7."""
    skeleton = skeleton or skeleton_of(sio)
    second = sio.Instance.from_numpy(SECOND, skeleton=skeleton, track=sio.Track("a"))
    second.points["visible"][1] = False
    guess = sio.PredictedInstance.from_numpy(SECOND, skeleton=skeleton, score=0.9,
                                             point_scores=np.ones(3))
    person = sio.Instance.from_numpy(FIRST, skeleton=skeleton)
    return sio.Labels([
        sio.LabeledFrame(video=video, frame_idx=2, instances=[person, second]),
        sio.LabeledFrame(video=video, frame_idx=5, instances=[guess]),
        sio.LabeledFrame(video=video, frame_idx=7, instances=[
            sio.Instance.from_numpy(SECOND, skeleton=skeleton), guess])])


TWO = [[[10.25, 20.5, 2], [30, 40.125, 2], [0, 0, 0]], [[50, 10, 2], [0, 0, 0], [70, 30, 2]]]
ONE = [[[50, 10, 2], [60, 20, 2], [70, 30, 2]]]
COUNTS = {"predicted instances left out": 2, "frames without labels of people left out": 1,
          "joints marked as not visible taken as not labelled": 1}


@pytest.fixture
def film(sio, tmp_path):
    """Labels of a film, saved."""
    video = sio.load_video(str(write_video(tmp_path / "walk.mp4", 10)))
    labels_of(sio, video).save(str(tmp_path / "mice.slp"), verbose=False)
    return tmp_path / "mice.slp"


def joints(images):
    return [[person.joints.tolist() for person in image.persons] for image in images]


def test_labels_of_a_film_and_its_frames_as_pictures(film, mouse, tmp_path):
    notes = Notes()
    images, root = read_sleap(film, mouse, None, notes)
    assert joints(images) == [TWO, ONE] and notes.counts == COUNTS and notes.classes == {"mouse": 3}
    assert root == tmp_path / "mice_frames"
    assert [image.name for image in images] == ["walk_000002.png", "walk_000007.png"]
    for image, number in zip(images, (2, 7), strict=True):
        pixels = cv2.imread(str(root / image.name))
        assert pixels.shape == (HEIGHT, WIDTH, 3) and abs(pixels.mean() - 12 * number) < 6
    write_coco(images, root, mouse, "mouse", tmp_path / "mice.json", notes)
    assert not notes.bad


def test_frames_are_never_written_over_what_is_not_ours(film, mouse, tmp_path):
    read_sleap(film, mouse, None, Notes())
    read_sleap(film, mouse, None, Notes())      # again: they are ours
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "walk_000007.png").write_bytes(b"mine")
    with pytest.raises(UserError, match="walk_000007.png is there already, and is no file of this"):
        read_sleap(film, mouse, tmp_path / "mine", Notes())
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["walk_000007.png"]


def test_no_frame_is_written_for_another_skeleton(film, tmp_path, capsys):
    assert main.main(["import", "--from", "sleap", str(film), "--skeleton", "coco", "--class",
                      "cat", "--out", str(tmp_path / "out.json")]) == 2
    assert "persons of the class 'mouse' left out" in capsys.readouterr().err
    assert not (tmp_path / "mice_frames").exists()


def test_a_package_brings_its_pictures(sio, film, mouse, tmp_path):
    """Also where the film is gone, which without them is said."""
    package = tmp_path / "mice.pkg.slp"
    sio.load_slp(str(film)).save(str(package), embed="user", verbose=False)
    (tmp_path / "walk.mp4").unlink()
    images, root = read_sleap(package, mouse, None, Notes())
    assert joints(images) == [TWO, ONE] and root == tmp_path / "mice_frames"
    assert [image.name for image in images] == ["walk_000002.png", "walk_000007.png"]
    assert abs(cv2.imread(str(root / "walk_000007.png")).mean() - 84) < 6
    notes = Notes()
    assert not read_sleap(film, mouse, None, notes)[0]
    assert len(notes.bad) == 2 and "put the film where SLEAP found it" in notes.bad[0]


def test_colours_stay_as_they_are(sio, mouse, tmp_path):
    """Red is red, out of a package and out of a film."""
    codec = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(tmp_path / "red.mp4"), codec, 10, (96, 64))
    for _ in range(10):
        writer.write(np.full((64, 96, 3), (20, 40, 200), np.uint8))
    writer.release()
    labels = labels_of(sio, sio.load_video(str(tmp_path / "red.mp4")))
    for name, more in (("a.slp", {}), ("b.pkg.slp", {"embed": "user"})):
        labels.save(str(tmp_path / name), verbose=False, **more)
        images, root = read_sleap(tmp_path / name, mouse, None, Notes())
        pixels = cv2.imread(str(root / images[0].name))
        assert np.abs(pixels.mean(axis=(0, 1)) - (20, 40, 200)).max() < 8, name


def image_labels(sio, folder, count=8):
    folder.mkdir()
    paths = [folder / f"{number}.png" for number in range(count)]
    for path in paths:
        cv2.imwrite(str(path), np.full((60, 80, 3), 90, np.uint8))
    return labels_of(sio, sio.load_video([str(path) for path in paths]))


def test_pictures_that_are_files_stay_where_they_lie(sio, mouse, tmp_path):
    image_labels(sio, tmp_path / "photos").save(str(tmp_path / "a.slp"), verbose=False)
    images, root = read_sleap(tmp_path / "a.slp", mouse, None, Notes())
    assert [image.name for image in images] == ["2.png", "7.png"] and joints(images) == [TWO, ONE]
    assert root.resolve() == (tmp_path / "photos").resolve()
    (tmp_path / "photos").rename(tmp_path / "moved")
    notes = Notes()
    assert not read_sleap(tmp_path / "a.slp", mouse, None, notes)[0] and len(notes.bad) == 2
    images, root = read_sleap(tmp_path / "a.slp", mouse, tmp_path / "moved", Notes())
    assert [image.name for image in images] == ["2.png", "7.png"] and root == tmp_path / "moved"


def test_films_of_one_name_are_told_apart(sio, mouse, tmp_path):
    skeleton, frames = skeleton_of(sio), []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        video = sio.load_video(str(write_video(tmp_path / folder / "walk.mp4", 10)))
        frames += labels_of(sio, video, skeleton).labeled_frames
    sio.Labels(frames).save(str(tmp_path / "two.slp"), verbose=False)
    images, _ = read_sleap(tmp_path / "two.slp", mouse, None, Notes())
    assert [image.name for image in images] == [
        f"walk_{film}_00000{number}.png" for film in (1, 2) for number in (2, 7)]


def test_the_skeleton_comes_along_with_its_symmetries(sio, film, tmp_path):
    assert sleap_skeleton(film, "") == ("mouse", NODES, [(0, 1), (0, 2)], [0, 2, 1])
    assert main.main(["import", "--from", "sleap", str(film), "--skeleton-out",
                      str(tmp_path / "s.yaml"), "--category", "mouse", "--out",
                      str(tmp_path / "mice.json")]) == 0
    content = json.loads((tmp_path / "mice.json").read_text())
    assert [row["num_keypoints"] for row in content["annotations"]] == [2, 2, 3]
    assert load_skeleton(str(tmp_path / "s.yaml")).flip_pairs == ((1, 2),)
    with pytest.raises(UserError, match="has nobody labelled with the skeleton dog"):
        sleap_skeleton(film, "dog")


def test_several_skeletons_are_classes(sio, mouse, tmp_path):
    video = sio.load_video(str(write_video(tmp_path / "walk.mp4", 10)))
    labels = labels_of(sio, video)
    cat = sio.Skeleton(nodes=["nose", "tail"], name="cat")
    labels.labeled_frames[0].instances.append(sio.Instance.from_numpy(
        np.array([[5.0, 6], [7, 8]]), skeleton=cat))
    labels.update()
    labels.save(str(tmp_path / "two.slp"), verbose=False)
    notes = Notes()
    read_sleap(tmp_path / "two.slp", mouse, None, notes)
    assert notes.classes == {"mouse": 3, "cat": 1}      # which the import warns of
    assert "points 'tail' that are no joint of mouse left out" in notes.counts
    images, _ = read_sleap(tmp_path / "two.slp", mouse, None, Notes(wanted="cat"))
    assert joints(images)[0] == [[[5, 6, 2], [0, 0, 0], [0, 0, 0]]]
    with pytest.raises(UserError, match="has the skeletons mouse, cat: take one by --class"):
        sleap_skeleton(tmp_path / "two.slp", "")
    assert sleap_skeleton(tmp_path / "two.slp", "cat")[1] == ["nose", "tail"]


def test_init_knows_an_slp(sio, tmp_path):
    rng, skeleton = np.random.default_rng(0), skeleton_of(sio)
    video = sio.load_video(str(write_video(tmp_path / "walk.mp4", 12)))
    sio.Labels([sio.LabeledFrame(video=video, frame_idx=number, instances=[
        sio.Instance.from_numpy(rng.uniform(5, 60, (3, 2)), skeleton=skeleton)])
        for number in range(12)]).save(str(tmp_path / "mice.slp"), verbose=False)
    assert main.main(["init", str(tmp_path / "mice.slp"), "--out", str(tmp_path / "my.yaml")]) == 0


def test_label_studio_as_sleap_io_writes_it(sio, mouse, tmp_path):
    """Pictures by their number in a list, points that are not labelled, boxes that are none."""
    labels = image_labels(sio, tmp_path / "images")
    labels.remove_predictions()
    sio.save_labelstudio(labels, str(tmp_path / "tasks.json"))
    notes = Notes()
    images, _ = read_label_studio(tmp_path / "tasks.json", mouse, None, notes)
    assert [image.name for image in images] == ["2.png", "7.png"]
    found = [np.round([person.joints for person in image.persons], 6).tolist() for image in images]
    assert found[1] == ONE and len(found[0]) == 2 and not notes.bad


def test_without_the_package_it_is_named(mouse, tmp_path, monkeypatch):
    (tmp_path / "a.slp").write_bytes(b"\x89HDF\r\n\x1a\n")
    real = builtins.__import__
    def refuse(name, *words):
        if name == "sleap_io":
            raise ImportError(name)
        return real(name, *words)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UserError, match="a.slp is read by the package sleap-io: pip install sleap"):
        read_sleap(tmp_path / "a.slp", mouse, None, Notes())


def test_what_is_no_slp_is_refused(sio, mouse, tmp_path):
    for data, message in ((b"", "that can be read"), (b"\x89HDF\r\n\x1a\n\0\xff", "is no .slp"),
                          (b'{"shapes": [], "imagePath": ""}', "use import --from labelme")):
        (tmp_path / "a.slp").write_bytes(data)
        with pytest.raises(UserError, match=message):
            read_sleap(tmp_path / "a.slp", mouse, None, Notes())


def test_films_of_one_name_have_names_of_their_own():
    """Also where the number makes the name of yet another film."""
    films = [SimpleNamespace(source_video=None, filename=name)
             for name in ("x/a.mp4", "y/a.mp4", "a_1.mp4", "b.mp4")]
    names = _names([(SimpleNamespace(video=film, frame_idx=3), []) for film in films])
    assert len(set(names)) == 4 and names[3] == "b_000003.png"


def test_a_frame_beyond_the_files_of_its_video_is_named(tmp_path):
    video, notes = SimpleNamespace(filename=["a.png"]), Notes()
    found, _ = _of_files([(SimpleNamespace(video=video, frame_idx=3), [])], tmp_path / "a.slp",
                         None, notes)
    assert found == [] and "the number 3, and its video 1 pictures" in str(vars(notes))


def test_a_picture_that_is_labelled_twice_is_refused(mouse, tmp_path):
    """And not one of the two taken."""
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    video = SimpleNamespace(filename=["a.png"])
    frames = [(SimpleNamespace(video=video, frame_idx=0), []) for _ in range(2)]
    found, base = _of_files(frames, tmp_path / "a.slp", None, Notes())
    with pytest.raises(UserError, match="annotated twice, first a.png"):
        write_coco(found, base, mouse, "mouse", tmp_path / "out.json", Notes())
