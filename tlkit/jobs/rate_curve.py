"""The curve of the loss over the learning rate in a range test (Smith 2017, arXiv:1506.01186, section 3.3).

The rate rises geometrically from step to step while the loss of each batch is recorded. The rate at which the smoothed
loss falls fastest is suggested, as in fastai and PyTorch Lightning.
"""

from __future__ import annotations

import numpy as np


def geometric_rates(low: float, high: float, steps: int) -> np.ndarray:
    """Return learning rates of which each is the same multiple of the one before.

    Args:
        low: the first rate, greater than 0.
        high: the last rate, greater than ``low``.
        steps: the number of rates, at least 2.

    Returns:
        float64 (steps,).

    Raises:
        ValueError: an argument is out of its range.
    """
    if not 0 < low < high < np.inf:
        raise ValueError(f"expected 0 < low < high, received low = {low:g}, high = {high:g}")
    if steps < 2:
        raise ValueError(f"expected at least 2 steps, received {steps}")
    return np.geomspace(low, high, steps, dtype=np.float64)


def smooth(losses: np.ndarray, width: float = 0.025) -> np.ndarray:
    """Smooth losses with a Gaussian window centred on each of them.

    The running mean of earlier tools lags: with its usual weight of 0.98, by half of a test of 100 steps, so that a
    loss that falls at a rate of 0.001 appears to fall at 0.03.

    Args:
        losses: float (steps,).
        width: the standard deviation of the window as a share of the steps, 0 or more; 0 smooths nothing.

    Returns:
        float64 (steps,). A loss that is not finite makes its neighbours not finite.

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
    """Return whether the last loss is not finite, or above ``factor`` times the lowest, so that the test can stop.

    Args:
        smoothed: float (steps,) losses so far, 0 or more; False if there are none.
        factor: greater than 1.
    """
    if not len(smoothed):
        return False
    last = float(smoothed[-1])
    return not np.isfinite(last) or last > factor * float(np.min(smoothed))


def suggest(rates: np.ndarray, smoothed: np.ndarray, skip_begin: int = 10, skip_end: int = 5) -> float | None:
    """Return the rate at which the smoothed loss falls most steeply over the logarithm of the rate.

    Args:
        rates: float (steps,), rising.
        smoothed: float (steps,) losses; those from the first that is not finite are left out.
        skip_begin: steps to leave out at the start, where the smoothed loss is the mean of few batches.
        skip_end: steps to leave out at the end, where the loss explodes. Short tests, in which the two are more than
            half of the steps, leave out a quarter on either side.

    Returns:
        one of the rates; None if the loss falls nowhere, or there are fewer than 2 steps.
    """
    losses = np.asarray(smoothed, np.float64)
    broken = np.flatnonzero(~np.isfinite(losses))
    steps = int(broken[0]) if len(broken) else len(losses)
    if steps < 2:
        return None
    slopes = np.gradient(losses[:steps], np.log(np.asarray(rates, np.float64)[:steps]))
    if skip_begin + skip_end > steps // 2:
        skip_begin = skip_end = steps // 4
    # After the lowest loss it rises; a fall there is the way back from a spike.
    end = min(steps - skip_end, max(int(np.argmin(losses[:steps])), skip_begin + 1))
    candidates = slopes[skip_begin:end]
    steepest = int(np.argmin(candidates))
    rounding = 1e-9 * abs(losses[0])
    return float(rates[skip_begin + steepest]) if candidates[steepest] < -rounding else None
