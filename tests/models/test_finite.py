"""Weights that are no finite numbers are refused, whatever the layers after them make of them."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tlkit.errors import RunError
from tlkit.models.finite import without_finite_weights
from tlkit.models.safe_load import load_model_file


def model(value):
    """A model whose activation hides a NaN: it predicts finite numbers all the same."""
    inputs = keras.Input((4, 4, 3))
    outputs = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 1, activation="relu", name="first")(inputs))
    made = keras.Model(inputs, outputs)
    made.get_layer("first").set_weights([np.full((1, 1, 3, 2), value, np.float32), np.zeros(2, np.float32)])
    return made


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_model_file_with_weights_that_are_not_finite_is_refused(value, tmp_path):
    file = tmp_path / "model.keras"
    model(value).save(file)
    with pytest.raises(RunError, match="first/kernel has weights that are NaN or infinite"):
        load_model_file(file)


def test_finite_weights_are_found_to_be_finite():
    assert without_finite_weights(model(1e30)) is None
