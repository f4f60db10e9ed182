"""detector.classes: names and numbers, and what is said where there are none."""
import pytest
import torch

from configs.loader import with_overrides
from configs.schema import Config
from nets.detectors.yolov5 import YOLOv5
from nets.detectors.yolov5_weights import load_yolov5
from processors.detection import classes as classes_module
from processors.detection.classes import class_numbers
from utils.errors import UserError

NAMES = ("bus", "person", "lizard")


@pytest.mark.parametrize("wanted, names, numbers", [
    ((), NAMES, (1,)), (("lizard",), NAMES, (2,)), ((0, "person"), NAMES, (0, 1)),
    ((2,), (), (2,))])
def test_the_numbers_of_classes(wanted, names, numbers):
    assert class_numbers(wanted, names, 3, "x.pt") == numbers


def test_without_names_the_first_class_is_taken_and_said(monkeypatch):
    said = []
    monkeypatch.setattr(classes_module.log, "info", lambda text, *words: said.append(text % words))
    assert class_numbers((), (), 3, "x.pt") == (0,)
    assert said == ["x.pt does not name its 3 classes; the first one is taken: detector.classes=N "
                    "takes another"]


@pytest.mark.parametrize("wanted, names, words", [
    ((), ("bus",), "knows no class person, only bus: set detector.classes"),
    (("lizzard",), NAMES, "has 'lizzard', which x.pt does not know .did you mean lizard"),
    ((3,), NAMES, "has 3, which.*numbers from 0 to 2"), ((7,), (), "numbers from 0 to 2"),
    (("bus",), (), "names no classes: write numbers from 0 to 2")])
def test_a_class_that_is_not_there_is_a_sentence(wanted, names, words):
    with pytest.raises(UserError, match=words):
        class_numbers(wanted, names, 3, "x.pt")


@pytest.mark.parametrize("names", [["bus", "lizard"], {0: "bus", 1: "lizard"},
                                   {1: "lizard", 0: "bus"}])
def test_names_beside_the_weights_are_read(tmp_path, names):
    torch.save({"model": YOLOv5("yolov5n", 2).state_dict(), "names": names}, tmp_path / "x.pt")
    assert load_yolov5(tmp_path / "x.pt").class_names == ("bus", "lizard")


@pytest.mark.parametrize("word, classes", [("lizard", ("lizard",)), ("0,dog", (0, "dog")),
                                           ("[1, 2]", (1, 2)), ("3", (3,))])
def test_as_words_of_the_command_line(word, classes):
    config = with_overrides(Config(), [f"detector.classes={word}"], "the command line")
    assert config.detector.classes == classes
