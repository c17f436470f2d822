"""Confidence intervals of metrics by the bootstrap: how much a metric would vary with other images of the same kind.

The percentile bootstrap of Efron 1979 (https://doi.org/10.1214/aos/1176344552). Images that belong together, such as
those of one patient, are drawn together, as one of them says little that the others do not. Where all images are right,
or all are wrong, all draws are equal, although another image may well differ: then a share of images has the exact
interval of Clopper and Pearson 1934 (https://doi.org/10.1093/biomet/26.4.404), and another metric has none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence

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
    shares: Collection[str] = (),
) -> dict[str, Interval]:
    """Return the interval of each metric.

    Args:
        measure: returns metrics from how often each image counts, int (N,); None or NaN for one that has no value.
        count: the number of images, N.
        groups: the group of each image; None for one that is in none, and for none at all.
        shares: the metrics that are a share of the images, such as the accuracy.

    Returns:
        metric → its lower and upper bound, of the metrics that have a value and that vary, or are a share; empty with
        fewer than two groups.
    """
    drawn = [measure(weights) for weights in draws(count, groups)]
    found = {}
    for name in drawn[0] if drawn else ():
        values = np.array([each[name] for each in drawn], np.float64)
        interval = middle(values)
        if interval is not None and np.nanmin(values) == np.nanmax(values):
            interval = _of_equal(interval[0], len(set(group_numbers(count, groups)))) if name in shares else None
        if interval is not None:
            found[name] = interval
    return found


def _of_equal(share: float, count: int) -> Interval | None:
    """Return the exact interval of a share that is 1 or 0 in all of a number of groups; None for another share."""
    least = float(((1 - LEVEL) / 2) ** (1 / count))
    return {1.0: (least, 1.0), 0.0: (0.0, 1 - least)}.get(share)


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
