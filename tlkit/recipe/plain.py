"""Recipes as Python values: make of them what TOML can hold."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from typing import Any

from tlkit.errors import Problem, RecipeError
from tlkit.recipe.source import NO_INTEGER, fits_toml

_MAX_DEPTH = 40
_AS_THEY_ARE = (bool, int, float, datetime.datetime, datetime.date, datetime.time)


def plain_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested values with paths as text, tuples as lists and numbers of NumPy as Python's.

    A key whose value is None is left out, as a recipe leaves out a key to get its default.

    Raises:
        RecipeError: a key is not text, or a value is nothing that a recipe can hold; each problem names its key.
    """
    problems: list[Problem] = []
    plain: dict[str, Any] = _plain(values, "", 0, problems)
    if problems:
        raise RecipeError(problems)
    return plain


def _plain(value: Any, path: str, depth: int, problems: list[Problem]) -> Any:
    if depth > _MAX_DEPTH:
        problems.append(Problem(path[:80], f"tables and arrays are nested more than {_MAX_DEPTH} deep"))
        return None
    if isinstance(value, Mapping):
        table = {}
        for key, item in value.items():
            if not isinstance(key, str):
                problems.append(Problem(path, f"expected keys that are text, received {key!r}"))
            elif item is not None:
                table[str(key)] = _plain(item, f"{path}.{key}".lstrip("."), depth + 1, problems)
        return table
    if isinstance(value, list | tuple):
        return [_plain(item, f"{path}.{number}", depth + 1, problems) for number, item in enumerate(value)]
    if isinstance(value, str | os.PathLike):
        text = os.fspath(value)
        if isinstance(text, str):
            return str(text) if isinstance(value, str) else text.replace(os.sep, "/")
    if isinstance(value, int) and not isinstance(value, bool) and not fits_toml(value):
        problems.append(Problem(path, NO_INTEGER))
        return None
    if isinstance(value, _AS_THEY_ARE):
        return value
    if hasattr(value, "item") and getattr(value, "shape", None) == ():  # a number of NumPy
        return _plain(value.item(), path, depth + 1, problems)
    expected = "expected text, a path, a number, True or False, a list or a dict"
    problems.append(Problem(path, f"{expected}, received {type(value).__name__}: {value!r}"[:300]))
    return None
