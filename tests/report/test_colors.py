"""Classes have colours that can be told apart, those with near numbers best, with any colour vision."""

from __future__ import annotations

import numpy as np
import pytest
from choose_colors import NEAR, VISIONS, ciede2000, differences

from tlkit.report.colors import GREY, overlay, palette


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        # Sharma, Wu and Dalal 2005, table 1.
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -0.0010, 2.49), (50, 0.0010, -2.49), 4.7461),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((50, 2.5, 0), (58, 24, 15), 19.4535),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_colour_difference_is_the_published_one(one, other, difference) -> None:
    assert ciede2000(np.array(one), np.array(other)) == pytest.approx(difference, abs=1e-4)


@pytest.mark.parametrize(("count", "everyone", "any_vision"), [(2, 70, 54), (4, 46, 34), (12, 19, 10), (32, 8.5, 5.5)])
def test_the_first_classes_are_told_apart(count: int, everyone: float, any_vision: float) -> None:
    colors = np.array(palette(count))
    assert differences(colors, "normal").min() > everyone
    assert min(differences(colors, vision).min() for vision in VISIONS) > any_vision


@pytest.mark.parametrize(("count", "everyone", "any_vision"), [(12, 26, 15), (32, 16, 10), (254, 4.5, 2.5)])
def test_classes_with_near_numbers_differ_most(count: int, everyone: float, any_vision: float) -> None:
    colors, numbers = np.array(palette(count)), np.arange(count)
    near = abs(numbers[:, None] - numbers) <= NEAR
    assert differences(colors, "normal")[near].min() > everyone
    assert min(differences(colors, vision)[near].min() for vision in VISIONS) > any_vision


@pytest.mark.parametrize("count", [0, 1, 254, 1000, 4097, 20_000])
def test_colours_are_distinct_and_never_the_grey_of_ignored_pixels(count: int) -> None:
    colors = palette(count)
    assert len(set(colors)) == len(colors) == count
    assert GREY not in colors
    assert palette(20_000)[:count] == colors


def test_masks_drawn_over_a_photograph_are_told_apart() -> None:
    colors = tuple(palette(12))
    photograph = np.random.default_rng(0).integers(40, 200, (12, 3, 3), np.uint8)
    drawn = [overlay(photograph, np.full((12, 3), number, np.uint8), colors)[0, 0] for number in range(12)]
    assert differences(np.array(drawn), "normal").min() > 8
