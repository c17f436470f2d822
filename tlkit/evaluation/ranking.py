"""How well a linear head on features predicts labels, and which of several can't be told apart from the best."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from tlkit.evaluation.intervals import Interval, draws, intervals, middle
from tlkit.evaluation.linear_head import out_of_fold_probabilities
from tlkit.evaluation.logme import logme


@dataclass(frozen=True)
class HeadScore:
    """How good features are.

    Args:
        logme: the log evidence per image (see ``logme``).
        counts: float64 (3, N): of each image the labels that head and truth have in common, those of the truth, and
            those of the head; for single labels whether the head is right, and twice 1.
    """

    logme: float
    counts: np.ndarray

    def score(self, weights: np.ndarray | None = None) -> float | None:
        """Return the accuracy, or the micro-averaged F1 of several labels; None where there is nothing to count.

        Args:
            weights: int (N,), how often each image counts; None: once.
        """
        hits, true, predicted = self.counts.sum(1) if weights is None else self.counts @ weights
        total = (true + predicted) / 2
        return float(hits / total) if total else None

    def interval(self, groups: Sequence[Hashable | None]) -> Interval | None:
        """Return the 95 % interval of the score, by the bootstrap over images, or over groups of images."""
        is_share = bool((self.counts[1:] == 1).all())
        found = intervals(
            lambda weights: {"score": self.score(weights)},
            self.counts.shape[1],
            groups,
            ["score"] if is_share else [],
        )
        return found.get("score")

    def is_behind(self, best: HeadScore, groups: Sequence[Hashable | None]) -> bool:
        """Return whether the score is lower than another on the same images in 97.5 % of all draws of them."""
        pairs = [(self.score(weights), best.score(weights)) for weights in draws(self.counts.shape[1], groups)]
        differences = [ours - theirs for ours, theirs in pairs if ours is not None and theirs is not None]
        bounds = middle(np.array(differences))
        return bounds is not None and bounds[1] < 0


def head_score(
    features: np.ndarray, labels: np.ndarray, classes: int, groups: Sequence[Hashable | None], seed: int
) -> HeadScore:
    """Cross-validate a linear head on features, and compute their LogME.

    Args:
        features: float32 (N, D), N at least 2.
        labels: int (N,) class numbers, or multi-hot (N, K).
        classes: the number of classes, K.
        groups: the group of each image; None for one that is in none.
        seed: decides which images are in which fold.
    """
    found = out_of_fold_probabilities(features, labels, classes, groups=groups, seed=seed)
    if labels.ndim == 1:
        right = (found.argmax(1) == labels).astype(np.float64)
        counts = np.stack([right, np.ones_like(right), np.ones_like(right)])
    else:
        truth, predicted = labels > 0.5, found > 0.5
        counts = np.stack([(truth & predicted).sum(1), truth.sum(1), predicted.sum(1)]).astype(np.float64)
    return HeadScore(logme(features, labels), counts)
