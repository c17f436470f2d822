"""Reading Keras's weights files array by array gives what Keras's own walk through the layers gives."""

from __future__ import annotations

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras.src.saving import saving_lib

from tlkit.models.keras_files import load_layers, quick_walk
from tlkit.models.same_variables import load_same_variables

L = keras.layers

# Keras 3.15 converts TensorFlow's variables in a way that NumPy 2 will drop.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")


def network() -> keras.Model:
    images = keras.Input((8, 8, 3))
    inner_images = keras.Input((8, 8, 4))
    inner = keras.Model(inner_images, L.Conv2D(5, 3)(L.BatchNormalization()(inner_images)))
    x = L.Conv2D(4, 3, padding="same")(L.Normalization()(images))
    x = L.Dropout(0.5)(L.Conv2D(4, 1)(x))
    x = inner(x)
    return keras.Model(images, L.Dense(2)(L.Flatten()(x)))


def drawn(model: keras.Model) -> keras.Model:
    random = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(np.abs(random.normal(1, 0.3, variable.shape)).astype(variable.dtype))
    for layer in model.layers:
        if isinstance(layer, L.Normalization):
            layer.finalize_state()
    return model


@pytest.mark.parametrize("how", ["layers", "same"])
def test_every_weight_is_loaded_and_the_model_computes_as_before(tmp_path: Path, how: str) -> None:
    saved, loaded = drawn(network()), network()
    file = tmp_path / "a.weights.h5"
    with quick_walk():
        saved.save_weights(file)
    if how == "same":
        load_same_variables(loaded, file)
    else:
        arrays: dict[str, h5py.Dataset] = {}
        with h5py.File(file, "r") as opened:
            opened.visititems(lambda name, item: arrays.update({name: item}) and None)
            load_layers(loaded.layers, arrays)
    for ours, theirs in zip(loaded.weights, saved.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    images = np.random.default_rng(1).uniform(0, 255, (2, 8, 8, 3)).astype(np.float32)
    np.testing.assert_array_equal(loaded(images, training=False), saved(images, training=False))


def test_a_file_that_is_written_quicker_is_the_same_and_keras_is_left_as_it_was(tmp_path: Path) -> None:
    model, before = drawn(network()), saving_lib.get_attr_skipset
    model.save_weights(tmp_path / "a.weights.h5")
    with quick_walk():
        model.save_weights(tmp_path / "b.weights.h5")
    assert saving_lib.get_attr_skipset is before
    again = network()
    again.load_weights(tmp_path / "b.weights.h5")
    for ours, theirs in zip(again.weights, model.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
