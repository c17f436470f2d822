"""The grid of confusions: which cells it has, and which images a cell shows."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tlkit.report.confusion_grid import Grid, class_grid, label_grid
from tlkit.report.gallery import Picture


def show(position: int, pictured: bool) -> Picture:
    return Picture("data:," if pictured else "", str(position))


def grid_of(truth: np.ndarray, predicted: np.ndarray, classes: int) -> Grid:
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (truth, predicted), 1)
    names = [f"class {number}" for number in range(classes)]
    return class_grid(confusion, truth, predicted, names, "test", show)


def test_each_cell_has_the_images_that_it_counts() -> None:
    truth, predicted = np.array([0, 1, 1, 0, 2, 1]), np.array([0, 2, 1, 1, 2, 2])
    grid = grid_of(truth, predicted, 3)
    counts = [[0 if cell is None else cell.count for cell in row] for row in grid.cells]
    assert counts == [[1, 1, 0], [0, 1, 2], [0, 0, 1]]
    images = {each.id: [picture.name for picture in each.pictures] for each in grid.images}
    expected = {"0-0": ["0"], "0-1": ["3"], "1-1": ["2"], "1-2": ["1", "5"], "2-2": ["4"]}
    assert images == {f"test-{cell}": names for cell, names in expected.items()}
    cell = grid.cells[1][2]
    assert cell is not None
    assert (cell.right, cell.title) == (False, "truth class 1, predicted class 2: 2 images")
    assert cell.share == pytest.approx(2 / 3)
    first = grid.pairs[0]
    assert (first.truth, first.predicted, first.count) == ("class 1", "class 2", 2)


def test_of_many_classes_the_grid_has_those_that_are_confused_most() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 500, 5000)
    predicted = truth.copy()
    predicted[:40] = rng.integers(0, 500, 40)
    truth[40:60], predicted[40:60] = 300, 17
    grid = grid_of(truth, predicted, 500)
    assert grid.classes == 500
    assert len(grid.rows) == len(grid.cells) == len(grid.cells[0]) == 24
    assert {"class 300", "class 17"} <= set(grid.rows)
    assert grid.pairs[0].count == 20
    assert len(grid.pairs) == 20
    assert {pair.id for pair in grid.pairs} <= {each.id for each in grid.images}
    assert len(grid_of(truth, truth, 500).rows) == 24


def test_thumbnails_and_names_are_bounded_and_every_image_is_counted() -> None:
    rng = np.random.default_rng(1)
    truth, predicted = rng.integers(0, 10, (2, 20_000))
    grid = grid_of(truth, predicted, 10)
    pictures = Counter(picture.data for each in grid.images for picture in each.pictures)
    assert set(pictures) == {"data:,"}
    assert 100 < pictures.total() <= 220
    assert sum(len(each.names) for each in grid.images) <= 2000
    counted = sum(len(each.pictures) + len(each.names) + each.more for each in grid.images)
    assert counted == 20_000


def test_each_label_has_the_images_in_which_it_is_found_missed_or_wrongly_given() -> None:
    truth = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], bool)
    predicted = np.array([[1, 1], [0, 1], [0, 0], [1, 0]], bool)
    grid = label_grid(truth, predicted, ["a", "b"], "test", show)
    assert [[0 if cell is None else cell.count for cell in row] for row in grid.cells] == [[1, 1, 1, 1], [1, 1, 1, 1]]
    images = {each.id: [picture.name for picture in each.pictures] for each in grid.images}
    cells = ("0-0", "0-1", "0-2", "1-0", "1-1", "1-2")
    assert images == {f"test-{cell}": [name] for cell, name in zip(cells, "013130", strict=True)}
    many = label_grid(np.eye(60, dtype=bool), np.zeros((60, 60), bool), [str(n) for n in range(60)], "test", show)
    assert len(many.rows) == 40
    assert not many.predicted
