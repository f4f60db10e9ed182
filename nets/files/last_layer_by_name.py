"""Joint rows: the last layer of a checkpoint for other joints, carried over by their names.

The last layer has a row of weights for each joint. A network for another skeleton starts better
with the rows of the joints that both skeletons have than with none.
"""
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from nets.files.state_dict_checks import LAST_LAYER


def stored_joint_names(checkpoint: Any) -> tuple[str, ...]:
    """The joint names that our own checkpoints carry; () if there are none."""
    skeleton = checkpoint.get("skeleton") if isinstance(checkpoint, Mapping) else None
    joints = skeleton.get("joints") if isinstance(skeleton, Mapping) else None
    if not isinstance(joints, Sequence) or isinstance(joints, str):
        return ()
    return tuple(str(joint[0]) if isinstance(joint, Sequence) and not isinstance(joint, str)
                 and joint else str(joint) for joint in joints)


def number_of_joints(theirs: Mapping[str, Tensor]) -> int:
    """Rows of the last layer of a state_dict by our names, 0 without one."""
    rows = [len(value) for key, value in theirs.items()
            if key.startswith(LAST_LAYER) and value.ndim]
    return rows[0] if rows else 0


def rows_by_name(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor],
                 their_names: Sequence[str], our_names: Sequence[str]) -> dict[str, Tensor]:
    """`theirs` with a last layer of our joints: their rows by name, our values for the rest.

    A last layer of another kind is left as it is. Both by our names.
    """
    state = dict(theirs)
    for key, value in theirs.items():
        own = ours.get(key)
        if own is None or not key.startswith(LAST_LAYER) or not value.ndim:
            continue
        if (value.shape[1:] == own.shape[1:]
                and (len(value), len(own)) == (len(their_names), len(our_names))):
            state[key] = own.clone()
            for row, name in enumerate(our_names):
                if name in their_names:
                    state[key][row] = value[their_names.index(name)]
    return state
