"""Checking the configuration of a model file against what is allowed, before anything is built from it.

A copy is built from the parts that ``allowed.toml`` names; what it does not name is refused, or never copied.
"""

from __future__ import annotations

from typing import Any

import keras

from tlkit.models.allowed import NotAllowed, Options, call_options, classes, table
from tlkit.models.bounded import BOUNDED_CLASSES, BOUNDED_ZEROS
from tlkit.models.option_kinds import check_option

MAX_OBJECTS = 20_000
"""Layers, their calls, regularizers and the like."""
_MAX_DEPTH = 8
"""Models within models, and lists of tensors within lists."""
_FUNCTIONAL = ("keras.src.models.functional", "Functional")
_MODELS = (_FUNCTIONAL, ("keras", "Sequential"))
_ENTRY = frozenset("module class_name config registered_name build_config compile_config name inbound_nodes".split())  # noqa: SIM905
"""The entries of an object. ``build_config`` repeats what building the layer computes, and is not copied."""
_ADVICE = "If a plugin of yours made it and you trust the file, load it with --trust"
_TENSOR = {"shape": "shape", "dtype": "type", "keras_history": "tensor name"}


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
    return _Checker().layer(config, "model", 0)


class _Checker:
    """Walks through a configuration and returns the checked copy of each part."""

    def __init__(self) -> None:
        self._objects = 0

    def layer(self, entry: Any, key: str, depth: int) -> dict[str, Any]:
        """Check a layer, an operation or a model, with the calls of it."""
        checked = self._object(entry, key, depth)
        name = checked["config"].get("name")
        for place in ("name", "inbound_nodes"):
            if place not in entry:
                continue
            value = entry[place]
            if place == "name" and value != name:
                raise NotAllowed(f"{key}: a layer has the names {str(value)[:80]!r} and {str(name)[:80]!r}")
            checked[place] = self._calls(value, checked["class_name"], depth) if place == "inbound_nodes" else name
        return checked

    def _object(self, entry: Any, key: str, depth: int) -> dict[str, Any]:
        """Check anything that has a class and options."""
        if depth > _MAX_DEPTH:
            raise NotAllowed(f"{key} is nested more than {_MAX_DEPTH} deep")
        if not isinstance(entry, dict) or not isinstance(entry.get("config"), dict):
            raise NotAllowed(f"{key}: expected the configuration of an object, received {str(entry)[:80]!r}")
        unknown = next((each for each in entry if each not in (*_ENTRY, "shared_object_id")), None)
        if unknown is not None or entry.get("compile_config"):
            raise NotAllowed(f"{key} has an entry {str(unknown or 'compile_config')[:80]!r}")
        module, name = entry.get("module"), entry.get("class_name")
        options = self._options(module, name, entry.get("registered_name"), key)
        name = str(name)
        checked = self._config(entry["config"], options, name, depth)
        _check_initializers(checked, options, name)
        registered = f"Bounded{name}" if (module, name) in BOUNDED_CLASSES else entry.get("registered_name")
        return {"module": module, "class_name": name, "registered_name": registered, "config": checked}

    def _options(self, module: Any, name: Any, registered: Any, key: str) -> Options:
        known = isinstance(module, str) and isinstance(name, str)
        options = classes().get((module, name)) if known else None
        if options is None:
            shown = f"{module}.{registered or name}"[:120]
            raise NotAllowed(f"{key} has an object of {shown}, which is not a Keras layer that tlkit knows. {_ADVICE}")
        # Keras registers its classes outside the public modules under their own names.
        expected = name if module.startswith("keras.src.") else None
        if registered != expected:
            raise NotAllowed(f"{key} has an object that is registered as {str(registered)[:80]!r}")
        _refuse_registered(name, key)
        self._count()
        return options

    def _config(self, config: dict[str, Any], options: Options, name: str, depth: int) -> dict[str, Any]:
        checked = {}
        for option, value in config.items():
            where = f"{name}.{option if option.isidentifier() else repr(option)}"[:160]
            if option not in options:
                raise NotAllowed(
                    f"{where} is not an option of a {name} that tlkit knows{_because(name, option)}. {_ADVICE}"
                )
            checked[option] = self._value(options[option], value, where, depth)
        return checked

    def _value(self, kind: str, value: Any, where: str, depth: int) -> Any:
        if kind == "initializer":
            return BOUNDED_ZEROS
        if kind == "layers":
            if not isinstance(value, list):
                raise NotAllowed(f"{where}: expected a list of layers")
            return [self.layer(each, where, depth + 1) for each in value]
        if kind == "dtype":
            return self._dtype(value, where)
        if kind in ("regularizer", "constraint"):
            return self._training_only(f"keras.{kind}s", value, where, depth)
        if kind == "tensor":
            return self._tensor(value, where)
        check_option(kind, value, where)
        if kind == "activation" and value is not None:
            _refuse_registered(value, where)
        return value

    def _training_only(self, module: str, value: Any, where: str, depth: int) -> Any:
        if value is None:
            return None
        if not isinstance(value, dict) or value.get("module") != module:
            raise NotAllowed(f"{where}: expected null or a configuration of {module}, received {str(value)[:80]!r}")
        return self._object(value, where, depth + 1)

    def _dtype(self, value: Any, where: str) -> str:
        """Return a dtype or a DTypePolicy as the name that stands for it."""
        if isinstance(value, dict):
            place = (value.get("module"), value.get("class_name"), value.get("registered_name"))
            if place != ("keras", "DTypePolicy", None) or set(value.get("config") or ()) != {"name"}:
                raise NotAllowed(f"{where}: expected a type or a DTypePolicy, received {str(value)[:80]!r}")
            value = value["config"]["name"]
        check_option("type", value, where)
        return str(value)

    def _calls(self, nodes: Any, name: str, depth: int) -> list[dict[str, Any]]:
        if not isinstance(nodes, list):
            raise NotAllowed(f"{name}: expected a list of its calls")
        options, checked = call_options(name), []
        for node in nodes:
            arguments, named = (node.get("args"), node.get("kwargs")) if isinstance(node, dict) else (None, None)
            if not isinstance(arguments, list) or not isinstance(named, dict) or len(node) != 2:
                raise NotAllowed(f"{name}: expected args and kwargs of a call")
            unknown = next((each for each in named if each not in options), None)
            if unknown is not None:
                raise NotAllowed(f"{name}: a call of it has {unknown[:80]!r}")
            self._count()
            checked.append(
                {
                    "args": [self._argument(each, name, 0) for each in arguments],
                    "kwargs": {
                        each: self._value(options[each], value, f"a call of {name}: {each}", depth)
                        for each, value in named.items()
                    },
                }
            )
        return checked

    def _argument(self, value: Any, name: str, depth: int) -> Any:
        """Check an argument of a call: a tensor, a list of tensors, or a number."""
        if isinstance(value, list) and depth < _MAX_DEPTH:
            return [self._argument(each, name, depth + 1) for each in value]
        if isinstance(value, dict):
            return self._tensor(value, f"a call of {name}")
        check_option("number", value, f"a call of {name}")
        return value

    def _tensor(self, value: Any, where: str) -> dict[str, Any]:
        config = value.get("config") if isinstance(value, dict) else None
        if not isinstance(config, dict) or set(value) != {"class_name", "config"} or set(config) != set(_TENSOR):
            raise NotAllowed(f"{where}: expected a tensor, received {str(value)[:80]!r}")
        if value["class_name"] != "__keras_tensor__":
            raise NotAllowed(f"{where}: expected a tensor, received {str(value['class_name'])[:80]!r}")
        for option, kind in _TENSOR.items():
            check_option(kind, config[option], f"{where}: {option}")
        return {"class_name": "__keras_tensor__", "config": dict(config)}

    def _count(self) -> None:
        self._objects += 1
        if self._objects > MAX_OBJECTS:
            raise NotAllowed(f"there are more than {MAX_OBJECTS} layers and other objects")


def _refuse_registered(name: str, where: str) -> None:
    """Refuse a name of Keras's for which Keras would take what a plugin registered."""
    if keras.saving.get_registered_object(name) is not None:
        raise NotAllowed(f"{where} has a {name}, and a plugin registered something of its own under that name")


def _because(name: str, option: str) -> str:
    refused = table()["refused"]
    reason = refused.get(f"{name}.{option}", refused.get(option))
    return f" ({reason})" if reason else ""


def _check_initializers(config: dict[str, Any], options: Options, name: str) -> None:
    """Check that a layer names all its initializers: without one, a weight would be made without a bound."""
    missing = [option for option, kind in options.items() if kind == "initializer" and option not in config]
    if missing:
        raise NotAllowed(f"a {name} has no {missing[0]}")
