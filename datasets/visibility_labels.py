"""visibility_labels: what annotations say of whether each joint can be seen, for training."""
import numpy as np

from datasets.annotations.annotated_sets import AnnotatedSet
from datasets.annotations.persons import PersonTable
from datasets.annotations.skeleton import Skeleton, joint_map
from utils.codecs.visibility_codec import ABSENT, HIDDEN, LABELLED, UNKNOWN, VISIBLE
from utils.log import log


def visibility_labels(persons: PersonTable, sets: list[AnnotatedSet], skeleton: Skeleton,
                      ) -> np.ndarray:
    """(N, K) int8 of the persons of `sets`: COCO's v, or what there is in its place.

    A joint that the skeleton of its set does not have is UNKNOWN: nobody has looked for it. Where
    no joint of a set is hidden, or none visible, its file does not tell the two apart: then its
    labelled joints are only LABELLED, which says nothing, if another set does tell them apart, and
    that is said, or, if none does, what the file says, and that is warned about.
    """
    labels = np.where(persons.hidden, HIDDEN, VISIBLE) * (persons.visibility > 0)
    labels = labels.astype(np.int8)
    set_of = persons.sets[persons.image_rows]
    mixed = [number for number in range(len(sets)) if len(np.unique(
        labels[(set_of == number)[:, None] & (labels != ABSENT)])) < 2]
    for number, part in enumerate(sets):
        mine = set_of == number
        unknown = np.array(joint_map(part.skeleton, skeleton)) < 0
        labels[np.ix_(mine, unknown)] = UNKNOWN
        if number not in mixed or not mine.any():
            continue
        only = "hidden (v = 1)" if (labels[mine] == HIDDEN).any() else "visible (v = 2)"
        if len(mixed) == len(sets):
            log.warning("model.visibility: all labelled joints of %s are %s, so the network learns "
                        "that every joint is that or absent; label both, or set it to false",
                        part.ann_path, only)
        else:
            labels[mine[:, None] & (labels > ABSENT)] = LABELLED
            log.info("model.visibility: all labelled joints of %s are %s, which tells nothing: it "
                     "learns from its absent joints and from the other sets", part.ann_path, only)
    return labels
