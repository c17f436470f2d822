"""Conformal sets: the labels of an image that hold with a wanted probability.

Of the images that a set of labels is given for, at least the wanted share have their true label in it, whatever the
model, if the held-out images are like them (Vovk et al. 2005; Angelopoulos and Bates 2021,
https://arxiv.org/abs/2107.07511). A label is in the set if its probability is high enough: the least ambiguous sets
(LAC; Sadinle et al. 2019, https://arxiv.org/abs/1609.00451), which are the smallest on average. Adaptive sets (APS) of
37 breeds of pets were six times as large (recipes/RESULTS.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


def set_scores(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return what the true labels lack to certainty, float64 (N,), sorted.

    Args:
        probabilities: float (N, classes) of held-out images.
        labels: int (N,).
    """
    return np.sort(1 - np.asarray(probabilities, np.float64)[np.arange(len(labels)), labels])


def set_limit(scores: np.ndarray, level: float) -> float:
    """Return what a label may lack to certainty to be in a set; 1 for all labels, where there are too few images.

    Args:
        scores: float (n,), as ``set_scores`` returns them.
        level: the probability with which a set has the true label, between 0 and 1.
    """
    place = math.ceil((len(scores) + 1) * level - 1e-9)  # the correction for a finite number of images
    return 1.0 if place > len(scores) else float(scores[place - 1])


def label_sets(probabilities: np.ndarray, limit: float) -> np.ndarray:
    """Return which labels are in the sets, bool (N, classes); the most probable label always is.

    Args:
        probabilities: float (N, classes).
        limit: as ``set_limit`` returns it.
    """
    values = np.asarray(probabilities, np.float64)
    chosen = 1 - values <= limit + 1e-12
    chosen[np.arange(len(values)), values.argmax(1)] = True
    return np.asarray(chosen)


@dataclass(frozen=True)
class Coverage:
    """How sets of labels turned out on labelled images.

    Args:
        share: the share of images whose true label is in their set, 0-1.
        error: the standard error of the share, by the number of images.
        size: the mean number of labels in a set.
    """

    share: float
    error: float
    size: float


def coverage(probabilities: np.ndarray, labels: np.ndarray, limit: float) -> Coverage:
    """Measure sets on labelled images, N at least 1."""
    sets = label_sets(probabilities, limit)
    share = float(sets[np.arange(len(labels)), labels].mean())
    return Coverage(share, math.sqrt(share * (1 - share) / len(labels)), float(sets.sum(1).mean()))
