"""Loading the weights of a model from a file whose arrays must be those of its variables, no more and no fewer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import keras
from keras.src.saving import saving_lib

from tlkit.models.allowed import NotAllowed
from tlkit.models.keras_files import quick_walk
from tlkit.system.text import listed

_Kind = tuple[tuple[int, ...], str]
"""Shape and dtype."""
_SHOWN = 5


def load_same_variables(model: Any, weights: Path) -> None:
    """Load a model's weights from a file that has an array for every variable, and no other.

    Keras loads the arrays that a layer asks for: it does not mention others, and a layer may leave variables as they
    were made. It also goes through every attribute of every layer to find them; here that is done once, to compare.

    Args:
        model: the built model, of Keras's own layers.
        weights: the checked ``model.weights.h5``.

    Raises:
        NotAllowed: the names, shapes or dtypes differ; the message names what differs.
    """
    places = _places(model)
    with h5py.File(weights, "r") as file:
        arrays = _arrays(file)
        _check_same(model, places, arrays)
        for path, variable in places.items():
            variable.assign(arrays[path][()])
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def _check_same(model: Any, places: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    expected = {path: _kind_of(variable) for path, variable in places.items()}
    found = {path: (tuple(array.shape), array.dtype.name) for path, array in arrays.items()}
    differences = [f"{path} is missing" for path in expected if path not in found]
    differences += [f"{path} is not used" for path in found if path not in expected]
    differences += [
        f"{path} is {_said(found[path])}, expected {_said(kind)}"
        for path, kind in expected.items()
        if path in found and found[path] != kind
    ]
    # Keras keeps the states of random generators out of its files; only dropout and noise in training use them.
    states = [generator.state for layer in model._flatten_layers() for generator in layer._seed_generators]
    known = {id(variable) for variable in (*places.values(), *states)}
    differences += [f"{each.path} is never saved" for each in model.variables if id(each) not in known]
    if differences:
        raise NotAllowed(f"the weights are not those of its layers: {listed(differences, _SHOWN)}")


class _Places(saving_lib.H5IOStore):  # type: ignore[misc]
    """Stands in for a file that Keras writes weights to, and notes where it writes which variable."""

    def __init__(self) -> None:
        self.variables: dict[str, Any] = {}
        self._path = ""

    def __bool__(self) -> bool:
        return True

    def make(self, path: str, **_: Any) -> _Places:
        self._path = path
        return self

    def __setitem__(self, key: str, value: Any) -> None:
        self.variables["/".join(part for part in (self._path, "vars", key) if part)] = value


def _places(model: Any) -> Mapping[str, Any]:
    """Return path in a weights file → the variable that Keras saves there."""
    store = _Places()
    with quick_walk():
        saving_lib._save_state(model, store, None, inner_path="", visited_saveables=set())
    return store.variables


def _arrays(file: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item

    file.visititems(visit)
    return found


def _kind_of(variable: Any) -> _Kind:
    return tuple(int(size) for size in variable.shape), str(variable.dtype)


def _said(kind: _Kind) -> str:
    return f"{kind[1]} {kind[0]}"
