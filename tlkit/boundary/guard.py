"""Functions of plugins, guarded: each call of one is inside the boundary."""

from __future__ import annotations

import copy
import dataclasses
import sys
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, TypeVar

from tlkit.boundary.code import PluginCode
from tlkit.boundary.results import part_problem, result_problem, settled
from tlkit.contracts import DrawnMask, ExportContext, ExportedModel, Options, SampleSet
from tlkit.errors import PluginError
from tlkit.system.text import listed

MOST_ITEMS = 10_000
"""The most records, phases or other items that a function of a plugin may return."""

_PASSES: dict[str, tuple[type[Exception], ...]] = {"Schedule.plan": (ValueError,)}
"""Function of a record → exceptions that its contract allows and the core turns into its own."""

AUTOGRAPH = "autograph_info__"
"""The attribute by which TensorFlow's AutoGraph knows functions that it is to leave as they are."""

T = TypeVar("T")


class Guard:
    """A function of a plugin, called inside the boundary.

    What it returns is checked: the type, and that of each part. ``__module__`` and ``__name__`` are the function's.

    Args:
        function: the function.
        plugin: the plugin, for messages.
        kind: the record's class and field, such as ``Head.build``.
        name: the name of the record that has the function.
        copies: whether it gets copies of options, contexts, phases and tables of values.
        watch: as in ``PluginCode``.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        plugin: str,
        kind: str,
        name: str = "",
        *,
        copies: bool = True,
        watch: bool = True,
    ) -> None:
        self.function, self.plugin, self.kind, self.name = function, plugin, kind, name
        self._copies, self._watch = copies, watch
        self.__module__ = getattr(function, "__module__", "") or ""
        self.__name__ = getattr(function, "__name__", kind)
        if hasattr(function, AUTOGRAPH):
            setattr(self, AUTOGRAPH, getattr(function, AUTOGRAPH))

    @property
    def what(self) -> str:
        """The function, for messages."""
        return f'{self.kind} of "{self.name}"' if self.name else self.kind

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function.

        Raises:
            PluginError: it raised something else than tlkit's own errors, or returned something wrong.
        """
        with PluginCode(
            self.plugin, self.what, _PASSES.get(self.kind, ()), file=file_of_function(self), watch=self._watch
        ):
            given = [fresh(each) for each in args] if self._copies else args
            return self._finished(self.function(*given, **kwargs))

    def _finished(self, returned: Any) -> Any:
        """Return what the function returned: generators as tuples, lists in records as tuples, functions guarded."""
        if self.kind == "Schedule.plan":
            return tuple(settled(each) for each in items(returned, self.plugin, self.what))
        result = settled(returned)
        problem = result_problem(self.kind, result)
        if problem:
            raise PluginError(f"{self.plugin}: {self.what}: {problem}")
        if self.kind == "Augmentation.build" and result is not None:
            return Guard(result, self.plugin, "the function of Augmentation.build", self.name)
        if isinstance(result, ExportedModel):
            return guarded(result, self.plugin, self.name)
        return self._with_guarded_masks(result) if isinstance(result, SampleSet) else result

    def _with_guarded_masks(self, found: SampleSet) -> SampleSet:
        samples = found.samples
        if not isinstance(samples, tuple) or not any(isinstance(getattr(s, "mask", 0), DrawnMask) for s in samples):
            return found
        return dataclasses.replace(
            found,
            samples=tuple(
                dataclasses.replace(each, mask=guarded(each.mask, self.plugin, self.name))
                if isinstance(each.mask, DrawnMask)
                else each
                for each in samples
            ),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Guard) and self.function == other.function

    def __hash__(self) -> int:
        return hash(self.function)


def guarded(record: T, plugin: str, name: str) -> T:
    """Return a copy of a record whose functions are guarded.

    Args:
        record: a record of a plugin: a dataclass; each field that can be called and is no class is a function.
        plugin: the plugin, for messages.
        name: the record's name, for messages.
    """
    result = copy.copy(record)
    for each in dataclasses.fields(record):  # type: ignore[arg-type]
        value = vars(record)[each.name]  # as it is: an options class may not be imported yet
        if each.name != "options" and callable(value) and not isinstance(value, type | Guard):
            object.__setattr__(result, each.name, Guard(value, plugin, f"{type(record).__name__}.{each.name}", name))
    return result


def guarded_callback(callback: T, plugin: str) -> T:
    """Guard the methods that Keras calls of a callback, in place: those of its class that differ from Keras's own."""
    own = vars(callback)
    for name in dir(type(callback)):
        method = getattr(callback, name) if name.startswith(("on_", "set_")) else None
        if callable(method) and not isinstance(method, Guard) and not getattr(method, "_is_default", False):
            title = f"{type(callback).__name__}.{name}"
            # Callbacks may change the logs for those after them, as Keras's own do; the loop passes a copy of its own.
            own[name] = Guard(method, plugin, title, copies=False, watch="_batch_" not in name)
    return callback


def owners(callbacks: Iterable[Any]) -> str:
    """Return the names of the plugins whose guarded callbacks these are, for messages."""
    guards = (value for each in callbacks for value in vars(each).values() if isinstance(value, Guard))
    return listed(list(dict.fromkeys(guard.plugin for guard in guards))) or "none"


def options_code(record: Any, passes: tuple[type[Exception], ...] = ()) -> PluginCode:
    """Return a context for code of a record's options class: its validators, defaults and serializers.

    Args:
        record: a record of a registry.
        passes: as in ``PluginCode``.
    """
    guards = [each for each in vars(record).values() if isinstance(each, Guard)]
    plugin = guards[0].plugin if guards else f'{type(record).__name__.lower()} "{record.name}"'
    return PluginCode(plugin, f'the options of {type(record).__name__.lower()} "{record.name}"', passes)


def file_of_function(function: Any) -> str | None:
    """Return the file of the module that a function is in; None if there is none."""
    return getattr(sys.modules.get(getattr(function, "__module__", None) or ""), "__file__", None)


def items(returned: Iterable[T] | None, plugin: str, what: str) -> tuple[T, ...]:
    """Return the items that a function of a plugin returned or yields, within ``PluginCode``.

    Raises:
        PluginError: they don't end.
    """
    result = tuple(islice(returned or (), MOST_ITEMS + 1))
    if len(result) > MOST_ITEMS:
        raise PluginError(f"{plugin}: {what}: returned more than {MOST_ITEMS:,} items; expected an end")
    return result


def checked_items(returned: Iterable[Any], expected: type[T], plugin: str, hook: str) -> list[T]:
    """Return the items that a plugin returned from a hook, settled, and callbacks guarded.

    Args:
        returned: the items.
        expected: their type.
        plugin: the plugin, as in messages.
        hook: the name of the hook.

    Raises:
        PluginError: an item is of another type, or a part of it is.
    """
    checked = []
    for each in returned:
        if not isinstance(each, expected):
            name = f"{expected.__module__.split('.')[0]}.{expected.__name__}"
            raise PluginError(f"{plugin}: {hook}: expected {name}, received {each!r}")
        item = settled(each)
        if problem := part_problem(item):
            raise PluginError(f"{plugin}: {hook}: {problem}")
        checked.append(guarded_callback(item, plugin) if hook == "tlkit_callbacks" else item)
    return checked


def fresh(value: Any) -> Any:
    """Return a deep copy of an argument that a plugin could change: options, contexts, phases, tables of values."""
    if isinstance(value, Options):
        return value.model_copy(deep=True)
    if isinstance(value, ExportContext):  # a model can't be copied
        return value
    plain = isinstance(value, dict) or (dataclasses.is_dataclass(value) and not isinstance(value, type))
    return copy.deepcopy(value) if plain and not _has_tensors(value) else value


def _has_tensors(value: Any) -> bool:
    return isinstance(value, dict) and any(hasattr(each, "dtype") for each in value.values())
