"""What of a prediction becomes a label."""
import numpy as np

from datasets.annotations.skeleton import Skeleton, published_joints
from datasets.exports.labelled import LabelledPerson
from datasets.imports.write_coco import NOT_LABELLED, VISIBLE
from processors.prediction.person import Person


def labelled_person(person: Person, size: tuple[int, int], threshold: float,
                    ) -> LabelledPerson | None:
    """The label of a person in a picture of a (width, height), cut to it; None for one whose box
    is outside of it.

    Not labelled are joints with a score below `threshold`, as `predict` does not draw them, those
    outside of the picture, where none can be seen, and those that a network with visibility holds
    for absent; what it holds for hidden is labelled so.
    """
    whole = np.array(size, np.float64)
    box = person.box.astype(np.float64)
    low, high = np.clip(box[:2], 0, whole), np.clip(box[:2] + box[2:], 0, whole)
    if not (high > low).all():
        return None
    points = person.keypoints.astype(np.float64)
    seen = (person.scores >= threshold) & ((points >= 0) & (points <= whole)).all(axis=1)
    v = VISIBLE if person.visibility is None else person.visibility.argmax(axis=1)
    joints = np.column_stack([np.clip(points, 0, whole), np.where(seen, v, NOT_LABELLED)])
    return LabelledPerson(joints, np.concatenate([low, high - low]), person.scores, person.score)


def category_of(category: str | int, skeleton: Skeleton) -> str:
    """What those who are found are called in labels: as data.category says it, else person where
    the joints are those of people, else as the skeleton."""
    if isinstance(category, str) and category and category != "all":
        return category
    return "person" if skeleton.joint_names in published_joints().values() else skeleton.name
