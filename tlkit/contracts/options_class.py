"""The field ``options`` of a record: a class, or ``lazy`` of one."""

from __future__ import annotations

from typing import Any

from tlkit.contracts.base import Options
from tlkit.contracts.lazy import LazyFunction
from tlkit.errors import PluginError


class OptionsClass:
    """The field ``options`` of a record's dataclass. A class that is named with ``lazy`` is imported when it is needed.

    Making the classes of all records takes longer than everything else that a command does at its start.

    Args:
        base: the class that it must derive from.
    """

    def __init__(self, base: type[Options]) -> None:
        self.base = base

    def __get__(self, record: Any, _owner: type | None = None) -> type[Options]:
        if record is None:
            raise AttributeError("options")  # so that the dataclass has no default for it
        value = vars(record)["options"]
        if isinstance(value, LazyFunction):
            loaded = value.load()
            if problem := options_problem(loaded, self.base, record.name):
                raise PluginError(f"{value.target}: {problem}")
            value = vars(record)["options"] = loaded
        return value  # type: ignore[no-any-return]

    def __set__(self, record: Any, value: Any) -> None:
        vars(record)["options"] = value


ANY_OPTIONS = OptionsClass(Options)
"""The field of a record whose options may derive from ``Options`` itself."""


def is_loaded(record: Any) -> bool:
    """Return whether the options class of a record is there, and need not be imported."""
    return not isinstance(vars(record)["options"], LazyFunction)


def options_problem(options: object, base: type[Options], name: str) -> str:
    """Return what is wrong with the options class of the record ``name``; an empty string if nothing is."""
    if not (isinstance(options, type) and issubclass(options, base)):
        return f'the options of "{name}" are not a subclass of tlkit.{base.__name__}'
    if "name" in options.model_fields:
        return f'the options of "{name}" have a field "name", but in a recipe this key selects the plugin'
    return ""
