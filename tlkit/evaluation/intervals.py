"""Confidence intervals of metrics by the bootstrap: how much a metric would vary with other images of the same kind.

The percentile bootstrap of Efron 1979 (https://doi.org/10.1214/aos/1176344552). Images that belong together, such as
those of one patient, are drawn together, as one of them says little that the others do not.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

import numpy as np

LEVEL = 0.95
"""The share of repeated experiments whose interval contains the true value."""
_DRAWS, _FEWEST = 1000, 200
_IMAGES = 3e7
"""The most images that are drawn for one split; with more than 30,000 there are fewer draws, down to 200."""

Interval = tuple[float, float]


def intervals(
    measure: Callable[[np.ndarray], Mapping[str, float | None]],
    count: int,
    groups: Sequence[Hashable | None] | None = None,
) -> dict[str, Interval]:
    """Return the interval of each metric.

    Args:
        measure: returns metrics from how often each image counts, int (N,); None or NaN for one that has no value.
        count: the number of images, N.
        groups: the group of each image; None for one that is in none, and for none at all.

    Returns:
        metric → its lower and upper bound, of the metrics that have a value; empty with fewer than two groups.
    """
    drawn = [measure(weights) for weights in draws(count, groups)]
    found = {}
    for name in drawn[0] if drawn else ():
        values = np.array([each[name] for each in drawn], np.float64)
        if interval := middle(values):
            found[name] = interval
    return found


def middle(values: np.ndarray) -> Interval | None:
    """Return the bounds of the middle 95 % of the values of all draws, float (B,); None if none has a value."""
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def draws(count: int, groups: Sequence[Hashable | None] | None = None) -> Iterator[np.ndarray]:
    """Yield how often each image counts in each draw of the groups with replacement, int (N,).

    The draws depend on nothing but the groups, so two models can be compared on the same ones.
    """
    of_image = group_numbers(count, groups)
    drawn = int(of_image.max(initial=-1)) + 1
    if drawn < 2:
        return
    random = np.random.default_rng(0)
    for _ in range(int(np.clip(_IMAGES // count, _FEWEST, _DRAWS))):
        yield np.bincount(random.integers(0, drawn, drawn), minlength=drawn)[of_image]


def group_numbers(count: int, groups: Sequence[Hashable | None] | None) -> np.ndarray:
    """Return the number of each image's group; one that is in none is a group of its own."""
    if groups is None:
        return np.arange(count)
    numbers: dict[object, int] = {}
    return np.array(
        [numbers.setdefault((place,) if group is None else group, len(numbers)) for place, group in enumerate(groups)],
        np.int64,
    )
