"""The mean and the spread of the metrics of folds."""

from __future__ import annotations

import math

import pytest

from tlkit.report.fold_metrics import fold_metrics


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_fold_that_diverged_leaves_the_other_metrics(loss):
    found = fold_metrics([{"accuracy": 0.5, "loss": loss}, {"accuracy": 0.7, "loss": 1.0}])
    assert found.mean["accuracy"] == pytest.approx(0.6)
    assert found.deviation["accuracy"] == pytest.approx(0.1 * 2**0.5)
    assert math.isnan(found.mean["loss"])
    assert math.isnan(found.deviation["loss"])
