"""Joint places: where in a list of labels each joint of our skeleton stands."""
from collections.abc import Sequence

from datasets.annotations.joint_names import same_joints
from datasets.annotations.skeleton import Skeleton
from datasets.imports.write_coco import Notes
from utils.errors import UserError
from utils.shown import shortened


def joint_places(names: Sequence[str], count: int, skeleton: Skeleton, where: str, notes: Notes,
                 ) -> list[int]:
    """For each joint of the skeleton its place among `count` joints of the labels, -1 without one.

    names: what the labels call them, none if they do not say. They are taken by their names where
    these tell, otherwise the first ones in their order; what is not plain is a remark in `notes`.
    Raises UserError if the labels have too few joints.
    """
    ours = skeleton.joint_names
    if len(names) not in (0, count):
        notes.remark(f"{where} names {len(names)} joints and has {count}: its names are not used")
        names = ()
    named = same_joints(ours, names)
    elsewhere = any(place not in (-1, number) for number, place in enumerate(named))
    if elsewhere or max(named) >= 0 and (-1 not in named or count < len(ours)):
        lacking = [name for name, place in zip(ours, named, strict=True) if place < 0]
        if lacking:
            notes.remark(f"{where} has no {shortened(', '.join(lacking))} of the skeleton "
                         f"{skeleton.name}: never labelled")
        if elsewhere or count > len(ours):
            notes.remark(f"{where}: {len(ours) - len(lacking)} of its {count} joints are taken, by "
                         f"their names")
        return named
    if count < len(ours):
        raise UserError(f"{where} has {count} joints and the skeleton {skeleton.name} "
                        f"{len(ours)}: give their skeleton by --skeleton, or have it made by "
                        f"--skeleton-out")
    others = [f"{names[number]} as {ours[number]}" for number, place in enumerate(named)
              if place < 0] if names else []
    if others or count > len(ours):
        told = f"; {shortened(', '.join(others), 200)}" if others else ""
        notes.remark(f"{where}: the first {len(ours)} of its {count} joints are taken in their "
                     f"order{told}")
    return list(range(len(ours)))
