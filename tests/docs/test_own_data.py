"""docs/own_data.md: its commands, as they stand there, lead from the labels of each tool to a
network that was trained, judged and used. Only the schedules are shorter."""
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.annotations.skeleton import load_skeleton
from tests.processors.labelling.corrections import corrected
from tests.processors.labelling.drawn_people import (
    assert_alike,
    imported,
    labels_in,
    source_of,
)

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "own_data.md").read_text(encoding="utf-8")
SHORT = ["optim.epochs=2", "data.debug=32", "data.num_workers=0", "val.batch_size=32"]
ROUND = "## 9. The next pictures are corrected, not labelled"
OTHER = ("labelme", "cvat", "coco", "yolo")
SHORT_QUICKSTART = ["train", *SHORT, "data.synthetic_train=16", "data.synthetic_val=8"]


def blocks(language: str, text: str = TEXT) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def commands(form: str, part: str = "") -> list[list[str]]:
    """The words of all commands but the imports of other tools' labels. part: the head of ROUND,
    which is left out otherwise."""
    begin, end = (TEXT.index(head) for head in (ROUND, "## Pictures as cameras"))
    text = TEXT[begin:end] if part == ROUND else TEXT[:begin] + TEXT[end:]
    lines = "".join(blocks("sh", text)).replace("\\\n", " ").splitlines()
    words = [shlex.split(line) for line in lines]
    return [line for line in words
            if form in line or not {*(OTHER if part else ["--val"])} & {*line}]


class Reader:
    """Somebody who does what the document says, in a folder of the project's own files."""
    def __init__(self, folder: Path):
        self.folder = folder
        for name in ("main.py", "configs", "docs"):
            (folder / name).symlink_to(ROOT / name)

    def save_yamls(self) -> None:
        for block in blocks("yaml"):
            name = block.partition("\n")[0].removeprefix("# ")
            (self.folder / name).write_text(block, encoding="utf-8")

    def __call__(self, words: list[str]) -> str:
        """Run a command and return what it says. The first one makes the folder of the YAMLs."""
        assert words[0] == "python"
        if words[2:3] == ["train"]:
            words = words + SHORT
        elif words[1:] == ["main.py"]:
            words = words + SHORT_QUICKSTART
        done = subprocess.run([sys.executable, *words[1:]], cwd=self.folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})
        assert done.returncode == 0, f"{words}: {done.stdout}"
        if "draw_lizards.py" in words[1]:
            self.save_yamls()
        return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("form", ["labelme", "cvat", "yolo"])
def test_the_way_from_labels_to_a_network(form, tmp_path):
    reader = Reader(tmp_path)
    said = {}
    for words in commands(form):
        if words[2:3] == ["predict"]:
            said["predict"] = reader(words)
            break
        said[words[2]] = reader(words)
    assert "train.json: 241 persons with joints in 160 images" in said["import"]
    assert "val.json: 62 persons with joints in 40 images" in said["import"]
    assert "nothing wrong found" in said["check"]
    assert (tmp_path / "data/lizards/check/doctor.html").is_file()
    assert (tmp_path / "data/lizards/report/report.html").is_file()
    assert "PCK@0.05" in said["evaluate"] and "tail_tip" in said["evaluate"]
    drawn = tmp_path / "data/lizards/drawn"
    assert sorted(path.name for path in drawn.glob("*.jpg")) == [f"{i}.jpg" for i in range(5)]
    people = [json.loads(line) for line in (drawn / "results.jsonl").read_text().splitlines()]
    assert len(people) == 5
    snippet, = blocks("python")
    assert reader(["python", "-c", snippet]).count("[") >= 9       # nine places


@pytest.mark.slow
def test_the_start_from_people_and_the_sigmas(tmp_path):
    reader = Reader(tmp_path)
    late = 0
    for words in commands("cvat"):
        late += words[1:] == ["main.py"]
        if late or words[2] == "import" or "draw_lizards.py" in words[1]:
            said = reader(words)
            if "model_name=lizards_from_people" in words:
                assert "nose, left_eye, right_eye" in said
    first, second = (torch.load(tmp_path / f"weights/{name}_last.pth", weights_only=True)
                     for name in ("quickstart", "lizards_from_people"))
    assert len(first["skeleton"]["joints"]) == 17 and len(second["skeleton"]["joints"]) == 9
    # the last command estimates sigmas; the errors are those of docs/draw_lizards.py
    found = {name: float(sigma) for name, sigma in re.findall(r"- \[(\w+), ([\d.]+),", said)}
    planted = {"nose": 0.02, "left_eye": 0.015, "left_forefoot": 0.04, "tail_base": 0.06}
    for name, sigma in planted.items():
        assert np.isclose(found[name], sigma, rtol=0.2)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Somebody who has trained on the lizards."""
    reader = Reader(tmp_path_factory.mktemp("lizards"))
    for words in commands("cvat"):
        if words[2:3] == ["evaluate"]:
            return reader
        if words[2:3] != ["check"]:
            reader(words)


@pytest.mark.slow
@pytest.mark.parametrize("form", OTHER)
def test_the_next_round_is_corrected_in_each_tool_and_trained_on(trained, form):
    new, more = (trained.folder / "data/lizards" / name for name in ("new", "more.json"))
    lizard = load_skeleton(str(trained.folder / "data/lizards/lizard.yaml"))
    before = {path.name for path in new.iterdir()}
    predict, read, train = commands(form, ROUND)
    # a network of two epochs is sure of nothing
    assert "5 people in 5 images" in trained([*predict, "--threshold", "0"])
    labels, _ = imported(form, source_of(form, new), lizard)
    wanted = corrected(form, new, lizard, labels, ("0.jpg", "1.jpg", "1.jpg"), "lizard")
    trained(read)
    assert_alike(labels_in(json.loads(more.read_text())), wanted, within=0.011)
    assert "lizards_more_best.pth" in trained([*train, "resume=false"])
    for path in new.iterdir():          # the next tool begins anew
        if path.name not in before:
            path.unlink()


def test_the_yaml_blocks_and_the_drawn_joints_agree():
    names = re.search(r"joints: \[(.*?)\]", TEXT, flags=re.DOTALL).group(1).replace("\n", " ")
    source = (ROOT / "docs" / "draw_lizards.py").read_text(encoding="utf-8")
    table = source[source.index("JOINTS = {"):source.index("NAMES =")]
    assert [name.strip() for name in names.split(",")] == re.findall(r'"(\w+)": \(\(', table)
