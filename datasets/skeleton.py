"""Skeleton: what a set of joints is called, how it mirrors, and how exactly it is labelled."""
from dataclasses import dataclass
from pathlib import Path

import yaml

SKELETON_DIR = Path(__file__).resolve().parent.parent / "configs" / "skeletons"


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """K joints in annotation order; every other field refers to them by index."""
    name: str
    joint_names: tuple[str, ...]
    sigmas: tuple[float, ...]                   # OKS falloff per joint (COCO's "sigmas")
    joint_weights: tuple[float, ...]            # optional per-joint loss weights
    upper_body: tuple[int, ...]                 # for half-body augmentation
    lower_body: tuple[int, ...]
    flip_pairs: tuple[tuple[int, int], ...]     # joints that change places in a mirror
    limbs: tuple[tuple[int, int], ...]          # lines to draw

    @property
    def num_joints(self) -> int:
        return len(self.joint_names)

    @property
    def flip_order(self) -> tuple[int, ...]:
        """Permutation p with mirrored[j] = original[p[j]]."""
        order = list(range(self.num_joints))
        for left, right in self.flip_pairs:
            order[left], order[right] = right, left
        return tuple(order)


def load_skeleton(name_or_path: str) -> Skeleton:
    """Read `configs/skeletons/NAME.yaml`, or the YAML file at a path.

    Raises FileNotFoundError or ValueError that name the file and the wrong entry.
    """
    path = Path(name_or_path)
    if not path.suffix:
        path = SKELETON_DIR / f"{name_or_path}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in SKELETON_DIR.glob("*.yaml")))
        raise FileNotFoundError(f"skeleton file {path} does not exist: give a path to a YAML "
                                f"or one of: {known}")
    try:
        raw = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(raw, dict) or not raw.get("joints"):
        raise ValueError(f"{path}: a skeleton needs the keys name, joints, flip_pairs and limbs")
    names = tuple(str(joint[0]) for joint in raw["joints"])
    if len(set(names)) != len(names):
        raise ValueError(f"{path}: joints has a name twice; every joint needs its own name")

    def indices(key: str) -> tuple[tuple[int, int], ...]:
        pairs = []
        for pair in raw.get(key) or []:
            unknown = [name for name in pair if name not in names]
            if unknown or len(pair) != 2:
                raise ValueError(f"{path}: {key} has the entry {pair}; each entry is two names "
                                 f"out of joints")
            pairs.append((names.index(pair[0]), names.index(pair[1])))
        return tuple(pairs)

    for joint in raw["joints"]:
        if len(joint) != 4 or joint[3] not in ("upper", "lower"):
            raise ValueError(f"{path}: joints has the entry {joint}; write "
                             f"[name, sigma, weight, upper or lower]")
    return Skeleton(
        name=str(raw.get("name", path.stem)), joint_names=names,
        sigmas=tuple(float(joint[1]) for joint in raw["joints"]),
        joint_weights=tuple(float(joint[2]) for joint in raw["joints"]),
        upper_body=tuple(i for i, joint in enumerate(raw["joints"]) if joint[3] == "upper"),
        lower_body=tuple(i for i, joint in enumerate(raw["joints"]) if joint[3] == "lower"),
        flip_pairs=indices("flip_pairs"), limbs=indices("limbs"))
