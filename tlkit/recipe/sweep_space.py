"""Check the values of a sweep before its first trial, and make the recipes of its trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import tomlkit

from tlkit.errors import Problem, RecipeError
from tlkit.recipe.override import inline_value
from tlkit.recipe.sweep_table import Sweep
from tlkit.system.text import shorten

_PROBED = 50
"""Values of an array that are checked before the first trial."""


def without_tables(text: str, *names: str) -> str:
    """Return a recipe's text without some of its tables, such as ``sweep``."""
    document = tomlkit.parse(text)
    there = [name for name in names if name in document]
    for name in there:
        document.pop(name)
    return tomlkit.dumps(document) if there else text


def override_of(key: str, value: Any) -> str:
    """Return the override that gives a key a value, as ``--set`` takes it."""
    return f"{key}={tomlkit.item(inline_value(value)).as_string()}"


def overrides_of(values: Mapping[str, Any]) -> list[str]:
    """Return the overrides that give keys their values."""
    return [override_of(key, value) for key, value in values.items()]


def space_problems(sweep: Sweep, text: str, parse: Callable[[str, Sequence[str]], object]) -> Iterator[Problem]:
    """Yield a problem for each value of a sweep that the recipe can't have, all other keys as they are.

    Args:
        sweep: the sweep.
        text: the recipe's text.
        parse: checks a text with overrides.
    """
    plain = without_tables(text, "sweep")
    for key, dimension in sweep.space.items():
        for value in dimension.probes()[:_PROBED]:
            override = override_of(key, value)
            try:
                parse(plain, [override])
            except RecipeError as error:
                first = error.problems[0]
                where = "" if first.path.startswith("--set") else f"{first.path}: "
                message = first.message.removeprefix(f"{key}: ")
                yield Problem(f"sweep.{key}", f"{shorten(override)}: {where}{message}")
                break
