"""Find installed plugins and plugin files, and load them into a registry."""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import sys
import traceback
import zlib
from collections.abc import Collection, Mapping, Sequence
from importlib.machinery import SourceFileLoader
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any

from tlkit.boundary.code import PluginCode
from tlkit.errors import PluginError, TlkitError
from tlkit.hookspecs import hookimpl
from tlkit.registry import KINDS, OWN_DISTRIBUTION, VARIABLE, Failure, Registry, Source
from tlkit.system.code_files import CodeFile, read_code_file

GROUP = "tlkit"
"""Entry-point group of plugins."""
OWN_PLUGINS = f"{OWN_DISTRIBUTION}:"
"""Selects these, and not an entry point of another distribution that is named ``tlkit``."""


def make_registry(files: Sequence[Path] = (), environ: Mapping[str, str] = os.environ) -> Registry:
    """Load the installed plugins in the order of their names, then plugin files, into a new registry.

    An installed plugin that can't be loaded is added to the registry's ``failures``; it does not affect the others.

    Args:
        files: Python files to load as plugins, as given with ``--plugin``.
        environ: environment variables. If ``TLKIT_PLUGINS`` is among them, a comma-separated list of entry-point or
            distribution names, no other installed plugin is loaded. ``distribution:`` and ``distribution:name`` are
            exact.

    Raises:
        PluginError: one of ``files`` can't be loaded.
    """
    registry = Registry()
    selected = _selected(environ)
    matched: set[str] = set()
    for point, source in _installed():
        names = _names(source)
        if selected is None or names & selected:
            matched |= names
            _load(registry, point, source)
    for name in sorted((selected or set()) - matched):
        reason = f"{VARIABLE} names it, but no installed plugin has this name"
        registry.failures.append(Failure(Source(name, None, None), reason))
    for file in dict.fromkeys(files):
        try:
            add_file(registry, read_code_file(file))
        except PluginError as error:
            raise PluginError(f"--plugin {error}") from error
    return registry


def plugins(*plugins: object) -> Registry:
    """Return the installed plugins together with others, to give as ``registry=``: for notebooks and scripts.

    Args:
        plugins: each a Python file; a module; a class or an object whose methods are marked with ``hookimpl``; a
            function that is marked so; or a record, such as a ``Head``.

    Raises:
        PluginError: one of them can't be loaded or is no plugin, or its name is taken.

    Example::

        @tlkit.hookimpl
        def tlkit_heads():
            return [tlkit.Head(name="pooled", summary="…", task="classification", options=MyOptions, build=build)]

        tlkit.run("photos.toml", ["head={name='pooled'}"], registry=tlkit.plugins(tlkit_heads))
    """
    registry = make_registry()
    for number, plugin in enumerate(plugins, 1):
        before = len(registry.failures)
        if isinstance(plugin, str | Path):
            add_file(registry, read_code_file(Path(plugin)))
        else:
            module, name = _as_module(plugin)
            registry.add(module, Source(name, None, None), f"object:{number}:{name}")
        if len(registry.failures) > before:
            failure = registry.failures[before]
            raise PluginError(f"{failure.source.title}: {failure.reason}")
    conflicts = registry.conflicts()
    if conflicts and plugins:
        raise PluginError(f"{conflicts[0].partition(';')[0]}; give one of them another name")
    return registry


def _as_module(plugin: object) -> tuple[object, str]:
    """Return an object with hooks for what ``plugins`` was given, and its name.

    Raises:
        PluginError: it has no hook.
    """
    kind = next((each for each in KINDS if isinstance(plugin, each)), None)
    if kind is not None:
        record: Any = plugin
        hook = KINDS[kind].hook
        return SimpleNamespace(**{hook: hookimpl(lambda: [record])}), f"the {KINDS[kind].title} {record.name}"
    if inspect.isroutine(plugin):
        name = getattr(plugin, "__name__", "")
        module: object = SimpleNamespace(**{name: plugin})
    elif inspect.isclass(plugin):
        module, name = plugin(), plugin.__name__
    else:
        module, name = plugin, getattr(plugin, "__name__", type(plugin).__name__)
    manager = Registry().manager
    if not any(manager.parse_hookimpl_opts(module, each) is not None for each in dir(module)):
        raise PluginError(
            f"tlkit.plugins: {name}: has no function marked with @tlkit.hookimpl; expected a Python file, a module, an "
            f"object, a function or a record, received {type(plugin).__name__}"
        )
    return module, name


def registry_for_recipe(registry: Registry | None, *, allow_plugins: bool) -> Registry:
    """Return a registry to read one recipe with: it takes the plugin files that the recipe names.

    Args:
        registry: the plugins; None for the installed ones.
        allow_plugins: whether to load the plugin files that the recipe names.
    """
    own = make_registry() if registry is None else copied(registry)
    if allow_plugins:
        own.permit = lambda _file: True
    return own


def registry_of_parent(files: Sequence[Path], environ: Mapping[str, str], allowed: Collection[str]) -> Registry:
    """Return the plugins that the process has which started this one.

    Args:
        files, environ: as of ``make_registry``.
        allowed: the digests of the plugin files that it has loaded, which recipes may name.
    """
    registry = make_registry(files, environ)
    registry.permit = lambda file: file.digest in allowed
    return registry


def copied(registry: Registry) -> Registry:
    """Return another registry with the same plugins, to which more can be added."""
    copy = Registry()
    for key, source in registry.sources.items():
        copy.add(registry.manager.get_plugin(key), source, key)
    copy.failures[:] = registry.failures
    copy.permit = registry.permit
    return copy


def add_file(registry: Registry, file: CodeFile) -> None:
    """Execute a file as a plugin, and add it to a registry.

    Raises:
        PluginError: the code raised an exception; the message names the line.
    """
    source = Source(str(file.path), None, None, file.digest)
    registry.add(_import_file(file), source, f"file:{file.path}")


def _selected(environ: Mapping[str, str]) -> set[str] | None:
    """Return the normalized names in ``TLKIT_PLUGINS``; None if it is not set."""
    text = environ.get(VARIABLE)
    return None if text is None else {_normalized(name.strip()) for name in text.split(",") if name.strip()}


def _normalized(name: str) -> str:
    """Normalize a name as packaging tools do: ``My_Plugin`` and ``my-plugin`` are the same."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _names(source: Source) -> set[str]:
    """Return the names in ``TLKIT_PLUGINS`` that select an installed plugin."""
    names = {str(source.distribution), f"{source.distribution}:", exact_name(source)}
    if ":" not in source.plugin:
        names.add(source.plugin)
    return {_normalized(name) for name in names}


def exact_name(source: Source) -> str:
    """Return the name in ``TLKIT_PLUGINS`` that selects an installed plugin and no other."""
    return f"{source.distribution}:{source.plugin}"


def _installed() -> list[tuple[EntryPoint, Source]]:
    """Return the entry points of all installed plugins, sorted by name and distribution."""
    points = list(entry_points(group=GROUP))
    # Each look at a name or a version parses the distribution's metadata again.
    distributions = {id(point.dist): point.dist for point in points}
    about = {
        key: ("unknown", "unknown") if each is None else (each.name or "unknown", each.version)
        for key, each in distributions.items()
    }
    found = [(point, Source(point.name, *about[id(point.dist)])) for point in points]
    return sorted(found, key=lambda each: (each[1].plugin, each[1].distribution))


def _load(registry: Registry, point: EntryPoint, source: Source) -> None:
    try:
        with PluginCode(source.title, "its import"):
            module = point.load()
    except TlkitError as error:
        registry.failures.append(
            Failure(source, str(error).removeprefix(f"{source.title}: "), getattr(error, "details", ""))
        )
        return
    registry.add(module, source, f"{source.distribution}:{point.name}")


class _Loader(SourceFileLoader):
    """Runs the bytes that were read, and nothing else: neither a changed file nor a cached ``.pyc`` beside it."""

    def __init__(self, name: str, file: CodeFile) -> None:
        super().__init__(name, str(file.path))
        self._file = file

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002
        code: CodeType = self.source_to_code(self._file.content, str(self._file.path))
        return code


def _import_file(file: CodeFile) -> ModuleType:
    path = file.path
    name = f"tlkit_file_plugin_{path.stem}_{zlib.crc32(str(path.resolve()).encode()):08x}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_Loader(name, file))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with PluginCode(str(path), "its import", file=str(path)):
            spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        cause = error.__cause__
        if not isinstance(error, PluginError) or cause is None:
            raise
        message = cause.msg if isinstance(cause, SyntaxError) else str(cause)
        raised = PluginError(f"{_raised_at(cause, path)}: {type(cause).__name__}: {message}")
        raised.details = error.details
        raise raised from cause
    return module


def _raised_at(error: BaseException, file: Path) -> str:
    """Return the plugin file, and the line in it that an error comes from, if there is one."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        where = file if error.filename is None or Path(error.filename).resolve() == file.resolve() else error.filename
        return f"{where}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).resolve() == file.resolve()]
    return f"{file}:{lines[-1]}" if lines else str(file)
