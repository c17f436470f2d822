"""Where Keras 3 keeps a layer's arrays in its files of weights, and reading and writing these files in less time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import keras
from keras.src.saving import saving_lib

from tlkit.models.graph import snake_case


def layer_paths(layers: Sequence[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each layer with its path in a Keras 3 weights file; Keras numbers the layers of each class separately."""
    counts: dict[str, int] = {}
    for layer in layers:
        base = snake_case(type(layer).__name__)
        number = counts[base] = counts.get(base, -1) + 1
        path = f"{prefix}layers/{base}_{number}" if number else f"{prefix}layers/{base}"
        if isinstance(layer, keras.Model):
            yield from layer_paths(layer.layers, f"{path}/")
        else:
            yield path, layer


def load_layers(layers: Sequence[Any], arrays: Mapping[str, Any]) -> None:
    """Load the layers' weights, as ``load_weights`` does, which visits each attribute of each layer for that.

    Args:
        layers: the layers of a model; none has layers of its own but those that are models.
        arrays: path in a Keras 3 weights file → the array; there is one for each weight.
    """
    for path, layer in layer_paths(layers):
        if count := len(layer.weights):
            layer.load_own_variables({str(index): arrays[f"{path}/vars/{index}"][()] for index in range(count)})


@contextmanager
def quick_walk() -> Iterator[None]:
    """Have Keras build the list of attributes that it skips once per class, instead of once per layer and file.

    Keras 3.15 looks the list up under another name than it keeps it under, so it makes a layer to ask for every layer.
    """
    built_anew = saving_lib.get_attr_skipset
    saving_lib.get_attr_skipset = cache(built_anew)
    try:
        yield
    finally:
        saving_lib.get_attr_skipset = built_anew
