"""Whether probabilities are right, and the temperature that makes them so: Guo et al. 2017, "On
Calibration of Modern Neural Networks".

Both take probabilities (M, C), such as of a softmax, and `truth` (M,), the number of the class
that was the case.
"""
import numpy as np

BINS = 15               # as in the paper
SMALLEST = 1e-12        # probability; its logarithm is still of use
LOWEST, HIGHEST = 0.05, 20.0        # temperature
STEPS = 40              # of bisection, beyond the digits of float32


def calibration_error(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Expected calibration error (equation 3): by how much the largest probability misses the share
    of right answers, the mean over 15 equal bins of it, weighed by how many fall into each."""
    confidence = probabilities.max(axis=1)
    gap = confidence - (probabilities.argmax(axis=1) == truth)
    places = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    return float(np.abs(np.bincount(places, gap, BINS)).sum() / len(truth))


def fit_temperature(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """The T for which softmax(log(probabilities) / T) makes the truth most likely, between 0.05 and
    20. The likelihood has one maximum, which bisection of its slope in 1 / T finds."""
    logits = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST))
    wanted = logits[np.arange(len(truth)), truth].mean()
    low, high = np.log(1 / HIGHEST), np.log(1 / LOWEST)
    for _ in range(STEPS):
        middle = (low + high) / 2
        slope = (softmax(np.exp(middle) * logits) * logits).sum(axis=1).mean() - wanted
        low, high = (middle, high) if slope < 0 else (low, middle)
    return float(np.exp(-(low + high) / 2))


def at_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """The probabilities with their logits divided by it, float64."""
    logits = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST))
    return softmax(logits / temperature)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
