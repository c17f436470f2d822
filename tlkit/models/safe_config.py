"""Checking the configuration of a model file against what is allowed, before anything is built from it."""

from __future__ import annotations

import inspect
import math
from typing import Any

import keras

from tlkit.models.allowed import ACTIVATIONS, DTYPES, LAYERS, OTHERS, WITH_REGISTERED_NAME, NotAllowed
from tlkit.models.bounded import BOUNDED_CLASSES, BOUNDED_MODULES, BOUNDED_ZEROS, MAX_CHANNELS

MAX_OBJECTS = 20_000
"""Layers, dtypes, regularizers and the like."""
_MAX_DEPTH = 60
_MAX_NUMBER = 2**31

_MODELS = (("keras.src.models.functional", "Functional"), ("keras", "Functional"), ("keras", "Sequential"))


def checked_config(config: Any) -> dict[str, Any]:
    """Check the configuration of a model.

    Args:
        config: the parsed ``config.json``.

    Returns:
        a copy to build the model from, in which every initializer and every class that makes weights without one is
        replaced by its bounded counterpart.

    Raises:
        NotAllowed: it names something that is not allowed.
    """
    if not isinstance(config, dict) or (config.get("module"), config.get("class_name")) not in _MODELS:
        raise NotAllowed("the model is not a functional Keras model")
    model = {key: config.get(key) for key in ("module", "class_name", "config", "registered_name")}
    checked: dict[str, Any] = _Checker().value(model, "model", 0)
    return checked


class _Checker:
    """Walks through a configuration and returns the checked copy of each part."""

    def __init__(self) -> None:
        self._objects = 0

    def value(self, value: Any, key: str, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise NotAllowed(f"{key} is nested more than {_MAX_DEPTH} deep")
        if isinstance(value, dict):
            return self._table(value, key, depth)
        if isinstance(value, list):
            return [self.value(each, key, depth + 1) for each in value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            limit = {"shared_object_id": 2**64, "projection_dim": MAX_CHANNELS}.get(key, _MAX_NUMBER)
            if not math.isfinite(value) or abs(value) > limit:
                raise NotAllowed(f"{key} is {value}")
        elif isinstance(value, str):
            _check_text(value, key)
        return value

    def _table(self, value: dict[str, Any], key: str, depth: int) -> Any:
        if any(name.startswith("__") for name in value):
            raise NotAllowed(f"{key} has an entry {next(name for name in value if name.startswith('__'))!r}")
        if "class_name" in value:
            self._check_class(value, key)
        checked: dict[str, Any] = {}
        for name, each in value.items():
            if name.endswith("_initializer"):
                checked[name] = BOUNDED_ZEROS if each is not None else None
            elif name not in ("class_name", "module", "registered_name", "build_config"):
                checked[name] = self.value(each, name, depth + 1)
            elif name != "build_config":
                checked[name] = each
        if value.get("module") in BOUNDED_MODULES and value.get("class_name") in BOUNDED_CLASSES:
            checked["registered_name"] = f"Bounded{value['class_name']}"
        return checked

    def _check_class(self, value: dict[str, Any], key: str) -> None:
        module, name, registered = value.get("module"), value["class_name"], value.get("registered_name")
        if (module, name) == (None, "__keras_tensor__"):
            return
        allowed = LAYERS if module == "keras.layers" else OTHERS.get(module or "", frozenset())
        if not isinstance(name, str) or name not in allowed:
            shown = f"{module}.{registered or name}"[:120]
            raise NotAllowed(
                f"{key} has an object of {shown}, which is not a Keras layer that tlkit knows. If a plugin of "
                "yours made it and you trust the file, load it with --trust"
            )
        if registered is not None and (registered != name or name not in WITH_REGISTERED_NAME):
            raise NotAllowed(f"{key} has an object that is registered as {str(registered)[:80]!r}")
        if keras.saving.get_registered_object(name) is not None:
            raise NotAllowed(f"{key} has a {name}, and a plugin registered something of its own under that name")
        self._objects += 1
        if self._objects > MAX_OBJECTS:
            raise NotAllowed(f"there are more than {MAX_OBJECTS} layers and other objects")
        if module == "keras.layers" and isinstance(value.get("config"), dict):
            _check_initializers(name, value["config"], key)


def _check_text(value: str, key: str) -> None:
    if "activation" in key and value not in ACTIVATIONS:
        raise NotAllowed(f"{key} is {value[:80]!r}, which is not an activation of Keras")
    if "dtype" in key and value not in DTYPES:
        raise NotAllowed(f"{key} is {value[:80]!r}, which is not a dtype")
    if key.endswith(("_regularizer", "_constraint")):
        raise NotAllowed(f"{key} is the name {value[:80]!r}; expected its full configuration")


def _check_initializers(layer: str, config: dict[str, Any], key: str) -> None:
    """Check that a layer names all its initializers: without one, a weight would be made without a bound."""
    parameters = inspect.signature(getattr(keras.layers, layer).__init__).parameters
    missing = [name for name in parameters if name.endswith("_initializer") and name not in config]
    if missing:
        raise NotAllowed(f"{key}: a {layer} has no {missing[0]}")
