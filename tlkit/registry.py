"""The registry of loaded plugins: their records by kind and name, where each comes from, and what failed and why."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import pluggy

from tlkit import hookspecs
from tlkit.contracts import Augmentation, Backbone, BackboneOptions, Dataset, Head, Options, Record, Schedule
from tlkit.errors import PluginError, Problem
from tlkit.system.code_files import CodeFile
from tlkit.system.text import did_you_mean, listed, nearest

VARIABLE = "TLKIT_PLUGINS"
"""Environment variable that restricts which installed plugins are loaded."""


class Kind(NamedTuple):
    """A kind of record.

    Args:
        title: its name in messages.
        hook: the hook that offers its records.
    """

    title: str
    hook: str


KINDS: Mapping[type, Kind] = {
    Backbone: Kind("backbone", "tlkit_backbones"),
    Head: Kind("head", "tlkit_heads"),
    Augmentation: Kind("augmentation", "tlkit_augmentations"),
    Schedule: Kind("schedule", "tlkit_schedules"),
    Dataset: Kind("dataset", "tlkit_datasets"),
}
"""Class of a record → its kind."""

_LISTED = 12
"""Number of names that a message lists."""

T = TypeVar("T")
R = TypeVar("R", Backbone, Head, Augmentation, Schedule, Dataset)


@dataclass(frozen=True)
class Source:
    """Where a plugin comes from.

    Args:
        plugin: name of the entry point, or path of the file.
        distribution: name of its distribution; None for a single file.
        version: version of the distribution; None for a single file.
        digest: ``sha256:`` and the SHA-256 of a single file; None for others.
    """

    plugin: str
    distribution: str | None
    version: str | None
    digest: str | None = None

    @property
    def title(self) -> str:
        """The plugin, with its distribution if it has one."""
        return self.plugin if self.distribution is None else f"{self.plugin} ({self})"

    def __str__(self) -> str:
        return self.plugin if self.distribution is None else f"{self.distribution} {self.version}"


@dataclass(frozen=True)
class Failure:
    """A problem that keeps a plugin, or one of its records or hooks, from being used.

    Args:
        source: the plugin.
        reason: the problem in one line.
        details: the traceback; empty if there is none.
    """

    source: Source
    reason: str
    details: str = ""


class Registry:
    """The plugins of one process, loaded by ``discovery.make_registry``. There is no global registry.

    Attributes:
        manager: the pluggy manager that holds the hooks.
        sources: registration key → source of each plugin.
        failures: what went wrong with plugins so far.
        permit: says whether a plugin file that a recipe names may be loaded; None: only one that the user has allowed
            before. It may ask the user.
    """

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(hookspecs.PROJECT)
        self.manager.add_hookspecs(hookspecs)
        self.sources: dict[str, Source] = {}
        self.failures: list[Failure] = []
        self.permit: Callable[[CodeFile], bool] | None = None
        self._records: dict[type, dict[str, list[tuple[Any, Source]]]] = {kind: {} for kind in KINDS}

    def add(self, module: object, source: Source, key: str) -> None:
        """Register a plugin and collect its records; problems are added to ``failures``.

        Args:
            module: a module, or any object, with functions marked as hooks.
            source: where it comes from.
            key: a name unique in this registry.
        """
        for mistake in _hook_mistakes(module, self.manager):
            self._fail(source, mistake)
        try:
            self.manager.register(module, name=key)
        except pluggy.PluginValidationError as error:
            self.manager.unregister(name=key)  # pluggy keeps the hooks that it validated before the invalid one
            self._fail(source, " ".join(str(error).split()))
            return
        except ValueError:
            self._fail(source, f"{key} is registered twice; it is used once")
            return
        self.sources[key] = source
        for record_type, kind in KINDS.items():
            for implementation in getattr(self.manager.hook, kind.hook).get_hookimpls():
                if implementation.plugin_name == key:
                    self._collect_records(record_type, kind.hook, implementation.function, source)

    def _collect_records(self, record_type: type, hook: str, function: Any, source: Source) -> None:
        for record in self._call(hook, function, source):
            problem = _record_problem(record, record_type)
            if problem:
                self._fail(source, f"{hook}: {problem}")
            else:
                self._records[record_type].setdefault(record.name, []).append((record, source))

    def _call(self, hook: str, function: Any, source: Source) -> list[Any]:
        try:
            return list(function() or ())
        except (Exception, SystemExit) as error:  # the plugin's code, which can raise anything
            self._fail(source, f"{hook}: {type(error).__name__}: {error}", traceback.format_exc())
            return []

    def _fail(self, source: Source, reason: str, details: str = "") -> None:
        self.failures.append(Failure(source, reason, details))

    def collect(self, hook: str) -> list[tuple[Any, Source]]:
        """Return what all plugins offer through a hook without arguments, each item with its source.

        A plugin that raises offers nothing and is added to ``failures``.
        """
        return [
            (item, self.sources[implementation.plugin_name])
            for implementation in getattr(self.manager.hook, hook).get_hookimpls()
            for item in self._call(hook, implementation.function, self.sources[implementation.plugin_name])
        ]

    def records(self, kind: type[R]) -> Iterator[tuple[R, Source]]:
        """Yield all records of a kind sorted by name, including those with conflicting names."""
        for _, same_name in sorted(self._records[kind].items(), key=lambda item: item[0].lower()):
            yield from same_name

    def names(self, kind: type[Record]) -> list[str]:
        """Return the names of a kind's records, sorted without regard to case."""
        return sorted(self._records[kind], key=str.lower)

    def conflicts(self) -> list[str]:
        """Return one sentence per name that more than one record has."""
        return [
            _conflict(kind, name, same_name)
            for kind, records in self._records.items()
            for name, same_name in records.items()
            if len(same_name) > 1
        ]

    def find(self, kind: type[R], name: str) -> R:
        """Return the record of that kind and name.

        Raises:
            PluginError: no plugin offers it, or two do. The message has the closest name and the plugins that failed.
        """
        return self.find_with_source(kind, name)[0]

    def find_with_source(self, kind: type[R], name: str) -> tuple[R, Source]:
        """Return the record of that kind and name, and where it comes from.

        Raises:
            PluginError: as ``find``.
        """
        same_name = self._records[kind].get(name, [])
        if len(same_name) == 1:
            return same_name[0]
        if same_name:
            raise PluginError(_conflict(kind, name, same_name))
        raise PluginError(self._not_found(kind, name))

    def _not_found(self, kind: type[Record], name: str) -> str:
        title, names = KINDS[kind].title, self.names(kind)
        more = " (tlkit plugins lists all)" if len(names) > _LISTED else ""
        message = f'no {title} "{name}"' + did_you_mean(
            name, names, f"; there are {listed(names, _LISTED) or 'none'}{more}"
        )
        if self.failures:
            failed = "; ".join(f"{each.source.title}: {each.reason}" for each in self.failures)
            message += f" — plugins that failed (tlkit plugins -v shows details): {failed}"
        return message

    def check_recipe(self, values: Mapping[str, Any]) -> list[Problem]:
        """Return the problems that the plugins' ``tlkit_check_recipe`` hooks find.

        Args:
            values: the recipe as nested plain values, with defaults filled in.

        Raises:
            PluginError: a hook raised, or returned something that is not a problem.
        """
        return self.ask("tlkit_check_recipe", Problem, recipe=values)

    def ask(self, hook: str, expected: type[T], **arguments: Any) -> list[T]:
        """Call a hook of all plugins, in the order in which they were loaded, and return their items.

        Args:
            hook: name of the hook.
            expected: type of the items; a plugin returns an iterable of them, or None.
            arguments: arguments of the hook; a plugin may accept fewer of them.

        Raises:
            PluginError: a plugin raised (the message has the line), or returned something else.
        """
        answers: list[T] = []
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            title = self.sources[implementation.plugin_name].title
            function: Any = implementation.function
            try:
                items = list(function(*(arguments[name] for name in implementation.argnames)) or ())
            except Exception as error:  # the plugin's own code
                raised = traceback.extract_tb(error.__traceback__)[-1]
                raise PluginError(
                    f"{title}: {hook}: {type(error).__name__}: {error} ({raised.filename}:{raised.lineno})"
                ) from error
            for item in items:
                if not isinstance(item, expected):
                    name = f"{expected.__module__.split('.')[0]}.{expected.__name__}"
                    raise PluginError(f"{title}: {hook}: expected {name}, received {item!r}")
            answers += items
        return answers


def _hook_mistakes(module: object, manager: pluggy.PluginManager) -> Iterator[str]:
    """Yield a sentence per function that is marked as an unknown hook, or named like a hook but not marked."""
    known = [name for name in vars(hookspecs) if name.startswith("tlkit_")]
    for name in dir(module):
        if manager.parse_hookimpl_opts(module, name) is not None:
            if name not in known:
                yield f'there is no hook "{name}"' + did_you_mean(name, known, f"; the hooks are {', '.join(known)}")
        elif name.startswith("tlkit_") and inspect.isroutine(getattr(module, name)):
            near = nearest(name, known)
            if near == name:
                yield f'"{name}" is not marked as a hook; write @tlkit.hookimpl above it'
            elif near:
                yield (
                    f'"{name}" is not marked as a hook; did you mean "{near}"? '
                    "If so, rename it and write @tlkit.hookimpl above it"
                )


def _record_problem(record: Any, kind: type) -> str:
    """Return what is wrong with a record that a plugin offers; an empty string if nothing is."""
    if not isinstance(record, kind):
        return f"expected {kind.__name__} records, received {record!r}"
    name, options = record.name, record.options  # type: ignore[attr-defined]
    base = BackboneOptions if kind is Backbone else Options
    if not (isinstance(name, str) and name):
        return f"expected a name that is a string, received {name!r}"
    if not (isinstance(options, type) and issubclass(options, base)):
        return f'the options of "{name}" are not a subclass of tlkit.{base.__name__}'
    if "name" in options.model_fields:
        return f'the options of "{name}" have a field "name", but in a recipe this key selects the plugin'
    return ""


def _conflict(kind: type, name: str, same_name: Sequence[tuple[Any, Source]]) -> str:
    sources = list(dict.fromkeys(source.title for _, source in same_name))
    title = KINDS[kind].title
    if len(sources) == 1:
        return f'{title} "{name}" is offered twice by {sources[0]}'
    offered = f'{title} "{name}" is offered by {" and ".join(sources)}'
    return f"{offered}; uninstall one, or list the plugins to load in {VARIABLE}"
