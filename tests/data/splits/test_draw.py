"""Drawing samples: number by number as scikit-learn does."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from tlkit.data.splits.draw import draw


@pytest.mark.parametrize("seed", range(40))
def test_each_seed_gives_the_split_of_scikit_learn(seed):
    random = np.random.default_rng(seed)
    classes = int(random.integers(1, 12))
    strata = np.concatenate([np.arange(classes).repeat(2), random.integers(0, classes, random.integers(2, 300))])
    random.shuffle(strata)
    count = len(strata)
    held = int(random.integers(classes, count - classes + 1))
    expected = train_test_split(list(range(count)), test_size=held, random_state=seed, stratify=strata)[1]
    assert draw(count, held, seed, strata).tolist() == expected
    assert (
        draw(count, held, seed).tolist() == train_test_split(list(range(count)), test_size=held, random_state=seed)[1]
    )


def test_classes_of_equal_remainders_are_drawn_as_scikit_learn_draws_them():
    strata = list(range(50)) * 3
    for held in range(50, 101, 7):
        expected = train_test_split(list(range(150)), test_size=held, random_state=3, stratify=strata)[1]
        assert draw(150, held, 3, np.array(strata)).tolist() == expected
