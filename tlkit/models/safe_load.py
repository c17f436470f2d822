"""Loading a model file that anybody may have made: nothing in it is executed, and nothing is believed unchecked.

Keras's safe mode is a list of what is forbidden, and a function that a plugin registered is not on it. Here what may be
in a file is listed instead: layer classes without code of their own, bounded numbers, stored (not compressed) entries,
plain arrays. Weights are only made room for as far as the file has bytes for them.
"""

from __future__ import annotations

import inspect
import json
import math
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import keras
from keras.src.applications.convnext import LayerScale

from tlkit.errors import RunError
from tlkit.models.allowed import ACTIVATIONS, DTYPES, LAYERS, OTHERS, WITH_REGISTERED_NAME
from tlkit.system.disk import FullDiskError, free_bytes, is_disk_full

MOST_CONFIG_BYTES = 64_000_000
MOST_WEIGHT_BYTES = 16_000_000_000
MOST_OBJECTS = 20_000
"""Layers, dtypes, regularizers and the like."""
MOST_ELEMENTS = 2**28
"""Of an image's feature map, and of all those together that an operation takes."""
_MOST_DEPTH = 60
_MOST_NUMBER = 2**31
_MOST_CHANNELS = 2**16
_SPARE_ELEMENTS = 1_000_000

_ENTRIES = {"metadata.json": 1_000_000, "config.json": MOST_CONFIG_BYTES, "model.weights.h5": MOST_WEIGHT_BYTES}


def load_model_file(path: Path, *, trust: bool = False) -> Any:
    """Read a ``.keras`` file without an optimizer.

    Args:
        path: of the file.
        trust: leave the checks away and let Keras load it in its own safe mode, which runs the code of classes and
            functions that are registered in this process.

    Returns:
        the Keras model.

    Raises:
        RunError: the file can't be read, or has something in it that is not allowed.
        FullDiskError: the folder for temporary files has no room for its weights.
    """
    if trust:
        try:
            return keras.saving.load_model(path, compile=False, safe_mode=True)
        except (OSError, zipfile.BadZipFile, ValueError, TypeError, KeyError) as error:
            reason = _first_line(error)
            raise NotAllowedError(f"{path}: can't be loaded, even with --trust: {reason}") from error
    if path.is_symlink():
        raise RunError(f"{path}: is a link; a model is only read from the run folder itself")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_entries(archive)
            config = _read_config(archive)
            with tempfile.TemporaryDirectory(prefix="tlkit-") as folder:
                weights = Path(folder) / "model.weights.h5"
                with archive.open("model.weights.h5") as source, weights.open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
                return _build(config, weights, _check_weights(weights))
    except _NotAllowed as error:
        raise NotAllowedError(f"{path}: not loaded: {error}") from error
    except (OSError, zipfile.BadZipFile, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        if isinstance(error, OSError) and is_disk_full(error):
            temporary = Path(tempfile.gettempdir())
            raise FullDiskError(
                f"{path}: can't be unpacked: {temporary}, the folder for temporary files, is full "
                f"({free_bytes(temporary) / 1e6:.1f} MB free). Make room, or name another folder with TMPDIR"
            ) from error
        raise RunError(f"{path}: can't be loaded: {_first_line(error)}; the file is damaged, or not a model") from error
    except (RecursionError, MemoryError, OverflowError, NotImplementedError, RuntimeError) as error:
        raise RunError(f"{path}: can't be loaded: {type(error).__name__}; the file is not one of tlkit's") from error


class NotAllowedError(RunError):
    """A file has something in it that is only loaded by who trusts it, or that is not known here."""


class _NotAllowed(Exception):  # noqa: N818 - becomes a NotAllowedError that names the file
    """What is in the file and not allowed."""


def _first_line(error: Exception | Warning | str) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


# The archive ------------------------------------------------------------------------------------------------------


def _check_entries(archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    if sorted(entry.filename for entry in entries) != sorted(_ENTRIES):
        names = ", ".join(repr(entry.filename) for entry in entries[:8])
        raise _NotAllowed(f"expected the entries {', '.join(_ENTRIES)}, received {names}")
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size or entry.flag_bits & 1:
            raise _NotAllowed(f"{entry.filename} is compressed or encrypted; expected it stored as it is")
        if entry.file_size > _ENTRIES[entry.filename]:
            raise _NotAllowed(
                f"{entry.filename} has {entry.file_size} bytes; expected at most {_ENTRIES[entry.filename]}"
            )


def _read_config(archive: zipfile.ZipFile) -> dict[str, Any]:
    config = json.loads(archive.read("config.json"))
    if not isinstance(config, dict) or (config.get("module"), config.get("class_name")) not in (
        ("keras.src.models.functional", "Functional"),
        ("keras", "Functional"),
        ("keras", "Sequential"),
    ):
        raise _NotAllowed("the model is not a functional Keras model")
    kept = {key: config.get(key) for key in ("module", "class_name", "config", "registered_name")}
    checker = _Checker()
    checked: dict[str, Any] = checker.value(kept, "model", 0)
    return checked


class _Checker:
    """Walks a configuration; what it returns has initializers and classes of our own in it."""

    def __init__(self) -> None:
        self.objects = 0

    def value(self, value: Any, key: str, depth: int) -> Any:
        if depth > _MOST_DEPTH:
            raise _NotAllowed(f"{key} is nested more than {_MOST_DEPTH} deep")
        if isinstance(value, dict):
            return self.table(value, key, depth)
        if isinstance(value, list):
            return [self.value(each, key, depth + 1) for each in value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            most = {"shared_object_id": 2**64, "projection_dim": _MOST_CHANNELS}.get(key, _MOST_NUMBER)
            if not math.isfinite(value) or abs(value) > most:
                raise _NotAllowed(f"{key} is {value}")
        elif isinstance(value, str):
            self.text(value, key)
        return value

    def text(self, value: str, key: str) -> None:
        if "activation" in key and value not in ACTIVATIONS:
            raise _NotAllowed(f"{key} is {value[:80]!r}, which is none of Keras's activations")
        if "dtype" in key and value not in DTYPES:
            raise _NotAllowed(f"{key} is {value[:80]!r}, which is no dtype")
        if key.endswith(("_regularizer", "_constraint")):
            raise _NotAllowed(f"{key} is the name {value[:80]!r}; expected it spelt out")

    def table(self, value: dict[str, Any], key: str, depth: int) -> Any:
        if any(name.startswith("__") for name in value):
            raise _NotAllowed(f"{key} has an entry {next(name for name in value if name.startswith('__'))!r}")
        if "class_name" in value:
            self.check_class(value, key)
        found: dict[str, Any] = {}
        for name, each in value.items():
            if name.endswith("_initializer"):
                found[name] = _BOUNDED if each is not None else None
            elif name not in ("class_name", "module", "registered_name", "build_config"):
                found[name] = self.value(each, name, depth + 1)
            elif name != "build_config":
                found[name] = each
        if value.get("module") in _BOUNDED_MODULES and value.get("class_name") in _BOUNDED_CLASSES:
            found["registered_name"] = f"Bounded{value['class_name']}"
        return found

    def check_class(self, value: dict[str, Any], key: str) -> None:
        module, name, registered = value.get("module"), value["class_name"], value.get("registered_name")
        if (module, name) == (None, "__keras_tensor__"):
            return
        allowed = LAYERS if module == "keras.layers" else OTHERS.get(module or "", frozenset())
        if not isinstance(name, str) or name not in allowed:
            known = f"{module}.{registered or name}"[:120]
            raise _NotAllowed(
                f"{key} has an object of {known}, which is not a layer of Keras that tlkit knows. If a plugin of "
                "yours made it and you trust the file, load it with --trust"
            )
        if registered is not None and (registered != name or name not in WITH_REGISTERED_NAME):
            raise _NotAllowed(f"{key} has an object that is registered as {str(registered)[:80]!r}")
        if keras.saving.get_registered_object(name) is not None:
            raise _NotAllowed(f"{key} has a {name}, and a plugin registered something of its own under that name")
        self.objects += 1
        if self.objects > MOST_OBJECTS:
            raise _NotAllowed(f"there are more than {MOST_OBJECTS} layers and other objects")
        if module == "keras.layers" and isinstance(value.get("config"), dict):
            # A weight whose initializer the configuration leaves out would be made without a bound.
            wanted = [each for each in _parameters(name) if each.endswith("_initializer")]
            lacking = [each for each in wanted if each not in value["config"]]
            if lacking:
                raise _NotAllowed(f"{key}: a {name} has no {lacking[0]}")


def _parameters(layer: str) -> list[str]:
    return list(inspect.signature(getattr(keras.layers, layer).__init__).parameters)


# Weights ----------------------------------------------------------------------------------------------------------


def _check_weights(path: Path) -> int:
    """How many elements the arrays have; that they are plain arrays inside the file."""
    elements = 0
    with h5py.File(path, "r") as file:
        for name, item in _items(file, "", 0):
            if isinstance(item, h5py.Dataset):
                plain = item.dtype.kind in "fiub" and not item.is_virtual and not item.external
                if not plain or item.compression is not None or item.chunks is not None:
                    raise _NotAllowed(f"the weights' {name} is not a plain array")
                elements += item.size
    if elements > path.stat().st_size:
        raise _NotAllowed("the weights claim more elements than the file has bytes")
    return elements


def refuse_links(path: Path) -> None:
    """Look through an HDF5 file for what would be read from another file.

    Raises:
        NotAllowedError: it has links, or arrays that lie outside.
        OSError: it can't be read.
    """
    try:
        with h5py.File(path, "r") as file:
            for name, item in _items(file, "", 0):
                if isinstance(item, h5py.Dataset) and (item.is_virtual or item.external):
                    raise _NotAllowed(f"the weights' {name} lies in another file")
    except _NotAllowed as error:
        raise NotAllowedError(f"{path}: not loaded: {error}") from error


def _items(group: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > _MOST_DEPTH:
        raise _NotAllowed(f"the weights are nested more than {_MOST_DEPTH} deep")
    for name in group:
        where = f"{path}/{name}"
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise _NotAllowed(f"the weights' {where[:120]} is a link")
        item = group[name]
        yield where, item
        if isinstance(item, h5py.Group):
            yield from _items(item, where, depth + 1)


_BOUNDED = {"module": "tlkit", "class_name": "BoundedZeros", "config": {}, "registered_name": "BoundedZeros"}
_left: list[int] = []
"""How many elements may still be made, of the model that is being loaded."""


class BoundedZeros(keras.initializers.Initializer):  # type: ignore[misc]
    """Zeros, as long as the file has values to put in their place."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        """Zeros of a shape.

        Raises:
            _NotAllowed: they are more than the file has values for.
        """
        _take(shape)
        return keras.ops.zeros(shape, dtype=dtype)


class BoundedNormalization(keras.layers.Normalization):  # type: ignore[misc]
    """Its mean and variance are made, or broadcast, whatever the configuration says of initializers."""

    def build(self, input_shape: Any) -> None:
        """As its base, as long as the file has values for the axes that are kept.

        Raises:
            _NotAllowed: they are more than the file has values for.
        """
        for _ in ("mean", "variance"):
            _take(input_shape[axis] or 1 for axis in self.axis)
        super().build(input_shape)


class BoundedLayerScale(LayerScale):  # type: ignore[misc]
    """Its scales are made with an initializer of its own."""

    def build(self, input_shape: Any) -> None:
        """As its base, as long as the file has values for the scales.

        Raises:
            _NotAllowed: they are more than the file has values for.
        """
        _take([self.projection_dim])
        super().build(input_shape)


_BOUNDED_CLASSES = {"Normalization": BoundedNormalization, "LayerScale": BoundedLayerScale}
_BOUNDED_MODULES = ("keras.layers", "keras.src.applications.convnext")
_OWN = {f"Bounded{name}": own for name, own in _BOUNDED_CLASSES.items()} | {"BoundedZeros": BoundedZeros}


def _take(shape: Iterable[Any]) -> None:
    size = math.prod(int(each) for each in shape)
    if not _left or not 0 <= size <= _left[-1]:
        raise _NotAllowed(f"a layer wants {size} weights, more than the file has")
    _left[-1] -= size


@contextmanager
def _room_for(elements: int) -> Iterator[None]:
    _left.append(elements)
    try:
        yield
    finally:
        _left.pop()


def _build(config: dict[str, Any], weights: Path, elements: int) -> Any:
    with _room_for(elements + _SPARE_ELEMENTS):
        model = keras.saving.deserialize_keras_object(config, custom_objects=_OWN, safe_mode=True)
    for operation in _leaves(model):
        _check_size(operation)
        # The model may be copied and saved like any other.
        if type(operation) in _BOUNDED_CLASSES.values():
            operation.__class__ = type(operation).__base__
        for name, value in list(vars(operation).items()):
            if isinstance(value, BoundedZeros):
                setattr(operation, name, keras.initializers.Zeros())
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        model.load_weights(weights)
    if told:  # Keras leaves layers as they were made whose weights it doesn't find, and only warns of it
        raise _NotAllowed(f"the weights are not those of its layers: {_first_line(told[0].message)}")
    return model


def _leaves(model: Any) -> Iterator[Any]:
    """The layers and other operations that compute something, those of models in the model too."""
    for operation in model.layers if isinstance(model, keras.Sequential) else model.operations:
        if isinstance(operation, keras.Model):
            yield from _leaves(operation)
        else:
            yield operation


def _check_size(operation: Any) -> None:
    for node in operation._inbound_nodes:  # one a call: what is shared is called on several sizes
        for verb, tensors in (("takes", node.input_tensors), ("puts out", node.output_tensors)):
            shapes = [tuple(tensor.shape) for tensor in tensors]
            # A model in the model would go with images of any size.
            unknown = next((shape for shape in shapes if None in shape[1:]), None)
            if unknown is not None:
                raise _NotAllowed(f"the layer {operation.name} {verb} {unknown}, whose size is not known")
            elements = sum(map(_size, shapes))
            if elements > MOST_ELEMENTS:
                raise _NotAllowed(f"the layer {operation.name} {verb} {elements} numbers, more than {MOST_ELEMENTS}")


def _size(shape: tuple[Any, ...]) -> int:
    return math.prod(int(size or 1) for size in shape)
