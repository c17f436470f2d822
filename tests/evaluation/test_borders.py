"""The distance of pixels to the border between classes, and how many are wrong there."""

from __future__ import annotations

import numpy as np

from tlkit.contracts import IGNORE
from tlkit.evaluation.borders import EDGES, border_errors, distance_to_border


def halves(width: int, height: int = 3) -> np.ndarray:
    """Return a mask whose left half is class 0 and whose right half is class 1."""
    return np.tile((np.arange(width) >= width // 2).astype(np.uint8), (height, 1))


def test_the_distance_counts_pixels_from_the_border_on_both_sides():
    assert distance_to_border(halves(8))[1].tolist() == [4, 3, 2, 1, 1, 2, 3, 4]


def test_a_corner_is_as_far_as_its_diagonal():
    mask = np.zeros((5, 5), np.uint8)
    mask[4, 4] = 1
    distance = distance_to_border(mask)
    assert distance[4, 4] == distance[3, 4] == distance[4, 3] == 1
    assert distance[3, 3] == 2  # one step from each of the two that touch it
    assert distance[0, 0] == 1 + 5  # from (0, 0) to (3, 4), the nearest pixel at the border


def test_a_band_of_ignored_pixels_hides_the_border_and_a_frame_has_none():
    mask = halves(12)
    mask[:, 4:8] = IGNORE
    assert distance_to_border(mask)[1].tolist() == [6, 5, 4, 3, 2, 1, 1, 2, 3, 4, 5, 6]
    frame = np.full((6, 6), IGNORE, np.uint8)
    frame[2:4, 2:4] = 1
    assert np.isinf(distance_to_border(frame)).all()


def test_images_of_one_class_or_none_have_no_border():
    assert np.isinf(distance_to_border(np.full((4, 4), 2, np.uint8))).all()
    assert np.isinf(distance_to_border(np.full((4, 4), IGNORE, np.uint8))).all()


def test_wrong_pixels_are_counted_at_their_distances():
    truth = halves(80, 1)
    truth[0, 0] = IGNORE
    predicted = truth.copy()
    predicted[0, [0, 38, 39, 40]] = 3, 1, 1, 0
    predicted[0, 79] = 0
    found = border_errors([(truth, predicted), (np.zeros((1, 5), np.uint8), np.zeros((1, 5), np.uint8))])
    assert EDGES == (1, 2, 4, 8, 16, 32)
    assert found.pixels.tolist() == [2, 2, 4, 8, 16, 32, 15 + 5]
    assert found.wrong.tolist() == [2, 1, 0, 0, 0, 0, 1]
    assert found.images == 2
