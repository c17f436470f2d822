"""Differences of metrics between two models that were measured on the same images.

Both are measured on the same draws of the bootstrap, so that what makes images easy or hard for both cancels out: Efron
and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8; for two models on one test set Berg-Kirkpatrick and
others 2012 (https://aclanthology.org/D12-1091). Single answers are compared by the test of McNemar 1947
(https://doi.org/10.1007/BF02295996), by its exact distribution.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tlkit.evaluation.intervals import LEVEL, Interval, draws, middle
from tlkit.evaluation.weighted_metrics import Measure

_ROUNDING = 5e-5
"""Smaller differences are not told: one model by two engines differs in the sixth digit, for each image alike."""


@dataclass(frozen=True)
class MetricDifference:
    """The difference of a metric between two models on the same images.

    Args:
        metric: its name.
        first: its value for the first model.
        second: its value for the second model.
        interval: the 95 % interval of second − first; None if there are too few images or groups to tell.
        lower_is_better: True for a loss.
        discordant: how many images only the first model, and only the second one, gets right; None where answers of
            single images are not right or wrong.
        p_value: how likely these numbers, or more unequal ones, are if both models are right equally often; None where
            McNemar's test does not apply.
    """

    metric: str
    first: float
    second: float
    interval: Interval | None
    lower_is_better: bool = False
    discordant: tuple[int, int] | None = None
    p_value: float | None = None

    @property
    def difference(self) -> float:
        """The second model's value less the first's."""
        return self.second - self.first

    @property
    def told(self) -> bool:
        """True if the second model differs from the first by more than rounding and the choice of images explain."""
        if self.interval is None or self.interval[0] <= 0 <= self.interval[1] or abs(self.difference) < _ROUNDING:
            return False
        return self.p_value is None or self.p_value < 1 - LEVEL

    @property
    def verdict(self) -> str:
        """``better``, ``worse`` or ``no difference can be told``, said of the second model."""
        if not self.told:
            return "no difference can be told"
        return "better" if (self.difference < 0) == self.lower_is_better else "worse"


@dataclass(frozen=True)
class Answers:
    """What a model, or the models of several folds, made of images.

    Args:
        measures: of each model, its metrics given how often each image counts.
        correct: bool (N,), which images the model gets right; None for several models, and where an image is neither
            right nor wrong.
    """

    measures: Sequence[Measure]
    correct: np.ndarray | None = None

    def metrics(self, weights: np.ndarray) -> dict[str, float]:
        """Return the mean of each metric over the models, NaN if one of them has no value."""
        each = [measure(weights) for measure in self.measures]
        return {
            name: float(np.mean([np.nan if one.get(name) is None else one[name] for one in each])) for name in each[0]
        }


def paired_differences(
    first: Answers,
    second: Answers,
    metrics: Mapping[str, bool],
    count: int,
    groups: Sequence[Hashable | None] | None = None,
) -> tuple[MetricDifference, ...]:
    """Return how much a second model differs from a first one on the same images.

    Args:
        first: what the first one made of them.
        second: what the second one made of them.
        metrics: the metrics to compare, and whether less of them is better.
        count: the number of images, N.
        groups: the group of each image; None for one that is in none, and for none at all.

    Returns:
        a difference for each of the metrics that has a value for both.
    """
    once = np.ones(count, np.int64)
    values = first.metrics(once), second.metrics(once)
    known = [name for name in metrics if all(not np.isnan(each.get(name, np.nan)) for each in values)]
    drawn = []
    for weights in draws(count, groups):
        found = first.metrics(weights), second.metrics(weights)
        drawn.append([found[1][name] - found[0][name] for name in known])
    of_draws = np.array(drawn, np.float64).reshape(len(drawn), len(known))
    in_groups = groups is not None and len(set(groups) - {None}) < sum(group is not None for group in groups)
    return tuple(
        MetricDifference(
            name,
            values[0][name],
            values[1][name],
            middle(of_draws[:, column]),
            metrics[name],
            *(_of_single_images(first, second, in_groups=in_groups) if name == "accuracy" else ()),
        )
        for column, name in enumerate(known)
    )


def _of_single_images(
    first: Answers, second: Answers, *, in_groups: bool
) -> tuple[tuple[int, int] | None, float | None]:
    """Return the discordant images and McNemar's p; the images of a group are not independent, as the test takes it."""
    if first.correct is None or second.correct is None:
        return None, None
    only = int((first.correct & ~second.correct).sum()), int((second.correct & ~first.correct).sum())
    return only, None if in_groups else mcnemar(*only)


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p of McNemar's test.

    Args:
        only_first: the images that only the first model gets right.
        only_second: those that only the second one gets right.
    """
    from scipy.stats import binomtest

    if not only_first + only_second:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)


class LossMeasure:
    """The mean loss of images, as ``loss``.

    Args:
        losses: float (N,).
        sizes: float (N,), how much each image counts, such as its pixels; None: all the same.
    """

    def __init__(self, losses: np.ndarray, sizes: np.ndarray | None = None) -> None:
        self._losses = losses.astype(np.float64)
        self._sizes = np.ones(len(losses)) if sizes is None else sizes.astype(np.float64)

    def __call__(self, weights: np.ndarray) -> Mapping[str, float | None]:
        """Return ``loss``."""
        counts = weights * self._sizes
        total = counts.sum()
        return {"loss": float(counts @ self._losses / total) if total else None}
