"""Calibration: whether probabilities are shares, and the temperature that makes them so.

Of the images that a calibrated model calls "cat" with 80 %, 80 % are cats (Guo et al. 2017,
https://arxiv.org/abs/1706.04599). Temperature scaling divides the logits by one number, chosen on held-out images: it
changes probabilities and no prediction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 15
_FROM, _TO = 0.02, 50.0
_LEAST = 1e-12
_FITTED_IMAGES, _FITTED_VALUES = 1000, 1_000_000
"""The temperature is fitted on at least so many images, and on at least so many probabilities, where there are more."""


@dataclass(frozen=True)
class Reliability:
    """How probabilities compare with what came true, in bins of equal width.

    Args:
        counts: int (bins,), how many probabilities lie in each bin.
        stated: float64 (bins,), their mean; NaN in an empty bin.
        true: float64 (bins,), the share that came true; NaN in an empty bin.
    """

    counts: np.ndarray
    stated: np.ndarray
    true: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error: the mean distance between both over the images, 0-1."""
        known = self.counts > 0
        gaps = np.abs(self.stated[known] - self.true[known])
        return float((gaps * self.counts[known]).sum() / max(int(self.counts.sum()), 1))


def reliability(probabilities: np.ndarray, true: np.ndarray) -> Reliability:
    """Compare probabilities with what came true.

    Args:
        probabilities: float (N,), 0-1: of the predicted class of each image; or of each label.
        true: bool (N,), whether the prediction was right; or whether the image has the label.
    """
    places = np.minimum((np.asarray(probabilities, np.float64) * BINS).astype(int), BINS - 1)
    counts = np.bincount(places, minlength=BINS)
    with np.errstate(invalid="ignore"):
        stated = np.bincount(places, probabilities, BINS) / counts
        share = np.bincount(places, true, BINS) / counts
    return Reliability(counts, stated, share)


def confidences(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what ``reliability`` compares: probabilities, and whether they came true.

    Args:
        probabilities: float (N, classes).
        labels: int (N,) class numbers: the probability of the predicted class counts; or multi-hot (N, classes): that
            of each label counts.
    """
    if labels.ndim == 2:
        return probabilities.reshape(-1), labels.reshape(-1) > 0.5
    return probabilities.max(1), probabilities.argmax(1) == labels


def scaled(probabilities: np.ndarray, temperature: float, *, exclusive: bool) -> np.ndarray:
    """Return the probabilities of logits divided by a temperature, float64, shaped like the probabilities.

    Args:
        probabilities: float (…, classes), 0-1.
        temperature: above 1 it makes them less certain, below 1 more.
        exclusive: True if those of an image add up to 1 (softmax), False if each stands alone (sigmoid).
    """
    logits = _logits(probabilities, exclusive=exclusive) / temperature
    if not exclusive:
        return np.asarray(1 / (1 + np.exp(-logits)))
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(shares / shares.sum(-1, keepdims=True))


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature that gives labels the highest likelihood, 0.02 to 50.

    Args:
        probabilities: float (N, classes) of images that the model was not trained on, N at least 1.
        labels: int (N,) class numbers, or multi-hot (N, classes).
    """
    from scipy.optimize import minimize_scalar

    exclusive = labels.ndim == 1
    # One number needs no more than some of very many images.
    every = max(1, len(labels) // max(_FITTED_IMAGES, _FITTED_VALUES // probabilities.shape[1]))
    logits, labels = _logits(probabilities[::every], exclusive=exclusive), labels[::every]

    def loss(exponent: float) -> float:
        divided = logits / np.exp(exponent)
        if exclusive:
            total = np.logaddexp.reduce(divided, -1)
            return float((total - divided[np.arange(len(labels)), labels]).mean())
        return float((np.logaddexp(0, divided) - divided * labels).mean())

    found = minimize_scalar(loss, bounds=(np.log(_FROM), np.log(_TO)), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))


def _logits(probabilities: np.ndarray, *, exclusive: bool) -> np.ndarray:
    """Return logits that have these probabilities, float64."""
    values = np.clip(np.asarray(probabilities, np.float64), _LEAST, 1.0)
    if exclusive:
        return np.asarray(np.log(values))
    return np.asarray(np.log(values) - np.log(np.maximum(1 - values, _LEAST)))
