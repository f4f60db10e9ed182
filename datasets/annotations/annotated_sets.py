"""Mixed sets: persons of several annotation files as one data set, joints matched by name."""
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from configs.schema import ExtraSet
from datasets.annotations.annotation_cache import cached_persons
from datasets.annotations.persons import PER_IMAGE, PER_PERSON, PersonTable
from datasets.annotations.skeleton import Skeleton, joint_map, load_skeleton
from utils.errors import UserError

NO_JOINTS = "persons without any joint of the trained skeleton left out"


@dataclass(frozen=True)
class AnnotatedSet:
    """An annotation file with its images, and the settings that name them."""
    ann_path: Path
    img_root: Path
    skeleton: Skeleton
    category: str | int
    ann_key: str
    root_key: str
    exif: str = "default"   # data.exif and data.bits, how its images are read
    bits: int = 0


def extra_sets(configs: Sequence[ExtraSet], skeleton: Skeleton, category: str | int,
               exif: str = "default", bits: int = 0) -> list[AnnotatedSet]:
    """The sets of data.extra_sets; skeleton and category are data's, for those that name none.

    Raises FileNotFoundError or UserError naming the setting of a skeleton that cannot be used.
    """
    sets = []
    for number, config in enumerate(configs):
        key = f"data.extra_sets[{number}]"
        try:
            own = load_skeleton(config.skeleton) if config.skeleton else skeleton
            joint_map(own, skeleton)
        except (FileNotFoundError, UserError) as error:
            raise type(error)(f"{key}.skeleton: {error}") from error
        chosen = category if config.category == "" else config.category
        sets.append(AnnotatedSet(Path(config.ann_path), Path(config.img_root), own, chosen,
                                 f"{key}.ann_path", f"{key}.img_root", exif, bits))
    return sets


def read_sets(sets: Sequence[AnnotatedSet], skeleton: Skeleton, alignment: str,
              debug: int = 0) -> PersonTable:
    """The annotated persons of all sets, one set after the other, with the joints of `skeleton`.

    A joint that a set does not have is never labelled in it, which costs no loss. debug: use
    only the first so many persons of each. Raises what `read_persons` raises.
    """
    parts = []
    for part in sets:
        persons = cached_persons(part.ann_path, part.skeleton, alignment, part.ann_key,
                                      part.category)
        if part.skeleton.joint_names != skeleton.joint_names:
            persons = with_joints(persons, joint_map(part.skeleton, skeleton))
        parts.append(persons.select(slice(0, int(debug))) if debug else persons)
    return parts[0] if len(parts) == 1 else concatenated(parts)


def with_joints(persons: PersonTable, places: Sequence[int]) -> PersonTable:
    """Persons whose joint j is the old joint places[j], or not labelled if that is -1."""
    known = np.array(places) >= 0
    persons = replace(persons, keypoints=persons.keypoints[:, places] * known[:, None],
                      visibility=persons.visibility[:, places] * known,
                      hidden=persons.hidden[:, places] & known)
    return persons.without(~np.any(persons.visibility, axis=1), NO_JOINTS)


def concatenated(parts: Sequence[PersonTable]) -> PersonTable:
    """All persons; `sets` tells which part an image is of."""
    first_rows = np.cumsum([0, *(len(part.image_ids) for part in parts)])
    columns = {name: np.concatenate([getattr(part, name) for part in parts])
               for name in (*PER_PERSON, *PER_IMAGE)}
    columns["sets"] = np.repeat(np.arange(len(parts), dtype=np.int16), np.diff(first_rows))
    rows = [part.image_rows + first for part, first in zip(parts, first_rows, strict=False)]
    return PersonTable(
        **columns, image_rows=np.concatenate(rows).astype(np.int32),
        notes=dict(sum((Counter(part.notes) for part in parts), Counter())))
