"""Only the skeleton files know that a person has 17 joints and what they are called.

What else says 17 or a joint's name stands here, with the reason; anything new has to be looked at.
"""
import ast
from pathlib import Path

import pytest

from datasets.annotations.skeleton import load_skeleton

ROOT = Path(__file__).resolve().parent.parent
FILES = [ROOT / "main.py", ROOT / "hubconf.py", *(
    path for name in ("configs", "datasets", "losses", "nets", "processors", "utils")
    for path in sorted(ROOT.glob(f"{name}/**/*.py")))]
COUNTS = {"configs/schema.py": 1,       # the default of model.num_joints, as COCO's the default
          "hubconf.py": 6,              # and of its functions
          "processors/prediction/video_source.py": 1,      # a place in the header of an MP4
          "utils/decoders.py": 1,       # a pixel of a patch
          "utils/oks.py": 1}            # a power of 2
NAMES = {"datasets/doctor/check_left_right.py":     # if they are there
             {"nose", "left_eye", "right_eye", "left_shoulder", "right_shoulder"},
         "processors/evaluation/joint_metrics.py":
             {"left_shoulder", "right_shoulder", "left_hip", "right_hip"}}
DRAWS_PEOPLE = ROOT / "datasets" / "synthetic" / "body.py"      # and so has to name their joints


def constants(path: Path) -> list:
    return [node.value for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_number_or_name_of_joints_hides_in_the_code(path):
    name, found = path.relative_to(ROOT).as_posix(), constants(path)
    counts = [value for value in found if type(value) is int and value in (17, 3 * 17)]
    if name == "utils/decoders.py":
        counts = [value for value in counts if value == 17]     # 51 is a weight of a blur
    assert len(counts) == COUNTS.get(name, 0)
    joints = set(load_skeleton("coco").joint_names) if path != DRAWS_PEOPLE else set()
    assert {value for value in found if isinstance(value, str) and value in joints} == (
        NAMES.get(name, set()))
