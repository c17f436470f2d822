"""Differences of metrics on the same images: known ones are found, and none between equal models."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from tlkit.evaluation.paired import Answers, LossMeasure, MetricDifference, mcnemar, paired_differences
from tlkit.evaluation.weighted_metrics import SegmentationMeasure, SingleLabelMeasure

ACCURACY = {"accuracy": False}


def labels(correct: np.ndarray) -> Answers:
    """Return a model of two classes that is right about some images, all of class 0."""
    measure = SingleLabelMeasure(np.zeros(len(correct), int), (~correct).astype(int), 2)
    return Answers([measure], measure.correct)


def right(*numbers: int, of: int) -> Answers:
    return labels(np.isin(np.arange(of), numbers))


def difference(first: Answers, second: Answers, count: int, groups=None) -> MetricDifference:
    [found] = paired_differences(first, second, ACCURACY, count, groups)
    return found


def test_the_interval_of_two_images_is_that_of_their_four_draws():
    # The second model is also right about image 1: a draw holds it never, once or twice, with 1/4, 1/2 and 1/4.
    found = difference(right(0, of=2), right(0, 1, of=2), 2)
    assert (found.first, found.second, found.difference) == (0.5, 1.0, 0.5)
    assert found.interval == (0.0, 1.0)
    assert found.verdict == "no difference can be told"


def test_the_interval_of_improved_images_is_that_of_the_binomial_distribution():
    count, improved = 200, 30
    found = difference(right(*range(100), of=count), right(*range(100 + improved), of=count), count)
    expected = binom.ppf([0.025, 0.975], count, improved / count) / count
    assert found.interval == pytest.approx(expected, abs=1.5 / count)
    assert (found.discordant, found.verdict) == ((0, improved), "better")


def test_what_is_hard_for_both_models_cancels_out():
    random = np.random.default_rng(0)
    of_image = random.normal(size=300)
    better = Answers([LossMeasure(of_image + 1.9 + 0.02 * random.normal(size=300))])
    [found] = paired_differences(Answers([LossMeasure(of_image + 2)]), better, {"loss": True}, 300)
    assert found.interval is not None
    assert -0.11 < found.interval[0] < found.interval[1] < -0.09
    assert found.verdict == "better"
    [turned] = paired_differences(better, Answers([LossMeasure(of_image + 2)]), {"loss": True}, 300)
    assert turned.verdict == "worse"


def test_a_difference_by_rounding_is_not_told() -> None:
    losses = np.random.default_rng(0).random(300)
    [found] = paired_differences(
        Answers([LossMeasure(losses)]), Answers([LossMeasure(losses + 1e-6)]), {"loss": True}, 300
    )
    assert found.interval is not None
    assert found.interval[0] > 0
    assert found.verdict == "no difference can be told"


def test_equal_models_do_not_differ():
    first = labels(np.random.default_rng(0).random(100) < 0.7)
    found = difference(first, first, 100)
    assert (found.interval, found.p_value, found.discordant) == ((0.0, 0.0), 1.0, (0, 0))
    assert found.verdict == "no difference can be told"


@pytest.mark.slow
def test_models_that_err_equally_often_are_told_apart_about_as_seldom_as_one_in_twenty():
    told = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        first, second = (labels(random.random(60) < 0.8) for _ in range(2))
        told += difference(first, second, 60).told
    assert told <= 4


def test_images_of_a_group_are_drawn_together_and_mcnemar_is_not_asked():
    first, second = right(of=40), right(*range(20), of=40)
    alone, grouped = difference(first, second, 40), difference(first, second, 40, [each // 20 for each in range(40)])
    assert (alone.verdict, grouped.verdict) == ("better", "no difference can be told")
    assert grouped.interval == (0.0, 1.0)
    assert alone.p_value is not None
    assert grouped.p_value is None


def test_mcnemar_agrees_with_a_published_example_and_with_a_count_by_hand():
    # Agresti, Categorical Data Analysis, 2002, table 10.1: 150 and 86 of 1600 changed their mind, z = -4.17.
    assert mcnemar(150, 86) == pytest.approx(3.7e-5, rel=0.05)
    # 12 discordant pairs, one of them the other way: 2 (1 + 12) of 2^12 outcomes are as unequal.
    assert mcnemar(11, 1) == pytest.approx(26 / 4096)
    assert mcnemar(3, 3) == mcnemar(0, 0) == 1.0


def test_iou_and_dice_are_compared_over_the_pixels_of_all_images():
    pixels = np.zeros((30, 3, 2), np.uint32)
    pixels[:] = [[60, 20], [70, 30], [70, 30]]
    worse = pixels.copy()
    worse[:, 0] = [50, 10]
    models = [Answers([SegmentationMeasure(each, ["a", "b"])]) for each in (pixels, worse)]
    iou, dice = paired_differences(*models, {"mean_iou": False, "mean_dice": False}, 30)
    assert iou.difference == pytest.approx((50 / 90 + 10 / 50) / 2 - (60 / 80 + 20 / 40) / 2)
    assert iou.interval == pytest.approx((iou.difference, iou.difference))  # all images are alike
    assert (iou.verdict, dice.verdict) == ("worse", "worse")


def test_the_metric_of_folds_is_the_mean_over_their_models():
    folds = Answers([*right(0, 1, of=4).measures, *right(of=4).measures])
    found = difference(folds, right(0, of=4), 4)
    assert (found.first, found.second, found.discordant, found.p_value) == (0.25, 0.25, None, None)


def test_one_image_has_no_interval():
    found = difference(right(of=1), right(0, of=1), 1)
    assert (found.interval, found.told) == (None, False)
