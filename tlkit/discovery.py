"""Find installed plugins and plugin files, and load them into a registry."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import traceback
import zlib
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from tlkit.errors import PluginError
from tlkit.registry import VARIABLE, Failure, Registry, Source

GROUP = "tlkit"
"""Entry-point group of plugins."""


def make_registry(files: Sequence[Path] = (), environ: Mapping[str, str] = os.environ) -> Registry:
    """Load the installed plugins in the order of their names, then plugin files, into a new registry.

    An installed plugin that can't be loaded is added to the registry's ``failures``; it does not affect the others.

    Args:
        files: Python files to load as plugins, as given with ``--plugin``.
        environ: environment variables. If ``TLKIT_PLUGINS`` is among them, a comma-separated list of entry-point or
            distribution names, no other installed plugin is loaded.

    Raises:
        PluginError: one of ``files`` can't be loaded.
    """
    registry = Registry()
    selected = _selected(environ)
    matched: set[str] = set()
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, _distribution(point))):
        names = {_normalized(point.name), _normalized(_distribution(point))}
        if selected is None or names & selected:
            matched |= names
            _load(registry, point)
    for name in sorted((selected or set()) - matched):
        reason = f"{VARIABLE} names it, but no installed plugin has this name"
        registry.failures.append(Failure(Source(name, None, None), reason))
    for file in dict.fromkeys(files):
        registry.add(_import_file(file), Source(str(file), None, None), f"file:{file}")
    return registry


def _selected(environ: Mapping[str, str]) -> set[str] | None:
    """Return the normalized names in ``TLKIT_PLUGINS``; None if it is not set."""
    text = environ.get(VARIABLE)
    return None if text is None else {_normalized(name.strip()) for name in text.split(",") if name.strip()}


def _normalized(name: str) -> str:
    """Normalize a name as packaging tools do: ``My_Plugin`` and ``my-plugin`` are the same."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _distribution(point: EntryPoint) -> str:
    return (point.dist.name if point.dist is not None else None) or "unknown"


def _load(registry: Registry, point: EntryPoint) -> None:
    version = point.dist.version if point.dist is not None else "unknown"
    source = Source(point.name, _distribution(point), version)
    try:
        module = point.load()
    except (Exception, SystemExit) as error:  # importing runs the plugin's code, which can raise anything
        registry.failures.append(Failure(source, f"{type(error).__name__}: {error}", traceback.format_exc()))
        return
    registry.add(module, source, f"{source.distribution}:{point.name}")


def _import_file(file: Path) -> ModuleType:
    if not file.is_file():
        raise PluginError(f"--plugin {file}: no such file; expected a Python file with tlkit hooks")
    name = f"tlkit_file_plugin_{file.stem}_{zlib.crc32(str(file.resolve()).encode()):08x}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise PluginError(f"--plugin {file}: expected a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the plugin's own code
        del sys.modules[name]
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        raise PluginError(f"--plugin {_raised_at(error, file)}: {type(error).__name__}: {message}") from error
    return module


def _raised_at(error: BaseException, file: Path) -> str:
    """Return the plugin file, and the line in it that an error comes from, if there is one."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        where = file if error.filename is None or Path(error.filename).resolve() == file.resolve() else error.filename
        return f"{where}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).resolve() == file.resolve()]
    return f"{file}:{lines[-1]}" if lines else str(file)
