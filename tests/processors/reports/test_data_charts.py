"""The doctor's charts: sides are coloured however they are spelled."""
from dataclasses import replace

from datasets.annotations.annotated_sets import AnnotatedSet
from datasets.doctor.raw_labels import read_raw
from processors.reports.data_charts import poses
from tests.datasets.annotations.spellings import spelled
from tests.datasets.doctor.sets import COCO, draw


def test_sides_are_coloured_in_any_spelling(tmp_path):
    draw(tmp_path, train=4, val=1)

    def chart(names):
        skeleton = replace(COCO, joint_names=tuple(names))
        return poses(read_raw(AnnotatedSet(tmp_path / "train.json", tmp_path, skeleton, "", "",
                                           ""), "set"))
    assert chart(spelled(COCO.joint_names, "L_Eye")) == chart(COCO.joint_names)
    assert chart(map(str, range(17))) != chart(COCO.joint_names)
