"""The registry of loaded plugins: their records by kind and name, where each comes from, and what failed and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import pluggy

from tlkit import hookspecs
from tlkit.boundary.code import PluginCode
from tlkit.boundary.guard import checked_items, file_of_function, fresh, guarded, items
from tlkit.boundary.offers import hook_mistakes, record_problem
from tlkit.contracts import Augmentation, Backbone, Dataset, Exporter, Head, Record, Schedule
from tlkit.errors import PluginError, Problem, TlkitError
from tlkit.system.code_files import CodeFile
from tlkit.system.text import did_you_mean, listed

OWN_DISTRIBUTION = "tlkit"
"""The distribution of the plugins that come with tlkit."""
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
    Exporter: Kind("exporter", "tlkit_exporters"),
}
"""Class of a record → its kind."""

_LISTED = 12
"""Number of names that a message lists."""

T = TypeVar("T")
R = TypeVar("R", Backbone, Head, Augmentation, Schedule, Dataset, Exporter)


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
        try:
            with PluginCode(source.title, "its hooks", (pluggy.PluginValidationError, ValueError)):
                for mistake in hook_mistakes(module, self.manager):
                    self._fail(source, mistake)
                self.manager.register(module, name=key)
        except pluggy.PluginValidationError as error:
            self.manager.unregister(name=key)  # pluggy keeps the hooks that it validated before the invalid one
            self._fail(source, " ".join(str(error).split()))
            return
        except ValueError:
            self._fail(source, f"{key} is registered twice; it is used once")
            return
        except PluginError as error:
            self._fail_with(source, error)
            return
        self.sources[key] = source
        for record_type, kind in KINDS.items():
            for implementation in getattr(self.manager.hook, kind.hook).get_hookimpls():
                if implementation.plugin_name == key:
                    self._collect_records(record_type, kind.hook, implementation.function, source)

    def _collect_records(self, record_type: type, hook: str, function: Any, source: Source) -> None:
        def kept(record: Any) -> Any:
            problem = record_problem(record, record_type)
            if not problem and source.distribution != OWN_DISTRIBUTION:
                record.options  # noqa: B018 - a class of another's that can't be loaded is a failure of its plugin
            if problem:
                self._fail(source, f"{hook}: {problem}")
            return None if problem else guarded(record, source.title, record.name)

        for record in self._call(hook, function, source, kept):
            self._records[record_type].setdefault(record.name, []).append((record, source))

    def _call(self, hook: str, function: Any, source: Source, kept: Callable[[Any], Any]) -> list[Any]:
        """Return what ``kept`` makes of each item of a plugin, without None; a plugin that raises offers nothing."""
        try:
            with PluginCode(source.title, hook, file=file_of_function(function)):
                made = [kept(item) for item in items(function(), source.title, hook)]
                return [each for each in made if each is not None]
        except TlkitError as error:
            self._fail_with(source, error, hook)
            return []

    def _fail(self, source: Source, reason: str, details: str = "") -> None:
        self.failures.append(Failure(source, reason, details))

    def _fail_with(self, source: Source, error: TlkitError, hook: str = "") -> None:
        """Add an error to the failures: one of ``PluginCode``, or one that the plugin raised itself."""
        details = getattr(error, "details", "")
        text = str(error).removeprefix(f"{source.title}: ")
        self._fail(source, text if text.startswith(hook) else f"{hook}: {type(error).__name__}: {text}", details)

    def collect(self, hook: str, problem: Callable[[Any], str] = lambda _item: "") -> list[tuple[Any, Source]]:
        """Return what all plugins offer through a hook without arguments, each item with its source.

        A plugin that raises offers nothing and is added to ``failures``, as is each item with a problem.

        Args:
            hook: name of the hook.
            problem: returns what is wrong with an item; an empty string if nothing is.
        """
        collected = []
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            source = self.sources[implementation.plugin_name]

            def kept(item: Any, source: Source = source) -> Any:
                wrong = problem(item)
                if wrong:
                    self._fail(source, f"{hook}: {wrong}")
                return None if wrong else item

            collected += [(item, source) for item in self._call(hook, implementation.function, source, kept)]
        return collected

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
        known = f"; there are {listed(names, _LISTED) or 'none'}{more}"
        message = f'no {title} "{name}"{did_you_mean(name, names, known)}'
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
        return self.ask("tlkit_check_recipe", Problem, unchanged=("recipe",), recipe=dict(values))

    def ask(self, hook: str, expected: type[T], *, unchanged: Sequence[str] = (), **arguments: Any) -> list[T]:
        """Call a hook of all plugins, in the order in which they were loaded, and return their items.

        Args:
            hook: name of the hook.
            expected: type of the items; a plugin returns an iterable of them, or None.
            unchanged: names of arguments that a plugin must not change; it can change only its own copy of any.
            arguments: arguments of the hook; a plugin may accept fewer of them.

        Raises:
            PluginError: a plugin raised (the message has the line), returned something else, or changed an argument.
        """
        answers: list[T] = []
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            title = self.sources[implementation.plugin_name].title
            function: Any = implementation.function
            with PluginCode(title, hook, file=file_of_function(function)):
                given = {name: fresh(arguments[name]) for name in implementation.argnames}
                answers += checked_items(items(function(*given.values()), title, hook), expected, title, hook)
                for name in unchanged:
                    if name in given and given[name] != arguments[name]:
                        raise PluginError(
                            f"{title}: {hook}: changed {name}, which is a copy: nothing would come of it; expected "
                            "the problems to be returned"
                        )
        return answers


def _conflict(kind: type, name: str, same_name: Sequence[tuple[Any, Source]]) -> str:
    sources = list(dict.fromkeys(source.title for _, source in same_name))
    title = KINDS[kind].title
    if len(sources) == 1:
        return f'{title} "{name}" is offered twice by {sources[0]}'
    offered = f'{title} "{name}" is offered by {" and ".join(sources)}'
    return f"{offered}; uninstall one, or list the plugins to load in {VARIABLE}"
