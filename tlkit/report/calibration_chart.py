"""The calibration of a classification, prepared for a page: stated probabilities against what came true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tlkit.evaluation.calibration import BINS, Reliability
from tlkit.evaluation.measured_calibration import Calibration


@dataclass(frozen=True)
class Bar:
    """A bin of probabilities, in a square whose side is 100 with its origin at the top left.

    Args:
        x: the left edge.
        width: the width.
        y: the upper edge: the share that came true, from the bottom.
        stated: the distance of the mean probability from the top.
        weight: how opaque it is, 0.25 to 1: by the number of images.
        title: what it says, in words.
    """

    x: float
    width: float
    y: float
    stated: float
    weight: float
    title: str


@dataclass(frozen=True)
class CalibrationChart:
    """The calibration of a split.

    Args:
        temperature: the temperature.
        fitted: whether it was fitted on the images of this split.
        charts: title → (the expected calibration error, the bars), before and after the scaling.
    """

    temperature: float
    fitted: bool
    charts: dict[str, tuple[float, list[Bar]]]


def calibration_chart(calibration: Calibration) -> CalibrationChart:
    """Return what a page shows of the calibration of a split."""
    titles = ("as the model states them", f"at temperature {calibration.temperature:.2f}")
    both = zip(titles, (calibration.before, calibration.after), strict=True)
    charts = {title: (each.error, _bars(each)) for title, each in both}
    return CalibrationChart(calibration.temperature, calibration.fitted, charts)


def _bars(found: Reliability) -> list[Bar]:
    width = 100 / BINS
    most = max(int(found.counts.max()), 1)
    return [
        Bar(
            x=round(number * width + 0.4, 2),
            width=round(width - 0.8, 2),
            y=round(100 - 100 * float(found.true[number]), 2),
            stated=round(100 - 100 * float(found.stated[number]), 2),
            weight=round(0.25 + 0.75 * float(found.counts[number]) / most, 2),
            title=f"stated {found.stated[number]:.0%}, true {found.true[number]:.0%} of {int(found.counts[number])}",
        )
        for number in np.flatnonzero(found.counts)
    ]
