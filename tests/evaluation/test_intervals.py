"""Confidence intervals: against the formula for a mean, whole groups, and what has none."""

from __future__ import annotations

import numpy as np
import pytest

from tlkit.evaluation.intervals import bootstrap_interval, percentile_interval, resampled_sums


def share(sums: np.ndarray) -> np.ndarray:
    return np.asarray(sums[:, 0] / sums[:, 1])


def test_the_interval_of_an_accuracy_is_that_of_the_normal_distribution() -> None:
    correct = np.random.default_rng(0).random(2000) < 0.8
    low, high = bootstrap_interval(np.stack([correct, np.ones(2000)], 1), share) or pytest.fail("no interval")
    error = np.sqrt(correct.mean() * (1 - correct.mean()) / 2000)
    assert low == pytest.approx(correct.mean() - 1.96 * error, abs=0.25 * error)
    assert high == pytest.approx(correct.mean() + 1.96 * error, abs=0.25 * error)


def test_images_of_a_group_are_drawn_together() -> None:
    """Twenty copies of each image say no more than one."""
    correct = np.random.default_rng(1).random(50) < 0.7
    parts = np.stack([correct, np.ones(50)], 1)
    copies = np.repeat(parts, 20, axis=0)
    alone = bootstrap_interval(parts, share)
    assert bootstrap_interval(copies, share, np.repeat(np.arange(50) * 7, 20)) == pytest.approx(alone)
    low, high = bootstrap_interval(copies, share) or pytest.fail("no interval")
    assert alone is not None
    assert high - low < (alone[1] - alone[0]) / 3


@pytest.mark.parametrize(("count", "groups"), [(0, None), (1, None), (5, np.zeros(5, int))])
def test_there_is_no_interval_of_one_group(count: int, groups: np.ndarray | None) -> None:
    assert bootstrap_interval(np.ones((count, 2)), share, groups) is None


def test_draws_without_a_value_do_not_count() -> None:
    assert percentile_interval(np.array([np.nan, 1.0, 1.0])) == (1.0, 1.0)
    assert percentile_interval(np.full(3, np.nan)) is None


def test_the_same_seed_draws_the_same_images_whatever_is_summed() -> None:
    ones = np.arange(40.0)[:, None]
    first, second = resampled_sums(ones), resampled_sums(np.hstack([ones, 2 * ones]))
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first[:, 0], second[:, 0])
    np.testing.assert_array_equal(2 * first[:, 0], second[:, 1])
    other = resampled_sums(ones, seed=1)
    assert other is not None
    assert not np.array_equal(first, other)


def test_very_many_images_take_fewer_draws() -> None:
    sums = resampled_sums(np.ones((300_000, 1)))
    assert sums is not None
    assert sums.shape == (200, 1)
    assert (sums == 300_000).all()
