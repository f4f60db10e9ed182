"""LoadReport: what was taken from a weights file, and what was not."""
from dataclasses import dataclass

from utils.shown import first_few


@dataclass(frozen=True)
class LoadReport:
    """What `load_weights` did. Names are those of our net, in `left` those of the file."""
    where: str                      # the file, or "the given weights"
    source: str                     # a key of SOURCES
    loaded: tuple[str, ...]
    missed: tuple[str, ...]         # not had from the file: they keep their values
    left: tuple[str, ...]           # of the file, not used
    reinitialised: tuple[str, ...]  # the last layer, where the file has another number of joints
    input_format: str | None        # what these weights want; None: unknown
    alignment: str | None
    kept_joints: tuple[str, ...] = ()   # of a file for other joints: those with the same name
    new_joints: tuple[str, ...] = ()    # those that the file does not have
    changed: str = ""               # what was left out or made to fit on the way
    assumed: str = ""               # on what the source rests, where the keys leave a choice

    def __str__(self) -> str:
        text = f"{self.where} ({self.source}): {len(self.loaded)} tensors loaded"
        for what, names in (("not in the file", self.missed), ("left over", self.left),
                            ("re-initialised for another number of joints", self.reinitialised)):
            if names:
                text += f"; {what}: {first_few(names)}"
        if self.kept_joints or self.new_joints:
            text += (f"; it is for other joints: the last layer keeps its weights for "
                     f"{', '.join(self.kept_joints) or 'none'} and begins anew for "
                     f"{', '.join(self.new_joints) or 'none'}")
        return "; ".join(filter(None, (text, self.changed, self.assumed)))
