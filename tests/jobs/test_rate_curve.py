from __future__ import annotations

import numpy as np
import pytest

from tlkit.jobs.rate_curve import diverged, geometric_rates, smooth, suggest

RATES = geometric_rates(1e-7, 10.0, 401)
STEP = np.log(RATES[1] / RATES[0])


def test_rates_rise_by_the_same_factor_from_the_first_to_the_last():
    rates = geometric_rates(1e-6, 1.0, 7)
    assert rates == pytest.approx([1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0], rel=1e-12)
    assert rates.dtype == np.float64
    assert (rates[0], rates[-1]) == (1e-6, 1.0)


@pytest.mark.parametrize(
    "arguments", [(0.0, 1.0, 5), (-1.0, 1.0, 5), (1.0, 1.0, 5), (2.0, 1.0, 5), (0.1, np.inf, 5), (0.1, 1.0, 1)]
)
def test_rates_that_do_not_rise_are_refused(arguments):
    with pytest.raises(ValueError, match="expected"):
        geometric_rates(*arguments)


def test_smoothing_keeps_a_constant():
    assert smooth(np.full(50, 3.0)) == pytest.approx(np.full(50, 3.0), rel=1e-12)


def test_smoothing_does_not_shift_a_fall():
    smoothed = smooth(1 / (1 + (RATES / 1e-3) ** 2))
    middle = RATES[np.argmin(np.abs(smoothed - 0.5))]
    assert abs(np.log(middle / 1e-3)) <= STEP


def test_smoothing_removes_most_of_the_noise():
    noise = np.random.default_rng(0).normal(0, 1, 400)
    assert smooth(noise).std() < 0.3 * noise.std()


def test_a_window_of_width_0_smooths_nothing():
    assert smooth(np.array([2.0, 1.0, 4.0]), 0.0) == pytest.approx([2.0, 1.0, 4.0])
    assert smooth(np.array([])).shape == (0,)


@pytest.mark.parametrize("width", [-0.1, np.nan])
def test_a_negative_width_is_refused(width):
    with pytest.raises(ValueError, match="width"):
        smooth(np.ones(3), width)


@pytest.mark.parametrize(
    ("losses", "ended"),
    [
        ([], False),
        ([2.0], False),
        ([2.0, 1.0, 4.0], False),
        ([2.0, 1.0, 4.1], True),
        ([8.0, 1.0, 2.0], False),
        ([1.0, np.nan], True),
        ([1.0, np.inf], True),
        ([np.nan], True),
    ],
)
def test_a_test_has_diverged_above_four_times_its_lowest_loss(losses, ended):
    assert diverged(np.array(losses)) is ended


def test_the_limit_of_divergence_can_be_set():
    assert diverged(np.array([1.0, 2.5]), factor=2.0)
    assert not diverged(np.array([1.0, 2.5]), factor=3.0)


@pytest.mark.parametrize("steepest", [1e-4, 3e-3, 0.5])
def test_a_sigmoid_over_the_log_rate_falls_fastest_in_its_middle(steepest):
    losses = 1 / (1 + (RATES / steepest) ** 2)
    found = suggest(RATES, losses)
    assert found is not None
    assert abs(np.log(found / steepest)) <= STEP


def test_a_cosine_over_the_log_rate_falls_fastest_a_quarter_of_its_period_in():
    position = np.linspace(0, 2 * np.pi, len(RATES))
    assert suggest(RATES, 2 + np.cos(position)) == RATES[100]


def test_the_slope_is_taken_over_the_log_of_the_rate():
    # -log(1 + x) falls fastest at the least x, but over log x at the greatest.
    assert suggest(RATES, 10 - np.log1p(RATES), skip_end=9) == RATES[-10]


def test_a_loss_that_falls_ever_less_gives_the_first_candidate():
    assert suggest(RATES, 1 / RATES, skip_begin=7) == RATES[7]


def test_an_exploding_loss_does_not_hide_the_fall_before_it():
    losses = 1 / (1 + (RATES / 1e-3) ** 2) + (RATES / 1.0) ** 4
    found = suggest(RATES, losses)
    assert found is not None
    assert abs(np.log(found / 1e-3)) <= STEP


def test_losses_after_one_that_is_not_finite_are_left_out():
    losses = 1 / (1 + (RATES / 1e-3) ** 2)
    spoilt = losses.copy()
    spoilt[300] = np.nan
    spoilt[301:] = -np.arange(len(RATES) - 301) * 1e6
    assert suggest(RATES, spoilt) == suggest(RATES, losses)


def test_noise_in_the_first_and_last_steps_is_ignored():
    losses = 1 / (1 + (RATES / 1e-3) ** 2)
    noisy = losses.copy()
    noisy[[2, -3]] += 50
    assert suggest(RATES, noisy) == suggest(RATES, losses)
    assert suggest(RATES, noisy, skip_begin=0) == RATES[3]


@pytest.mark.parametrize(
    "losses",
    [np.ones(401), smooth(np.full(401, 0.1)), np.linspace(1, 2, 401), RATES, np.full(401, np.nan)],
    ids=["flat", "smoothed", "up", "rates", "nan"],
)
def test_a_loss_that_falls_nowhere_gives_no_suggestion(losses):
    assert suggest(RATES, losses) is None


def test_a_short_test_leaves_out_a_quarter_on_either_side():
    rates = geometric_rates(1e-4, 1.0, 8)
    assert suggest(rates, np.array([9.0, 1.0, 1.0, 1.0, 0.9, 0.9, 5.0, 0.0])) == rates[3]
    assert suggest(rates[:2], np.array([2.0, 1.0])) == rates[0]


@pytest.mark.parametrize("steps", [0, 1])
def test_too_few_steps_give_no_suggestion(steps):
    assert suggest(RATES[:steps], np.ones(steps)) is None


def test_smoothed_noisy_losses_give_a_suggestion_near_the_true_one():
    noise = np.random.default_rng(0).normal(0, 0.05, len(RATES))
    found = suggest(RATES, smooth(1 / (1 + (RATES / 1e-3) ** 2) + noise))
    assert found is not None
    assert 3e-4 < found < 3e-3


def test_a_fall_from_a_spike_after_the_lowest_loss_is_not_suggested():
    losses = 1 / (1 + (RATES / 1e-3) ** 2) + RATES
    spiked = losses.copy()
    spiked[350] += 50
    assert suggest(RATES, spiked) == suggest(RATES, losses)
