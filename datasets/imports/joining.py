"""Joining: which joints and which box are one person, where a tool draws them apart.

1. Joints of one group are one person, and the box of their group is theirs.
2. Of what is then left, a box belongs to the person most of whose joints are in it, if it is the
   only one that can be meant for that person, and no other person is left with this box alone.
3. Joints without a group belong, one by one, to the box that they are in, by the same rule; where
   there is one such box at most, they are one person.

What stays unclear is not guessed but counted. Outlines count as boxes where no rectangle does.
"""
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasets.annotations.skeleton import Skeleton
from datasets.imports.write_coco import ImportedPerson, Notes, empty_joints, place_joint

MOST = 0.5      # more than this part of a person's joints are in its box
BESIDE = 0.25   # of a box's size; a hidden joint may be so far outside of it
Group = int | str | None
Point = tuple[float, float]


@dataclass(eq=False)
class _Box:
    low: np.ndarray         # (2,) x, y
    high: np.ndarray
    kind: str               # its class
    group: Group
    outline: bool
    used: bool = False

    @property
    def xywh(self) -> list[float]:
        return [*self.low.tolist(), *(self.high - self.low).tolist()]

    def share(self, points: np.ndarray, around: float = 0.0) -> float:
        """Of points (N, 2), how many are inside, or so much of its size around it."""
        more = around * (self.high - self.low)
        inside = (points >= self.low - more) & (points <= self.high + more)
        return float(inside.all(axis=1).mean())


@dataclass(eq=False)
class _Pose:
    joints: np.ndarray      # (K, 3)
    kind: str               # its class, "" if only its box can tell
    group: Group
    box: _Box | None = None

    @property
    def points(self) -> np.ndarray:
        return self.joints[self.joints[:, 2] > 0, :2]

    def take(self, box: _Box) -> None:
        self.box, box.used = box, True


class Drawing:
    """What is drawn in one image, and the persons that it shows. where: of it, for messages."""

    def __init__(self, skeleton: Skeleton, where: str, notes: Notes):
        self.skeleton, self.where, self.notes = skeleton, where, notes
        self.poses: list[_Pose] = []
        self.boxes: list[_Box] = []
        self.groups: dict[Group, _Pose] = {}        # of joints that are drawn one by one
        self.loose: list[tuple[str, Point, int]] = []

    def pose(self, group: Group = None, kind: str = "") -> np.ndarray:
        """The joints (K, 3) of a person that is drawn as a whole, to be filled."""
        self.poses.append(_Pose(empty_joints(self.skeleton), kind, group))
        return self.poses[-1].joints

    def joint(self, name: str, point: Point, v: int, group: Group) -> None:
        """A joint that is drawn alone. Raises BadFile for one that its group has already."""
        if group is None:
            self.loose.append((name, point, v))
            return
        if group not in self.groups:
            self.pose(group)
            self.groups[group] = self.poses[-1]
        place_joint(self.groups[group].joints, self.skeleton, name, point, v, self.where)

    def box(self, corners: Sequence[Point] | np.ndarray, kind: str, group: Group,
            outline: bool = False) -> None:
        """The upright box around corners (N, 2). outline: they go around a shape."""
        points = np.asarray(corners, np.float64)
        self.boxes.append(_Box(points.min(axis=0), points.max(axis=0), kind, group, outline))

    def persons(self) -> list[ImportedPerson]:
        """Those of the class that is asked for; the others are counted. Raises BadFile."""
        for group in dict.fromkeys(pose.group for pose in self.poses if pose.group is not None):
            self._join([pose for pose in self.poses if pose.group == group],
                       [box for box in self.boxes if box.group == group], surely=True)
        self.poses = [pose for pose in self.poses if len(pose.points) or pose.box or pose.kind]
        self._join(self.poses, self.boxes)
        self._share_out()
        unclear = sum(pose.box is None and any(box.share(pose.points) > MOST
                                               for box in self.boxes if not box.used)
                      for pose in self.poses if len(pose.points))
        self.notes.count("persons without a box, as it is unclear which is theirs (give them a "
                         "group)", unclear)
        rest = [box for box in self.boxes if not box.used]
        self.notes.count("outlines without joints left out", sum(box.outline for box in rest))
        found = [ImportedPerson(pose.joints, pose.box.xywh if pose.box else None)
                 for pose in self.poses
                 if self.notes.takes(pose.kind or (pose.box.kind if pose.box else ""))]
        return found + [ImportedPerson(empty_joints(self.skeleton), box.xywh) for box in rest
                        if not box.outline and self.notes.takes(box.kind)]

    def _join(self, poses: list[_Pose], boxes: list[_Box], surely: bool = False) -> None:
        """Give boxes to poses. surely: one box and one pose belong together wherever they are."""
        for outline in (False, True):
            free = [box for box in boxes if not box.used and box.outline == outline]
            free = [box for box in free if surely and box.kind == self.notes.wanted] or free
            left = [pose for pose in poses if pose.box is None and (surely or len(pose.points))]
            if surely and len(left) == len(free) == 1:
                left[0].take(free[0])
                continue
            alone = len(self.poses) == len(self.boxes) == 1     # then some joints inside will do
            best = [_best(pose, free, 0 if alone else MOST) for pose in left]
            for pose, place in zip(left, assign(best), strict=True):
                if place is not None:
                    pose.take(free[place])

    def _share_out(self) -> None:
        """Joints without a group become persons."""
        free = [box for box in self.boxes if not box.used and not box.outline] or [
            box for box in self.boxes if not box.used]
        by_name = defaultdict(list)
        for name, point, v in self.loose:
            by_name[name].append((point, v))
        if not free or len(free) == 1 and len(by_name) == len(self.loose):
            if self.loose:
                joints = self.pose()
                for name, point, v in self.loose:
                    place_joint(joints, self.skeleton, name, point, v, self.where)
                self._join(self.poses, self.boxes)
            return
        owners: dict[int, _Pose] = {}
        given = []
        for name, found in by_name.items():
            inside = [{place for place, box in enumerate(free) if box.share(np.array([point]))}
                      for point, _ in found]
            for (point, v), place in zip(found, assign(inside), strict=True):
                if place is None:
                    self.notes.count("joints without a group left out that are in no box, or of "
                                     "which it is unclear in which", 1)
                    continue
                if place not in owners:
                    self.pose()
                    owners[place] = self.poses[-1]
                    owners[place].take(free[place])
                place_joint(owners[place].joints, self.skeleton, name, point, v, self.where)
                given.append((self.skeleton.joint_names.index(name), point, place))
        self.notes.count("joints without a group that may as well be of a box beside theirs, which "
                         "lacks them (give them a group)", sum(any(
                             other != place and not pose.joints[joint, 2]
                             and free[other].share(np.array([point]), BESIDE)
                             for other, pose in owners.items()) for joint, point, place in given))


def _best(pose: _Pose, boxes: list[_Box], least: float) -> set[int]:
    """The boxes that hold the most of its joints, more than the part `least` of them."""
    shares = [box.share(pose.points) if len(pose.points) else 0.0 for box in boxes]
    return {place for place, share in enumerate(shares) if share == max(shares) and share > least}


def assign(candidates: Sequence[set[int]]) -> list[int | None]:
    """For each thing the one place that must be its own, where every place is for one thing.

    A thing with one candidate takes it unless another has only the same one; what is taken is
    nobody else's candidate, until nothing changes. None: several are possible, or none.
    """
    left = [set(places) for places in candidates]
    found: list[int | None] = [None] * len(left)
    while True:
        single = Counter(next(iter(places)) for places in left if len(places) == 1)
        taken = {place for place, count in single.items() if count == 1}
        if not taken:
            return found
        for thing, places in enumerate(left):
            if len(places) == 1 and places <= taken:
                found[thing] = next(iter(places))
        left = [places - taken for places in left]
