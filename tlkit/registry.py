"""Plugin discovery: what loaded, from where, what failed and why; one lookup by kind and name."""

from __future__ import annotations

import difflib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pluggy

from tlkit import hookspecs
from tlkit.contracts import Augmentation, Backbone, Dataset, Head, Options, Record, Schedule
from tlkit.errors import PluginError, Problem

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
        except (pluggy.PluginValidationError, ValueError) as error:
            self._failed(source, str(error).splitlines()[-1].strip())
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
            elif not marked and name in known and callable(getattr(module, name)):
                self._failed(source, f'"{name}" is not marked as a hook; write @tlkit.hookimpl above it')

    def _collect(self, kind: type, hook: str, function: Any, source: Source) -> None:
        try:
            records = list(function() or ())
        except Exception as error:  # the plugin's own code: whatever it raises is its failure, not ours
            self._failed(source, f"{hook}: {type(error).__name__}: {error}", traceback.format_exc())
            return
        for record in records:
            if not isinstance(record, kind):
                self._failed(source, f"{hook}: expected {kind.__name__} records, received {record!r}")
            elif not (isinstance(record.options, type) and issubclass(record.options, Options)):
                self._failed(source, f"{hook}: the options of {record.name!r} are not a subclass of tlkit.Options")
            else:
                self._records[kind].setdefault(record.name, []).append((record, source))

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
        title = KINDS[kind][0]
        names = self.names(kind)
        near = nearest(name, names)
        if near:
            message = f'no {title} "{name}"; did you mean "{near}"?'
        else:
            shown = ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:12])}, … (see tlkit plugins)"
            message = f'no {title} "{name}"; there are {shown or "none"}'
        if self.failures:
            failed = "; ".join(f"{f.source.plugin} ({f.source}): {f.reason}" for f in self.failures)
            message += f". Plugins that failed (see tlkit plugins): {failed}"
        raise PluginError(message)

    def check_recipe(self, values: Mapping[str, Any]) -> list[Problem]:
        """What the plugins' ``tlkit_check_recipe`` hooks find."""
        found: Iterable[Iterable[Problem] | None] = self.manager.hook.tlkit_check_recipe(recipe=values)
        return [problem for problems in found for problem in problems or ()]


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that ``name`` was probably meant to be, upper and lower case disregarded; None when none is near."""
    by_folded = {each.lower(): each for each in names}
    close = difflib.get_close_matches(name.lower(), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def _conflict(kind: type, name: str, found: Sequence[tuple[Any, Source]]) -> str:
    sources = " and ".join(str(source) for _, source in found)
    return (
        f'{KINDS[kind][0]} "{name}" is offered by {sources}; uninstall one, or name the plugins to load in {VARIABLE}'
    )


def make_registry(files: Sequence[Path] = (), environ: Mapping[str, str] = os.environ) -> Registry:
    """Load the installed plugins, each on its own and in the order of their names, and then single files.

    Args:
        files: Python files to load as plugins, as ``--plugin`` names them.
        environ: where ``TLKIT_PLUGINS`` is looked up: a comma-separated list of entry-point or distribution names;
            when it is set, no other installed plugin is loaded.

    Raises:
        PluginError: a file of ``files`` can't be loaded.
    """
    registry = Registry()
    wanted = _wanted(environ)
    matched: set[str] = set()
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, _distribution(point))):
        names = {point.name, _distribution(point)}
        if wanted is not None and not names & wanted:
            continue
        matched |= names
        _load(registry, point)
    for name in sorted((wanted or set()) - matched):
        registry.failures.append(
            Failure(Source(name, None, None), f"{VARIABLE} names it, but no installed plugin is called so")
        )
    for file in files:
        registry.add(_import_file(file), Source(str(file), None, None), f"file:{file}")
    return registry


def _wanted(environ: Mapping[str, str]) -> set[str] | None:
    text = environ.get(VARIABLE)
    return None if text is None else {name.strip() for name in text.split(",") if name.strip()}


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "unknown"


def _load(registry: Registry, point: EntryPoint) -> None:
    version = point.dist.version if point.dist is not None else "unknown"
    source = Source(point.name, _distribution(point), version)
    try:
        module = point.load()
    except Exception as error:  # importing runs the plugin's own code: whatever it raises is its failure
        registry.failures.append(Failure(source, f"{type(error).__name__}: {error}", traceback.format_exc()))
        return
    registry.add(module, source, f"{source.distribution}:{point.name}")


def _import_file(file: Path) -> ModuleType:
    if not file.is_file():
        raise PluginError(f"--plugin {file}: no such file; expected a Python file with tlkit hooks")
    name = f"tlkit_file_plugin_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise PluginError(f"--plugin {file}: expected a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the plugin's own code
        del sys.modules[name]
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise PluginError(
            f"--plugin {file}: {type(error).__name__}: {error} ({last.filename}:{last.lineno})"
        ) from error
    return module
