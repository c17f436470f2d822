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


def smooth(losses: np.ndarray, width: float = 0.025) -> np.ndarray:
    """The losses behind a Gaussian window that is centred on each.

    The running mean of the earlier tools lags behind: with its usual weight of 0.98, by half of a test of 100 steps,
    and what falls at a rate of 0.001 seems to fall at 0.03.

    Args:
        losses: (steps,).
        width: standard deviation of the window as a share of the steps, 0 or more; 0 smooths nothing.

    Returns:
        float64 (steps,). A loss that is not finite spoils its neighbours.

    Raises:
        ValueError: ``width`` is less than 0.
    """
    from scipy.ndimage import gaussian_filter1d

    if not width >= 0:
        raise ValueError(f"expected a width of 0 or more, received {width:g}")
    values = np.asarray(losses, np.float64)
    if not len(values) or width == 0:
        return values
    return np.asarray(gaussian_filter1d(values, width * len(values), mode="nearest"), np.float64)


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
    # Behind the least loss it rises; what falls there falls back from a spike.
    end = min(steps - skip_end, max(int(np.argmin(losses[:steps])), skip_begin + 1))
    looked_at = slopes[skip_begin:end]
    steepest = int(np.argmin(looked_at))
    rounding = 1e-9 * abs(losses[0])
    return float(rates[skip_begin + steepest]) if looked_at[steepest] < -rounding else None
