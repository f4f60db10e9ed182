"""Temperature and calibration error, against a plain search and a plain loop."""
import numpy as np
import pytest

from processors.judging.calibration import (
    at_temperature,
    calibration_error,
    fit_temperature,
    softmax,
)


@pytest.fixture
def drawn():
    """Logits, and a truth that is drawn by their softmax: of temperature 1."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, 3))
    shares = softmax(logits).cumsum(axis=1)
    return logits, (rng.random((20_000, 1)) > shares).sum(axis=1).clip(max=2)


def log_likelihood(probabilities, truth):
    return np.log(probabilities[np.arange(len(truth)), truth]).mean()


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_undoes_what_the_logits_were_multiplied_by(drawn, temperature):
    logits, truth = drawn
    probabilities = softmax(logits * temperature)
    found = fit_temperature(probabilities, truth)
    assert found == pytest.approx(temperature, rel=0.03)
    best = log_likelihood(at_temperature(probabilities, found), truth)
    assert all(best >= log_likelihood(at_temperature(probabilities, found * other), truth)
               for other in (0.5, 0.98, 1.02, 2))
    assert calibration_error(at_temperature(probabilities, found), truth) < 0.01
    if temperature != 1:
        assert calibration_error(probabilities, truth) > 0.03


def test_the_error_is_that_of_the_paper():
    """Equation 3, bin by bin."""
    rng = np.random.default_rng(1)
    probabilities = softmax(rng.normal(0, 1, (500, 3)))
    truth = rng.integers(0, 3, 500)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    wanted = 0.0
    for number in range(15):
        inside = (confidence >= number / 15) & (confidence < (number + 1) / 15)
        if inside.any():
            wanted += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    assert calibration_error(probabilities, truth) == pytest.approx(wanted, abs=1e-12)
    assert calibration_error(np.eye(3)[[0, 1]], np.array([0, 1])) == 0


def test_answers_without_a_doubt_stay_within_bounds():
    certain = np.eye(3, dtype=np.float32)[[0, 1, 2, 2]]
    assert fit_temperature(certain, np.array([0, 1, 2, 2])) == pytest.approx(0.05)
    assert fit_temperature(certain, np.array([1, 2, 0, 0])) == pytest.approx(20)
    assert np.isfinite(at_temperature(certain, 0.05)).all()
