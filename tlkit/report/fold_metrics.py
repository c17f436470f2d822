"""The metrics of all folds of a cross-validation on one split, with their mean and spread."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FoldMetrics:
    """The metrics of all folds on one split.

    Args:
        folds: the numbers of each fold's ``metrics.json``.
        mean: metric → mean over the folds, of the metrics that all of them have.
        deviation: metric → sample standard deviation (n - 1) over the folds.
    """

    folds: tuple[Mapping[str, float], ...]
    mean: Mapping[str, float]
    deviation: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        """Return the metrics as plain values."""
        return {"folds": list(self.folds), "mean": dict(self.mean), "standard_deviation": dict(self.deviation)}


def fold_metrics(metrics: Sequence[Mapping[str, Any]]) -> FoldMetrics:
    """Return the metrics of all folds, at least 2, given those of a split in each fold's ``metrics.json``."""
    folds = tuple({name: value for name, value in each.items() if isinstance(value, float)} for each in metrics)
    names = [name for name in folds[0] if all(name in each for each in folds)]
    return FoldMetrics(
        folds,
        {name: _of(statistics.fmean, [each[name] for each in folds]) for name in names},
        {name: _of(statistics.stdev, [each[name] for each in folds]) for name in names},
    )


def _of(function: Callable[[Sequence[float]], float], values: Sequence[float]) -> float:
    """Return a statistic; NaN if a value is not finite, as the loss of a run that diverged: ``stdev`` fails on it."""
    return function(values) if all(map(math.isfinite, values)) else math.nan
