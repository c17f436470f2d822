"""How far two heat maps of an image agree."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

_GRID = 14
"""Cells in each direction in which maps are compared: as fine as the patches of an occlusion move."""
_HOT = 5
"""One fifth of the cells is hot."""


@dataclass(frozen=True)
class Agreement:
    """How far two heat maps agree.

    Args:
        rank_correlation: Spearman's rank correlation of their cells, -1 to 1; NaN if a map has the same value
            everywhere.
        overlap: of the hottest fifth of the cells of one map, the share that is among those of the other, 0-1; by
            chance it is 0.2. NaN like ``rank_correlation``.
    """

    rank_correlation: float
    overlap: float


def agreement(one: np.ndarray, other: np.ndarray) -> Agreement:
    """Compare two maps of an image, float (H, W), cell by cell.

    What speaks against the class, below 0, counts as 0, since Grad-CAM does not show it.
    """
    cells = [_cells(np.maximum(each, 0)) for each in (one, other)]
    if any(np.ptp(each) <= 1e-9 * max(1e-30, float(np.abs(each).max())) for each in cells):
        return Agreement(math.nan, math.nan)
    from scipy.stats import spearmanr

    count = len(cells[0]) // _HOT
    hottest = [set(np.argsort(-each, kind="stable")[:count].tolist()) for each in cells]
    return Agreement(float(spearmanr(*cells).statistic), len(hottest[0] & hottest[1]) / count)


def _cells(values: np.ndarray) -> np.ndarray:
    size = (min(_GRID, values.shape[1]), min(_GRID, values.shape[0]))
    picture = Image.fromarray(np.asarray(values, np.float32))
    return np.asarray(picture.resize(size, Image.Resampling.BOX), np.float64).reshape(-1)
