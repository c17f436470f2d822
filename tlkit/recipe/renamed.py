"""Recipe keys that were renamed. Recipes, and ``--set``, may still use the old names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from tlkit.errors import Problem

T = TypeVar("T")

RENAMED: Mapping[tuple[str, str], tuple[str, str]] = {
    ("check", "lying_extension"): ("check", "wrong_extension"),  # 0.2.0
}
"""Old key → key now, in the same table. Neither may hold a table or a path, which ``portable`` makes absolute."""


def with_current_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe's values with renamed keys under their current names."""
    current = dict(values)
    for (table, old), (_, new) in RENAMED.items():
        if _has(current, (table, old)):
            keys = {new if key == old else key: value for key, value in current[table].items()}
            current[table] = keys
    return current


def given_twice(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a problem for each key that a recipe gives under its old and its current name."""
    for old, new in RENAMED.items():
        if _has(values, old) and _has(values, new):
            message = f'is the old name of "{".".join(new)}", which is given too; remove {".".join(old)}'
            yield Problem(".".join(old), message)


def as_written(key: tuple[str, ...], values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a key under the name that the recipe uses; under its current name if it uses neither.

    An override then replaces the recipe's value, whichever of the two names each of them uses.
    """
    for old, new in RENAMED.items():
        if key in (old, new):
            return old if _has(values, old) else new
    return key


def under_both_names(places: Mapping[str, T]) -> dict[str, T]:
    """Return dotted keys → places, with the place of an old name also under the current one, in the same order."""
    current = {".".join(old): ".".join(new) for old, new in RENAMED.items()}
    under_both: dict[str, T] = {}
    for key, place in places.items():
        under_both[key] = place
        if key in current and current[key] not in places:
            under_both[current[key]] = place
    return under_both


def _has(values: Mapping[str, Any], key: tuple[str, str]) -> bool:
    table, name = key
    return isinstance(values.get(table), dict) and name in values[table]
