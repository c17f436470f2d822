"""What a plugin's code must leave as it was in the process, because a run relies on it."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


class _Part(NamedTuple):
    """A part of the state: what it is, its value, and how to set it."""

    what: str
    value: Any
    put_back: Callable[[Any], object]


class ProcessState:
    """The state of the process before a plugin's code runs.

    It has what would change a run without an error: the working folder, the handlers of signals, standard output and
    error, the environment variables of tlkit, warnings as errors, the settings of Keras that the type and
    the layout of every tensor depend on, and those of TensorFlow that say how it computes.
    """

    def __init__(self) -> None:
        self._parts = {part.what: part for part in _parts()}

    def restore(self) -> str:
        """Put back what was changed, and return what that was; an empty string if it was nothing."""
        texts = []
        for now in _parts():
            before = self._parts.get(now.what)
            if before is not None and not _same(before.value, now.value):
                before.put_back(before.value)
                values = "" if isinstance(now.value, tuple) else f" from {before.value!r} to {now.value!r}"
                texts.append(f"{now.what}{values or ', so that more warnings are errors'}")
        if not texts:
            return ""
        return f"changed {' and '.join(texts)}, which the run relies on; expected it to be left as it was"


def _same(before: Any, now: Any) -> bool:
    if isinstance(before, tuple):
        return before == now or not _more_errors(before, now)
    return before is now or (isinstance(before, str | int | dict) and bool(before == now))


def _parts() -> Iterator[_Part]:
    yield _Part("the working folder", _working_folder(), os.chdir)
    for number in (getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)):
        yield _Part(f"the handler of {number.name}", signal.getsignal(number), partial(signal.signal, number))
    for name in ("stdout", "stderr"):
        yield _Part(f"sys.{name}", getattr(sys, name), partial(setattr, sys, name))
    yield _Part("environment variables", _variables(), _set_variables)
    yield _Part("the filters of warnings", tuple(warnings.filters), _set_filters)
    keras, tensorflow = (_started(name) for name in ("keras", "tensorflow"))
    if keras is not None:
        config = keras.config
        yield _Part("keras.config.floatx", config.floatx(), config.set_floatx)
        yield _Part("keras.config.image_data_format", config.image_data_format(), config.set_image_data_format)
        yield _Part("keras.config.dtype_policy", config.dtype_policy().name, config.set_dtype_policy)
    if tensorflow is not None:
        config = tensorflow.config
        eager, single = config.run_functions_eagerly, config.experimental.enable_tensor_float_32_execution
        yield _Part("tf.config.run_functions_eagerly", config.functions_run_eagerly(), eager)
        yield _Part("tf.config.optimizer.set_jit", str(config.optimizer.get_jit()), config.optimizer.set_jit)
        yield _Part("TensorFloat-32", config.experimental.tensor_float_32_execution_enabled(), single)


def _started(name: str) -> Any:
    """Return a module that is imported completely; None for others."""
    module = sys.modules.get(name)
    # Another thread may be importing it.
    being_imported = getattr(getattr(module, "__spec__", None), "_initializing", False)
    return module if hasattr(module, "config") and not being_imported else None


def _working_folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:
        return ""


def _variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("TLKIT_")}


def _set_variables(values: dict[str, str]) -> None:
    for name in _variables():
        if name not in values:
            del os.environ[name]
    os.environ.update(values)


def _set_filters(filters: tuple[Any, ...]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _more_errors(before: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
    """Return whether a filter that makes warnings errors is new, or comes before one that came before it."""
    places = {each: place for place, each in enumerate(before)}
    for number, each in enumerate(now):
        if each[0] == "error":
            place = places.get(each)
            if place is None or any(places.get(other, place) < place for other in now[number + 1 :]):
                return True
    return False
