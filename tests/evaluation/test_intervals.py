"""Confidence intervals: against the formula for a mean, whole groups, and what has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from scipy.stats import binomtest

from tlkit.evaluation.intervals import draws, intervals, middle


def share(correct: np.ndarray) -> Callable[[np.ndarray], Mapping[str, float]]:
    return lambda weights: {"share": float(weights @ correct / weights.sum())}


def test_the_interval_of_an_accuracy_is_that_of_the_normal_distribution() -> None:
    correct = np.random.default_rng(1).random(2000) < 0.8
    low, high = intervals(share(correct), 2000)["share"]
    error = np.sqrt(correct.mean() * (1 - correct.mean()) / 2000)
    assert low == pytest.approx(correct.mean() - 1.96 * error, abs=0.25 * error)
    assert high == pytest.approx(correct.mean() + 1.96 * error, abs=0.25 * error)


def test_images_of_a_group_are_drawn_together() -> None:
    """Twenty copies of each image say no more than one."""
    correct = np.random.default_rng(1).random(50) < 0.7
    copies = np.repeat(correct, 20)
    alone = intervals(share(correct), 50)["share"]
    groups = [f"patient {number // 20}" for number in range(1000)]
    assert intervals(share(copies), 1000, groups)["share"] == pytest.approx(alone)
    low, high = intervals(share(copies), 1000, [None] * 1000)["share"]
    assert high - low < (alone[1] - alone[0]) / 3


@pytest.mark.parametrize(("count", "groups"), [(0, None), (1, None), (5, ["a"] * 5), (0, [])])
def test_there_is_no_interval_of_one_group(count: int, groups: list[str] | None) -> None:
    assert intervals(share(np.ones(count)), count, groups) == {}


def test_draws_without_a_value_do_not_count() -> None:
    assert middle(np.array([np.nan, 1.0, 1.0])) == (1.0, 1.0)
    assert middle(np.full(3, np.nan)) is None
    assert intervals(lambda weights: {"a": np.nan, "b": weights[0]}, 3).keys() == {"b"}


def test_a_share_of_none_or_all_has_the_exact_interval() -> None:
    """As scipy computes it for 25 of 25; all draws of the bootstrap are 1."""
    exact = binomtest(25, 25).proportion_ci(method="exact")
    all_right = intervals(share(np.ones(25)), 25, shares=["share"])["share"]
    assert all_right == pytest.approx((exact.low, exact.high))
    low, high = intervals(share(np.zeros(25)), 25, shares=["share"])["share"]
    assert (low, high) == pytest.approx((1 - exact.high, 1 - exact.low))
    groups = [f"patient {number // 5}" for number in range(25)]
    of_five = binomtest(5, 5).proportion_ci(method="exact")
    assert intervals(share(np.ones(25)), 25, groups, ["share"])["share"] == pytest.approx((of_five.low, 1))


def test_another_metric_that_does_not_vary_has_no_interval() -> None:
    assert intervals(share(np.ones(25)), 25) == {}


def test_the_same_groups_are_drawn_each_time() -> None:
    first, second = list(draws(40)), list(draws(40))
    np.testing.assert_array_equal(first, second)
    assert len(first) == 1000
    assert {int(each.sum()) for each in first} == {40}


def test_very_many_images_take_fewer_draws() -> None:
    assert sum(1 for _ in draws(300_000)) == 200
