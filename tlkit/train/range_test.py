"""The arithmetic of a learning-rate range test, without a model (Smith 2017, arXiv:1506.01186, section 3.3).

The rate rises geometrically from step to step while the loss of each batch is noted. The rate at which the smoothed
loss falls fastest is suggested, as fastai and PyTorch Lightning do.
"""

from __future__ import annotations

import numpy as np


def geometric_rates(low: float, high: float, steps: int) -> np.ndarray:
    """Learning rates, each the same multiple of the one before.

    Args:
        low: the first, greater than 0.
        high: the last, greater than ``low``.
        steps: how many, at least 2.

    Returns:
        float64 (steps,).

    Raises:
        ValueError: the arguments are not as said.
    """
    if not 0 < low < high < np.inf:
        raise ValueError(f"expected 0 < low < high, received low = {low:g}, high = {high:g}")
    if steps < 2:
        raise ValueError(f"expected at least 2 steps, received {steps}")
    return np.geomspace(low, high, steps, dtype=np.float64)


def smooth(losses: np.ndarray, beta: float = 0.98) -> np.ndarray:
    """Exponential moving mean without the pull towards 0 of its beginning (Kingma and Ba 2015, arXiv:1412.6980).

    It lags behind by about beta / (1 - beta) steps: many more steps than that belong in a test.

    Args:
        losses: (steps,).
        beta: the weight of the past, in 0-1, less than 1; 0 smooths nothing.

    Returns:
        float64 (steps,): each a weighted mean of the losses so far. From a loss that is not finite on, none is.

    Raises:
        ValueError: ``beta`` is not in that range.
    """
    if not 0 <= beta < 1:
        raise ValueError(f"expected 0 <= beta < 1, received {beta:g}")
    means = np.empty(len(losses), np.float64)
    mean = 0.0
    for step, loss in enumerate(np.asarray(losses, np.float64)):
        mean = beta * mean + (1 - beta) * float(loss)
        means[step] = mean / (1 - beta ** (step + 1))
    return means


def diverged(smoothed: np.ndarray, factor: float = 4.0) -> bool:
    """Whether the test can stop: the last loss is not finite, or above ``factor`` times the least so far.

    Args:
        smoothed: (steps,) losses up to now, not negative; none: not diverged.
        factor: greater than 1.
    """
    if not len(smoothed):
        return False
    last = float(smoothed[-1])
    return not np.isfinite(last) or last > factor * float(np.min(smoothed))


def suggest(rates: np.ndarray, smoothed: np.ndarray, skip_begin: int = 10, skip_end: int = 5) -> float | None:
    """The rate at which the smoothed loss falls most steeply over the logarithm of the rate.

    Args:
        rates: (steps,) rising.
        smoothed: (steps,) losses; what follows the first that is not finite is left out.
        skip_begin: steps at the beginning that are not looked at: their mean is of few batches.
        skip_end: steps at the end that are not looked at: there the loss blows up. Of short tests, in which the two
            are more than half of the steps, a quarter is skipped on either side.

    Returns:
        one of the rates; None where the loss falls nowhere, or there are fewer than 2 steps.
    """
    losses = np.asarray(smoothed, np.float64)
    broken = np.flatnonzero(~np.isfinite(losses))
    steps = int(broken[0]) if len(broken) else len(losses)
    if steps < 2:
        return None
    slopes = np.gradient(losses[:steps], np.log(np.asarray(rates, np.float64)[:steps]))
    if skip_begin + skip_end > steps // 2:
        skip_begin = skip_end = steps // 4
    looked_at = slopes[skip_begin : steps - skip_end]
    steepest = int(np.argmin(looked_at))
    rounding = 1e-9 * abs(losses[0])
    return float(rates[skip_begin + steepest]) if looked_at[steepest] < -rounding else None
