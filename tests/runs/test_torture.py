"""Runs that are killed anywhere and started again by the same command end as if they had not been.

The hits are drawn at random from all calls that an undisturbed run makes of the functions in
small_run.py, some in an epoch, some in an evaluation, some while a checkpoint is written.
"""
import hashlib
import json
import random
import signal

import pytest

pytestmark = pytest.mark.slow
PLACES = ("step", "evaluation", "write")


def end(runs, name: str) -> tuple[str, float]:
    """Fingerprint of all that a finished run would go on from, and its best AP."""
    state, best = runs.state(name), runs.state(name, "best")
    digest = hashlib.sha256()
    for part in (state["net"], state["ema"], state["optimizer"]["state"], best["ema"]):
        for key, value in flat(part):
            digest.update(f"{key}".encode() + value.numpy().tobytes())
    assert state["step"] == 3 * state["steps_per_epoch"]
    return digest.hexdigest(), best["best"]["AP"]


def flat(part, prefix=""):
    for key, value in part.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


@pytest.fixture(scope="module")
def runs(small_runs):
    small_runs.settings |= {
        "optim.epochs": 3, "optim.warmup_epochs": 1, "val.save_steps": 2, "val.save_minutes": 10,
        "val.batch_size": 2}
    return small_runs


@pytest.fixture(scope="module")
def undisturbed(runs):
    """How often each hook is called."""
    calls = runs.folder / "calls.json"
    assert runs("whole", calls_to=calls) == 0, runs.log("whole")
    assert runs("whole2", **{"data.num_workers": 2}) == 0, runs.log("whole2")
    assert end(runs, "whole") == end(runs, "whole2")
    return json.loads(calls.read_text())


def draw(calls: dict, place: str, lot: random.Random) -> list:
    """A hook of that place and which of its calls to hit."""
    hook = lot.choice([hook for hook in calls if hook.startswith(place) and calls[hook]])
    return [hook, lot.randint(1, calls[hook])]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("workers", [0, 2])
def test_killed_runs_end_with_the_weights_of_an_undisturbed_one(runs, undisturbed, seed, workers):
    lot = random.Random(1000 * workers + seed)
    place, name = PLACES[seed % 3], f"killed_{workers}_{seed}"
    hit = draw(undisturbed, place, lot)
    settings = {"data.num_workers": workers}
    assert runs(name, [*hit, signal.SIGKILL, "self"], **settings) == -signal.SIGKILL
    assert runs.log(name).rstrip().endswith(f"hit at {hit[0]}")
    again = draw(undisturbed, lot.choice(PLACES), lot)      # and maybe once more on the way
    if runs(name, [*again, signal.SIGKILL, "self"], **settings) != 0:
        assert runs(name, **settings) == 0, runs.log(name)
    assert end(runs, name) == end(runs, "whole")
    assert not list((runs.folder / name).glob("*.tmp"))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_told_to_end_saves_and_goes_on(runs, undisturbed, seed, workers):
    lot = random.Random(2000 * workers + seed)
    name, number = f"stopped_{workers}_{seed}", (signal.SIGTERM, signal.SIGINT)[seed % 2]
    # not in the last evaluation, behind which there is nothing left to stop
    hit = draw(undisturbed, "step", lot) if seed else ["evaluation: judge", 1]
    settings = {"data.num_workers": workers}
    assert runs(name, [*hit, number, "self"], **settings) == 128 + number, runs.log(name)
    assert "stopped by a signal" in runs.log(name)
    assert runs(name, **settings) == 0, runs.log(name)
    assert end(runs, name) == end(runs, "whole")
