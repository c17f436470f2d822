"""The column of splits answers as an array of texts does, in a fortieth of the memory."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tlkit.data.splits.split_column import SplitColumn

NAMES = ["train", "test", "left out", "train", "validation", "test", "train"]
TEXTS = np.array(NAMES)


@pytest.fixture
def column():
    return SplitColumn.of(NAMES)


@pytest.mark.parametrize("name", [*dict.fromkeys(NAMES), "trained", ""])
def test_it_compares_as_an_array_of_texts(column, name):
    np.testing.assert_array_equal(column == name, name == TEXTS)
    np.testing.assert_array_equal(column != name, name != TEXTS)
    assert (column == name).dtype == bool


def test_it_compares_with_another_column(column):
    other = SplitColumn.of(reversed(NAMES))
    np.testing.assert_array_equal(column == other, TEXTS[::-1] == TEXTS)
    np.testing.assert_array_equal(column != other, TEXTS[::-1] != TEXTS)


@pytest.mark.parametrize("rows", [slice(1, 5), np.array([6, 0, 0]), [1, 2], TEXTS == "test"])
def test_some_rows_of_it_are_a_column(column, rows):
    assert column[rows].tolist() == TEXTS[rows].tolist()


def test_one_row_of_it_is_a_text(column):
    assert [column[row] for row in range(len(column))] == NAMES == list(column)
    assert [type(column[row]) for row in (0, -1, np.int64(2))] == [str] * 3
    with pytest.raises(IndexError):
        column[len(NAMES)]


def test_it_becomes_an_array_of_texts_of_ten_characters(column):
    assert np.asarray(column).dtype == np.dtype("U10")
    np.testing.assert_array_equal(np.isin(column, ("train", "test")), column.among(("train", "test")))
    np.testing.assert_array_equal(column.among(("train", "test")), np.isin(TEXTS, ("train", "test")))


def test_it_is_made_of_numbers_and_names(column):
    assert SplitColumn.named(("test", "train"), np.array([1, 0, 1])).tolist() == ["train", "test", "train"]
    assert column.counts() == dict(Counter(NAMES))
    assert list(column.counts()) == list(Counter(NAMES))
    with pytest.raises(KeyError):
        SplitColumn.of(["train", "trained"])


def test_a_changed_column_leaves_the_first_as_it_was(column):
    changed = column.changed((column == "train", "left out"), (np.arange(7) == 6, "test"))
    assert changed.tolist() == ["left out", "test", "left out", "left out", "validation", "test", "test"]
    assert column.tolist() == NAMES
