"""Plugin discovery: what loaded, from where, what failed and why; one lookup by kind and name."""

from __future__ import annotations

import difflib
import inspect
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

import pluggy

from tlkit import hookspecs
from tlkit.contracts import Augmentation, Backbone, BackboneOptions, Dataset, Head, Options, Record, Schedule
from tlkit.errors import PluginError, Problem
from tlkit.system.text import nearest

GROUP = "tlkit"
VARIABLE = "TLKIT_PLUGINS"

KINDS: Mapping[type, tuple[str, str]] = {
    Backbone: ("backbone", "tlkit_backbones"),
    Head: ("head", "tlkit_heads"),
    Augmentation: ("augmentation", "tlkit_augmentations"),
    Schedule: ("schedule", "tlkit_schedules"),
    Dataset: ("dataset", "tlkit_datasets"),
}
"""Kind of record → (its name for people, the hook that offers it)."""

T = TypeVar("T")
R = TypeVar("R", Backbone, Head, Augmentation, Schedule, Dataset)


@dataclass(frozen=True)
class Source:
    """Where a plugin comes from.

    Args:
        plugin: the entry point's name, or the file's.
        distribution: its distribution; None for a single file.
        version: of the distribution.
    """

    plugin: str
    distribution: str | None
    version: str | None

    @property
    def title(self) -> str:
        """The plugin with its distribution."""
        return self.plugin if self.distribution is None else f"{self.plugin} ({self})"

    def __str__(self) -> str:
        return self.plugin if self.distribution is None else f"{self.distribution} {self.version}"


@dataclass(frozen=True)
class Failure:
    """A plugin that could not be used, wholly or in part.

    Args:
        reason: one line.
        details: the traceback, empty where there is none.
    """

    source: Source
    reason: str
    details: str = ""


class Registry:
    """The plugins of one process. Made by ``make_registry``; there is no global one."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(hookspecs.PROJECT)
        self.manager.add_hookspecs(hookspecs)
        self.sources: dict[str, Source] = {}
        self.failures: list[Failure] = []
        self._records: dict[type, dict[str, list[tuple[Any, Source]]]] = {kind: {} for kind in KINDS}

    def add(self, module: ModuleType | object, source: Source, key: str) -> None:
        """Register a plugin and collect what it offers; what is wrong with it is kept in ``failures``."""
        self._look_for_typos(module, source)
        try:
            self.manager.register(module, name=key)
        except pluggy.PluginValidationError as error:
            self.manager.unregister(name=key)  # pluggy keeps the hooks that it checked before the wrong one
            self._failed(source, " ".join(str(error).split()))
            return
        except ValueError:
            self._failed(source, f"{key} is registered twice; it is used once")
            return
        self.sources[key] = source
        for kind, (_, hook) in KINDS.items():
            for implementation in getattr(self.manager.hook, hook).get_hookimpls():
                if implementation.plugin_name == key:
                    self._collect(kind, hook, implementation.function, source)

    def _look_for_typos(self, module: object, source: Source) -> None:
        known = [name for name in vars(hookspecs) if name.startswith("tlkit_")]
        for name in dir(module):
            marked = self.manager.parse_hookimpl_opts(module, name) is not None
            if marked and name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f'; did you mean "{near[0]}"?' if near else f"; the hooks are {', '.join(known)}"
                self._failed(source, f'there is no hook "{name}"{hint}')
            elif not marked and name.startswith("tlkit_") and inspect.isroutine(getattr(module, name)):
                near = difflib.get_close_matches(name, known, n=1)
                if near:
                    meant = "" if name == near[0] else f'; did you mean "{near[0]}"? If so, rename it and'
                    mark = "; " if not meant else " "
                    self._failed(source, f'"{name}" is not marked as a hook{meant}{mark}write @tlkit.hookimpl above it')

    def _collect(self, kind: type, hook: str, function: Any, source: Source) -> None:
        for record in self._call(hook, function, source):
            wrong = _wrong_with(record, kind)
            if wrong:
                self._failed(source, f"{hook}: {wrong}")
            else:
                self._records[kind].setdefault(record.name, []).append((record, source))

    def _call(self, hook: str, function: Any, source: Source) -> list[Any]:
        try:
            return list(function() or ())
        except (Exception, SystemExit) as error:  # the plugin's own code: whatever it raises is its failure, not ours
            self._failed(source, f"{hook}: {type(error).__name__}: {error}", traceback.format_exc())
            return []

    def collect(self, hook: str) -> list[tuple[Any, Source]]:
        """What the plugins offer by a hook without arguments; a plugin that fails in it is noted in ``failures``."""
        return [
            (item, self.sources[implementation.plugin_name])
            for implementation in getattr(self.manager.hook, hook).get_hookimpls()
            for item in self._call(hook, implementation.function, self.sources[implementation.plugin_name])
        ]

    def _failed(self, source: Source, reason: str, details: str = "") -> None:
        self.failures.append(Failure(source, reason, details))

    def records(self, kind: type[R]) -> Iterator[tuple[R, Source]]:
        """All records of a kind in the order of their names, those of conflicting names included."""
        for _, found in sorted(self._records[kind].items(), key=lambda item: item[0].lower()):
            yield from found

    def names(self, kind: type[Record]) -> list[str]:
        """The names of a kind's records, sorted."""
        return sorted(self._records[kind], key=str.lower)

    def conflicts(self) -> list[str]:
        """A sentence for each name that more than one plugin offers."""
        return [
            _conflict(kind, name, found)
            for kind, records in self._records.items()
            for name, found in records.items()
            if len(found) > 1
        ]

    def find(self, kind: type[R], name: str) -> R:
        """The record of that kind and name.

        Raises:
            PluginError: no plugin offers it (with the nearest name and the plugins that failed), or two do.
        """
        return self.find_with_source(kind, name)[0]

    def find_with_source(self, kind: type[R], name: str) -> tuple[R, Source]:
        """As ``find``, with where it comes from."""
        found = self._records[kind].get(name, [])
        if len(found) == 1:
            return found[0]
        if found:
            raise PluginError(_conflict(kind, name, found))
        raise PluginError(self._not_there(kind, name))

    def _not_there(self, kind: type[Record], name: str) -> str:
        title = KINDS[kind][0]
        names = self.names(kind)
        near = nearest(name, names)
        if near:
            message = f'no {title} "{name}"; did you mean "{near}"?'
        else:
            shown = ", ".join(names[:12]) + (", … (tlkit plugins lists all)" if len(names) > 12 else "")
            message = f'no {title} "{name}"; there are {shown or "none"}'
        if self.failures:
            failed = "; ".join(f"{each.source.title}: {each.reason}" for each in self.failures)
            message += f" — plugins that failed (tlkit plugins -v tells more): {failed}"
        return message

    def check_recipe(self, values: Mapping[str, Any]) -> list[Problem]:
        """What the plugins' ``tlkit_check_recipe`` hooks find.

        Raises:
            PluginError: such a hook raised, or returned something else than problems.
        """
        return self.ask("tlkit_check_recipe", Problem, recipe=values)

    def ask(self, hook: str, expected: type[T], **arguments: Any) -> list[T]:
        """What all plugins return by a hook, in the order in which they were loaded.

        Args:
            hook: its name; each plugin may take fewer arguments than it is given.
            expected: the type of the items that each plugin returns an iterable, or None, of.
            arguments: of the hook.

        Raises:
            PluginError: a plugin raised in it, with the line, or returned something else.
        """
        answers: list[T] = []
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            source = self.sources[implementation.plugin_name]
            function: Any = implementation.function
            try:
                found = list(function(*(arguments[name] for name in implementation.argnames)) or ())
            except Exception as error:  # the plugin's own code
                raised = traceback.extract_tb(error.__traceback__)[-1]
                raise PluginError(
                    f"{source.title}: {hook}: {type(error).__name__}: {error} ({raised.filename}:{raised.lineno})"
                ) from error
            wrong = next((each for each in found if not isinstance(each, expected)), None)
            if wrong is not None:
                name = f"{expected.__module__.split('.')[0]}.{expected.__name__}"
                raise PluginError(f"{source.title}: {hook}: expected {name}, received {wrong!r}")
            answers += found
        return answers


def _wrong_with(record: Any, kind: type) -> str:
    """What is wrong with a record that a plugin offers; empty when nothing is."""
    if not isinstance(record, kind):
        return f"expected {kind.__name__} records, received {record!r}"
    name, options = record.name, record.options  # type: ignore[attr-defined]
    base = BackboneOptions if kind is Backbone else Options
    if not (isinstance(name, str) and name):
        return f"expected a name that is a string, received {name!r}"
    if not (isinstance(options, type) and issubclass(options, base)):
        return f'the options of "{name}" are not a subclass of tlkit.{base.__name__}'
    if "name" in options.model_fields:
        return f'the options of "{name}" have a field "name", which a recipe could not set: there it selects the plugin'
    return ""


def _conflict(kind: type, name: str, found: Sequence[tuple[Any, Source]]) -> str:
    sources = list(dict.fromkeys(source.title for _, source in found))
    title = KINDS[kind][0]
    if len(sources) == 1:
        return f'{title} "{name}" is offered twice by {sources[0]}'
    offered = f'{title} "{name}" is offered by {" and ".join(sources)}'
    return f"{offered}; uninstall one, or name the plugins to load in {VARIABLE}"
