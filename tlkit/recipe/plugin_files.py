"""The plugin files that a recipe names: they are code, so they are loaded only with the user's permission."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tlkit.errors import PluginError, Problem
from tlkit.registry import Registry
from tlkit.registry.discovery import add_file
from tlkit.system.code_files import CodeFile, read_code_file

MAX_FILES = 100


def plugin_path(path: str | Path, recipe: Path | None) -> Path:
    """Return a plugin file that a recipe names: relative to the recipe's folder, or else to the current one."""
    folder = Path() if recipe is None else recipe.parent
    from tlkit.files import expanded

    return folder / expanded(Path(path))


def load_plugin_files(values: Mapping[str, Any], recipe: Path | None, registry: Registry) -> Iterator[Problem]:
    """Load the plugin files of a recipe into the registry, each only if ``registry.permit`` allows it.

    Args:
        values: the recipe's values.
        recipe: the recipe's file, if it has one.
        registry: the plugins. A file is not loaded if its bytes, or those of a file of its name, are among them, as
            with ``--plugin``: the file may have been moved.

    Yields:
        a problem for each file that can't be loaded, or may not be.
    """
    named = values.get("plugins", [])
    if not isinstance(named, list) or not all(isinstance(each, str) for each in named) or len(named) > MAX_FILES:
        return  # the schema's problem
    for number, name in enumerate(named):
        loaded = [source for source in registry.sources.values() if source.digest is not None]
        if Path(name).name in (Path(source.plugin).name for source in loaded):
            continue
        try:
            file = read_code_file(plugin_path(name, recipe))
            if file.digest in (source.digest for source in loaded):
                continue
            if not is_permitted(file, registry):
                yield Problem(f"plugins.{number}", _not_allowed(file))
                continue
            add_file(registry, file)
        except PluginError as error:
            yield Problem(f"plugins.{number}", str(error))


def is_permitted(file: CodeFile, registry: Registry) -> bool:
    """Return whether a plugin file that a recipe or a run names may be loaded; this may ask the user."""
    return file.is_allowed() if registry.permit is None else registry.permit(file)


def _not_allowed(file: CodeFile) -> str:
    return (
        f"{file.path.absolute()} ({file.digest}) is a plugin: code that runs with your rights, so it was not loaded. "
        "Read it, and if you trust it, give --allow-plugins once (from Python: allow_plugins=True)"
    )
