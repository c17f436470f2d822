"""The moving average of weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tlkit.train.averaging import WeightAverage


def moved(momentum, values):
    """Return a variable that took these values one after the other, and its average."""
    variable = keras.Variable(np.array([values[0]], np.float32))
    average = WeightAverage([variable], momentum)
    for value in values[1:]:
        variable.assign([value])
        average.update()
    return variable, average


def test_the_average_follows_the_variable_with_its_momentum():
    values = [0.0, *np.random.default_rng(0).normal(size=60)]
    variable, average = moved(0.7, values)
    expected = values[0]
    for step, value in enumerate(values[1:], 1):
        momentum = min(0.7, (1 + step) / (10 + step))
        expected = momentum * expected + (1 - momentum) * value
    average.swap()
    assert float(np.array(variable)[0]) == pytest.approx(expected, rel=1e-5)


def test_swapping_twice_restores_the_variable():
    variable, average = moved(0.9, [1.0, 2.0, 5.0])
    average.swap()
    assert 1.0 < float(np.array(variable)[0]) < 5.0
    average.swap()
    assert np.array(variable).tolist() == [5.0]
