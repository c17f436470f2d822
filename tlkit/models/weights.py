"""Loading a backbone's weights: from a published file, the user's file, or an earlier run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import keras

from tlkit.contracts import Backbone, BackboneOptions, PretrainedFile
from tlkit.errors import DataError, RunError
from tlkit.models.allowed import NotAllowed
from tlkit.models.bounded import first_line
from tlkit.models.finite import without_finite_weights
from tlkit.models.keras_files import layer_paths, load_layers, quick_walk
from tlkit.models.safe_load import load_model_file
from tlkit.models.safe_weights import HDF5_ERRORS, arrays, check_expansion
from tlkit.models.text_heaps import largest_text
from tlkit.models.weights_path import weights_path
from tlkit.system.fetch import download
from tlkit.system.text import and_more

Tensors = list[tuple[str, Any]]
_SUFFIX = ".weights.h5"
_MAX_SEED = 64
"""Values in the state of a random generator, which Keras reads whatever its size; it has 2."""
_MAX_NAMES = 2**30
"""Bytes of the names in an attribute."""


def load_backbone_weights(model: Any, record: Backbone, options: BackboneOptions) -> bool:
    """Load the weights that ``options.weights`` names into a backbone.

    Args:
        model: the backbone as a functional model from images to its output.
        record: the backbone's record.
        options: its options.

    Returns:
        whether weights were loaded: False for ``"none"``.

    Raises:
        DataError: the weights can't be found, downloaded or read, or they don't fit.
    """
    if options.weights == "none":
        return False
    if options.weights == "imagenet":
        if record.pretrained is None:
            raise DataError(
                f'backbone.weights: "{record.name}" has no published weights; expected "none", '
                "a weights file or the folder of an earlier run"
            )
        _load_file(model, published_file(record.pretrained(options), record.name), record.name)
    elif path := weights_path(options):
        if path.is_dir():
            _load_run(model, path, record.name)
            return True  # its weights were checked
        _load_file(model, path, record.name)
        if variable := without_finite_weights(model):
            raise DataError(
                f"backbone.weights: {path}: {variable} has weights that are NaN or infinite; expected the weights of a "
                "training that did not diverge"
            )
    if record.loaded is not None:
        record.loaded({layer.name: layer for layer in model.layers}, options)
    return True


def models_folder() -> Path:
    """Return Keras's folder for published weights: ``$KERAS_HOME/models``, by default ``~/.keras/models``."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models"


def published_file(file: PretrainedFile, name: str) -> Path:
    """Return the published weights file, and download it if it is not cached yet.

    Raises:
        DataError: it can't be downloaded; the message says where to put it by hand.
    """
    try:
        return download(file.url, models_folder(), file.file_name, file.digest, what=f"ImageNet weights of {name}")
    except DataError as error:
        raise DataError(
            f"{error}\nOr give a weights file with the recipe key backbone.weights "
            f'(--set backbone.weights=FILE), or train from scratch with backbone.weights = "none"'
        ) from error


def _load_file(model: Any, path: Path, name: str) -> None:
    try:
        with path.open("rb") as readable:
            readable.read(1)
        if not h5py.is_hdf5(path):
            raise DataError(f"backbone.weights: {path}: not an HDF5 file; expected a .weights.h5 or .h5 file of Keras")
        with h5py.File(path, "r") as file:
            legacy, found = _check_file(model, file, path, name)
            if legacy:
                with _told(path):
                    _load_legacy(model, found)
                return
            if path.name.endswith(_SUFFIX) and not any("dtype" in tensor.attrs for _, tensor in found):
                with _told(path):
                    load_layers(model.layers, dict(found))
                return
        if not path.name.endswith(_SUFFIX):
            raise DataError(
                f"backbone.weights: {path}: Keras 3 loads weights of this format only from a file named ….weights.h5; "
                "rename it"
            )
        with _told(path), quick_walk():
            model.load_weights(path)
    except OSError as error:
        raise DataError(f"backbone.weights: {path}: can't be read: {error.strerror or error}") from error


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what h5py, and Keras on top of it, raise for a damaged or refused file into an error that names it."""
    try:
        yield
    except NotAllowed as error:
        raise DataError(f"backbone.weights: {path}: not loaded: {error}") from error
    except HDF5_ERRORS as error:
        reason = first_line(error)
        raise DataError(f"backbone.weights: {path}: can't be read: {reason}; the file is damaged") from error


def _check_file(model: Any, file: Any, path: Path, name: str) -> tuple[bool, Tensors]:
    """Check a file before any array of it is read: what it consists of, and that it has the arrays of the model.

    Returns:
        whether it is a legacy file; its arrays, those of a legacy file in the order of the model's variables.
    """
    size = path.stat().st_size
    with _told(path):
        longest = largest_text(path)
        held = dict(arrays(file, size))
        root = _legacy_root(file)
        found = _keras3_tensors(held) if root is None else _legacy_tensors(root, len(held), longest)
    if root is None:
        differences = _differences_by_key(_keras3_variables(model.layers), dict(found))
    else:
        differences = _differences_by_order(_legacy_order(model), found)
    _refuse_differences(differences, f"{path} does not fit {name} (without its top, with this recipe's options)")
    with _told(path):
        check_expansion([*found, *_seeds(held)], size)
    return root is not None, found


def _load_legacy(model: Any, tensors: Tensors) -> None:
    """Load the tensors in the order of the layers, as Keras reads its published files."""
    for (_, variable), (_, tensor) in zip(_legacy_order(model), tensors, strict=True):
        variable.assign(tensor[()])
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def _legacy_order(model: Any) -> Tensors:
    return [
        (f"{layer.name}/{variable.name}", variable)
        for layer in model.layers
        for variable in [*layer.trainable_weights, *layer.non_trainable_weights]
    ]


def _load_run(model: Any, folder: Path, name: str) -> None:
    file = folder / "model.keras"
    if not file.is_file():
        raise DataError(f"backbone.weights: {folder} is not the folder of a finished run: it has no model.keras")
    try:
        trained = load_model_file(file)
    except RunError as error:
        raise DataError(f"backbone.weights: {error}") from error
    trained_layers: Mapping[str, Any] = {layer.name: layer for layer in trained.layers}
    differences = []
    for layer in model.layers:
        if not layer.weights:
            continue
        other = trained_layers.get(layer.name)
        shapes = [tuple(weight.shape) for weight in layer.weights]
        other_shapes = None if other is None else [tuple(weight.shape) for weight in other.weights]
        if shapes != other_shapes:
            differences.append(f"{layer.name}: expected {shapes}, received {other_shapes or 'no such layer'}")
    _refuse_differences(differences, f"the backbone of the run {folder} does not fit {name}")
    for layer in model.layers:
        if layer.weights:
            for variable, weight in zip(layer.weights, trained_layers[layer.name].weights, strict=True):
                variable.assign(weight)
            if isinstance(layer, keras.layers.Normalization):
                layer.finalize_state()


# What a file holds, and how it differs from the model


def _legacy_root(file: Any) -> Any | None:
    """Return the group with the layers of a legacy file; None if the file has another layout."""
    for group in (file, file.get("model_weights")):
        if group is not None and ("layer_names" in group.attrs or "layer_names0" in group.attrs):
            return group
    return None


def _names(group: Any, key: str, longest: int) -> list[str]:
    """Return the names in an attribute; Keras splits long lists into ``key0``, ``key1``, …

    Args:
        group: the group.
        key: the attribute.
        longest: the size of the largest text of variable length in the file, in bytes.
    """
    keys = [key] if key in group.attrs else []
    while f"{key}{len(keys)}" in group.attrs:
        keys.append(f"{key}{len(keys)}")
    if any(group.attrs.get_id(each).get_space().get_simple_extent_npoints() * longest > _MAX_NAMES for each in keys):
        raise NotAllowed(f"the weights' attribute {key} may be larger than {_MAX_NAMES} bytes")
    pieces = [group.attrs[each] for each in keys]
    return [name.decode() if isinstance(name, bytes) else str(name) for piece in pieces for name in piece]


def _legacy_tensors(root: Any, most: int, longest: int) -> Tensors:
    """Return the arrays that a legacy file lists, at most as many as it has: a name may be listed many times."""
    tensors: Tensors = []
    for layer in _names(root, "layer_names", longest):
        for weight in _names(root[layer], "weight_names", longest):
            tensor = root[layer][weight]
            if not isinstance(tensor, h5py.Dataset) or len(tensors) >= most:
                problem = "is one too many" if isinstance(tensor, h5py.Dataset) else "is not an array"
                raise NotAllowed(f"the weights list {layer[:80]}/{weight[:80]}, which {problem}")
            tensors.append((weight, tensor))
    return tensors


def _keras3_tensors(held: Mapping[str, Any]) -> Tensors:
    for name, tensor in _seeds(held):
        if tensor.size > _MAX_SEED:
            raise NotAllowed(f"the weights' {name[:120]} is larger than the state of a random generator")
    return [(name, tensor) for name, tensor in held.items() if "/vars/" in name and "seed_generator" not in name]


def _seeds(held: Mapping[str, Any]) -> Tensors:
    return [(name, tensor) for name, tensor in held.items() if "seed_generator" in name]


def _keras3_variables(layers: Sequence[Any]) -> dict[str, tuple[str, Any]]:
    """Return path in a Keras 3 weights file → (name, variable)."""
    return {
        f"{path}/vars/{index}": (f"{layer.name}/{variable.name}", variable)
        for path, layer in layer_paths(layers)
        for index, variable in enumerate(layer.weights)
    }


def _differences_by_order(expected: Tensors, found: Tensors) -> list[str]:
    differences = [
        f"{ours}: expected shape {tuple(variable.shape)}, the file has {theirs} with shape {tuple(tensor.shape)}"
        for (ours, variable), (theirs, tensor) in zip(expected, found, strict=False)
        if tuple(variable.shape) != tuple(tensor.shape)
    ]
    differences += [f"{name}: missing, expected shape {tuple(each.shape)}" for name, each in expected[len(found) :]]
    differences += [f"{name}: unexpected, shape {tuple(each.shape)}" for name, each in found[len(expected) :]]
    return differences


def _differences_by_key(expected: Mapping[str, tuple[str, Any]], found: Mapping[str, Any]) -> list[str]:
    differences = []
    for key, (name, variable) in expected.items():
        if key not in found:
            differences.append(f"{name}: missing ({key}), expected shape {tuple(variable.shape)}")
        elif tuple(variable.shape) != tuple(found[key].shape):
            shapes = f"expected shape {tuple(variable.shape)}, the file has {tuple(found[key].shape)}"
            differences.append(f"{name} ({key}): {shapes}")
    differences += [f"{key}: unexpected, shape {tuple(found[key].shape)}" for key in found if key not in expected]
    return differences


def _refuse_differences(differences: Sequence[str], what: str) -> None:
    if differences:
        shown = differences[:8]
        more = and_more(len(differences), len(shown))
        lines = "\n  ".join([*shown, more.strip()] if more else shown)
        raise DataError(f"backbone.weights: {what}:\n  {lines}")
