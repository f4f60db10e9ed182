"""Which evaluation was the best of a run, by the number that `val.best` names."""
import math
from typing import Any

LOWER_IS_BETTER = ("EPE", "NME")
NONE_YET = {"AP": -1.0}         # the best of a run that has not evaluated


def rank(values: dict[str, Any], name: str) -> float:
    """A number that is higher for better values; minus infinity where it is undefined."""
    value = values.get(name, -1.0)
    if not 0 <= value < math.inf:
        return -math.inf
    return -value if name in LOWER_IS_BETTER else value


def is_better(values: dict[str, Any], best: dict[str, Any], name: str) -> bool:
    """Where nothing was defined so far, the newest is kept: a run is to end with weights."""
    return rank(values, name) > rank(best, name) or rank(best, name) == -math.inf


def in_words(best: dict[str, Any], name: str) -> str:
    """Such as "best AP 0.7012 after epoch 3"."""
    if "epoch" not in best:
        return "no evaluation has chosen a best epoch"
    if rank(best, name) == -math.inf:
        return (f"{name} is undefined in every evaluation, so the weights of the last one, epoch "
                f"{best['epoch']}, are kept as the best")
    return f"best {name} {best[name]:.4f} after epoch {best['epoch']}"
