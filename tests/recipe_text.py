"""The text of a small recipe, with what a test changes in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomlkit

TABLES: dict[str, dict[str, Any]] = {
    "data": {"name": "digits"},
    "backbone": {"name": "small_encoder", "weights": "none"},
    "head": {"name": "linear"},
    "schedule": {"name": "full"},
}


def recipe_text(*, name: str = "tiny", task: str = "classification", **changes: Any) -> str:
    """Return a recipe that trains a small encoder on scikit-learn's digits.

    Args:
        name: the recipe's name.
        task: the recipe's task.
        changes: other keys and tables. A table with a ``name`` replaces the one above; the keys of a table without
            a ``name`` are added to it. A list makes several tables; None leaves a table out. Paths are written with /.

    Example::

        recipe_text(data={"name": "folder", "path": photos}, input={"image_size": 32}, schedule={"epochs": 1})
    """
    values: dict[str, Any] = {"name": name, "task": task}
    keys = {key: value for key, value in changes.items() if not isinstance(value, dict | list)}
    tables = {**TABLES, **{key: value for key, value in changes.items() if key not in keys}}
    values |= {key: value for key, value in keys.items() if value is not None}
    for key, table in tables.items():
        if key in keys:
            continue
        added = key in TABLES and isinstance(table, dict) and "name" not in table
        values[key] = {**TABLES[key], **table} if added else table
    return tomlkit.dumps(_plain(values))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.as_posix() if isinstance(value, Path) else value
