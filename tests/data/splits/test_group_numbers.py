"""Groups are numbered in the order of their names, as the draws of earlier versions ordered them."""

from __future__ import annotations

import numpy as np
import pytest

from tlkit.data.splits.group_numbers import NONE, numbered_groups, with_own_groups

NAMES = ["", "b", "a", "10", "9", "Ä", "a b"]


def ranks(names):
    return np.unique(np.array(names, object), return_inverse=True)[1].tolist()


def test_groups_are_numbered_as_their_names_are_ordered():
    groups = ["b", "a", None, "b", "Ä", "10"]
    numbers = numbered_groups(groups)
    assert numbers.dtype == np.int32
    assert numbers[2] == NONE
    named = [place for place, name in enumerate(groups) if name is not None]
    assert ranks(numbers[named].tolist()) == ranks([groups[place] for place in named])


@pytest.mark.parametrize("by_digits", [True, False])
@pytest.mark.parametrize("names", [NAMES, NAMES[1:], []])
def test_samples_in_no_group_have_one_that_is_named_by_their_place(names, by_digits):
    chance = np.random.default_rng(0)
    groups = [names[number] if number < len(names) else None for number in chance.integers(0, 2 * len(names) + 1, 2000)]
    own = ["\0" + (str(place) if by_digits else f"{place:09d}") for place in range(len(groups))]
    expected = ranks([own[place] if name is None else name for place, name in enumerate(groups)])
    assert with_own_groups(numbered_groups(groups), by_digits=by_digits).tolist() == expected
