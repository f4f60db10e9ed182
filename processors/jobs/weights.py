"""`python main.py weights`: the published weights that have names, and fetching them."""
from collections.abc import Sequence
from itertools import groupby

from nets.zoo.published import PUBLISHED, Published
from nets.zoo.weights_by_name import find_row, local_file, place_of
from utils.errors import UserError
from utils.log import log, show, show_log


def weights(names: Sequence[str] = ()) -> None:
    """Fetch the weights of these names; without names list all. Raises UserError or OSError."""
    show_log()
    if not names:
        show(_table(list(PUBLISHED.values())))
        return
    rows = [find_row(name) for name in names]       # a mistyped one is said before the first comes
    for name, row in zip(names, rows, strict=True):
        if row is None:
            raise UserError(f"{name} is no name of published weights: python main.py weights "
                            f"lists them")
    for row in rows:
        if row is not None:
            log.info("%s lies in %s", row.name, local_file(row))


def _table(rows: list[Published]) -> str:
    width = max(len(row.name) for row in rows)
    terms = {text: f" [{number}]" for number, text in enumerate(
        dict.fromkeys(row.terms for row in rows if row.terms), 1)}
    lines = [f"{'name':{width}}   AP          size  fetched  licence"]
    for protocol, group in groupby(rows, lambda row: row.protocol):
        lines.append(f"AP on {protocol}:")
        for row in group:
            path, size = place_of(row), row.megabytes
            if is_there := path.is_file():
                size = path.stat().st_size / 1e6
            lines.append("  ".join((
                f"{row.name:{width}}", f"{'' if row.ap is None else f'{row.ap:.3f}':5}",
                f"{f'{size:.1f} MB' if size else 'unknown':>10}",
                f"{'yes' if is_there else 'no':7}", row.licence + terms.get(row.terms, ""))))
    lines += [f"{number.strip()} {text}" for text, number in terms.items()]
    fetched = next(row for row in rows if row.address)
    return "\n".join([*lines, f"Fetched files lie in {place_of(fetched).parent}; docs/weights.md "
                              f"says more."])
