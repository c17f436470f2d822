"""Confidence intervals of metrics by the bootstrap: how much a metric would vary with other images of the same kind.

The percentile bootstrap of Efron 1979 (https://doi.org/10.1214/aos/1176344552). Images that belong together, such as
those of one patient, are drawn together, as one of them says little that the others do not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

LEVEL = 0.95
"""The share of repeated experiments whose interval contains the true value."""
DRAWS = 1000
_VALUES = 3e7
"""The most weights that are drawn for one interval; with more groups than 30,000 there are fewer draws."""
_FEWEST_DRAWS = 200
_AT_ONCE = 4e6

Interval = tuple[float, float]


def bootstrap_interval(
    parts: np.ndarray,
    metric: Callable[[np.ndarray], np.ndarray],
    groups: np.ndarray | None = None,
    *,
    seed: int = 0,
) -> Interval | None:
    """Return the interval of a metric that is computed from sums over images.

    Args:
        parts: (N, K) what each image adds to each of K sums, such as (is correct, 1).
        metric: returns the metric, float (B,), from the sums of B draws, float64 (B, K); NaN where it has no value.
        groups: int (N,) the group of each image; None if each is one of its own.
        seed: the seed of the draws.

    Returns:
        its lower and upper bound; None with fewer than two groups, or if the metric has no value.
    """
    draws = resampled_sums(parts, groups, seed=seed)
    return None if draws is None else percentile_interval(metric(draws))


def percentile_interval(values: np.ndarray) -> Interval | None:
    """Return the middle 95 % of the values of all draws, float (B,); None if none has a value."""
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def resampled_sums(parts: np.ndarray, groups: np.ndarray | None = None, *, seed: int = 0) -> np.ndarray | None:
    """Return the sums of images drawn with replacement, float64 (B, K); None with fewer than two groups.

    Two calls with as many groups and the same seed draw the same groups, so that two models can be compared on them.
    """
    summed = _by_group(np.asarray(parts, np.float64), groups)
    count = len(summed)
    if count < 2:
        return None
    draws = int(np.clip(_VALUES // count, _FEWEST_DRAWS, DRAWS))
    random = np.random.default_rng([seed, 95])
    rows = max(1, int(_AT_ONCE // count))
    sums = []
    for start in range(0, draws, rows):
        weights = [
            np.bincount(random.integers(0, count, count), minlength=count) for _ in range(min(rows, draws - start))
        ]
        sums.append(np.asarray(weights, np.float64) @ summed)
    return np.concatenate(sums)


def _by_group(parts: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    if groups is None:
        return parts
    _, numbers = np.unique(groups, return_inverse=True)
    summed = np.zeros((int(numbers.max(initial=-1)) + 1, parts.shape[1]))
    np.add.at(summed, numbers, parts)
    return summed
