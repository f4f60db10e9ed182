"""The visibility output (nets/pose/visibility.py) of a file, for networks with and without it."""
from collections.abc import Mapping

from torch import Tensor

VISIBILITY = "visibility."      # how its keys begin, by our names


def with_visibility_of(ours: Mapping[str, Tensor], theirs: dict[str, Tensor], changed: str,
                       same_joints: bool) -> tuple[dict[str, Tensor], str]:
    """`theirs` without a visibility output that the network has not, or has for other features or
    joints, and `changed` with what is said of that; both by our names. same_joints: whether both
    are for the same, in the same order.
    """
    told = {key: value for key, value in theirs.items() if key.startswith(VISIBILITY)}
    wanted = {key: value for key, value in ours.items() if key.startswith(VISIBILITY)}
    said = ""
    if told and not wanted:
        said = "its visibility output was left out"
    elif told and not (same_joints and told.keys() == wanted.keys() and all(
            told[key].shape == wanted[key].shape for key in told)):
        said = "its visibility output, which is for other joints or features, was left out"
    if said:
        theirs = {key: value for key, value in theirs.items() if key not in told}
    return theirs, "; ".join(filter(None, (changed, said)))
