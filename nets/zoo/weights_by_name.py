"""find_weights: what a user writes where weights are asked for, a path or a name, to a file."""
from dataclasses import dataclass
from pathlib import Path

import torch

from nets.zoo.fetch import ensure_hash, fetch
from nets.zoo.hub import hub_file, is_hub
from nets.zoo.published import PUBLISHED, Published
from utils.errors import UserError
from utils.files import ROOT
from utils.log import log
from utils.shown import most_like

LIKE = 0.75             # how much of a name a mistyped one has


@dataclass(frozen=True)
class FoundWeights:
    """A file of weights, and what is known of it from its name."""
    path: Path
    given: str                              # the path or name that the user wrote, for messages
    published: Published | None = None      # its row, if it is a name

    @property
    def source(self) -> str | None:
        """A key of SOURCES (nets/files/sources.py), if it is known."""
        return self.published.source if self.published else None


def find_weights(given: str | Path, kind: str = "pose network") -> FoundWeights:
    """The file of a path, or of a name in the table of `published.py`, which is fetched into the
    cache of torch.hub unless it is there. A path that exists is no name. hf://org/name is a file of
    the Hugging Face Hub, see `hub.py`.

    A path at which nothing lies comes back as it is, for its reader to complain about. Raises
    FileNotFoundError for a name that is almost one of the table, and UserError or OSError for
    one of the other kind and a file that cannot be had or is another than was published.
    """
    if is_hub(given):
        return FoundWeights(hub_file(given), str(given))
    row = find_row(given, kind)
    return FoundWeights(local_file(row) if row else Path(given), str(given), row)


def find_row(given: str | Path, kind: str = "") -> Published | None:
    """The row of a name, of any kind if none is given; None for the path of a file. Raises as
    `find_weights`, and fetches nothing."""
    row = PUBLISHED.get(str(given))
    if Path(given).exists():
        if row:
            log.info("%s is taken from the disk, and not the published weights of that name", given)
        return None
    if row and kind and row.kind != kind:
        raise UserError(f"{given} names a {row.kind}, and a {kind} is wanted here: see the names "
                        f"that python main.py weights lists")
    if row is None and (near := most_like(str(given), PUBLISHED, LIKE)):
        raise FileNotFoundError(f"there are no weights {given}: did you mean "
                                f"{' or '.join(near)}? python main.py weights lists the names")
    return row


def place_of(row: Published) -> Path:
    """Where the file of a row lies, or will."""
    if row.place:
        return ROOT / row.place
    return Path(torch.hub.get_dir()) / "checkpoints" / row.address.rpartition("/")[2]


def local_file(row: Published) -> Path:
    """The file of a row, fetched unless it is there, and checked. Raises as `find_weights`."""
    path = place_of(row)
    again = "get it again, for it comes with this project"
    if path.is_file():
        if row.sha256:
            ensure_hash(path, row.sha256, again if row.place else "remove it, and it will be "
                                                                  "fetched again")
        return path
    if row.place:
        raise UserError(f"{row.name} is not at {path}: {again}")
    words = f"{row.name} is under {row.licence}"
    if row.terms:
        log.warning("%s: %s (docs/licences.md)", words, row.terms)
    else:
        log.info("%s (docs/licences.md)", words)
    fetch(row.address, path, row.sha256)
    return path
