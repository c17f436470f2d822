"""``--set key=value``: applied to a recipe's values and to its text, comments kept."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from typing import Any

import tomlkit
from tomlkit.items import InlineTable

from tlkit.errors import Problem
from tlkit.recipe.source import KeyPath, parse_toml


def override(
    values: dict[str, Any], text: str, overrides: Sequence[str], problems: list[Problem]
) -> tuple[str, dict[KeyPath, str]]:
    """Apply overrides in their order.

    Args:
        values: of the recipe; changed in place.
        text: its TOML text.
        overrides: ``key=value``; the value is TOML, or else a bare string.
        problems: what is wrong with an override is added to it.

    Returns:
        the text with the overrides applied, and each overridden key with the override as it was given.
    """
    if not overrides:
        return text, {}
    document = tomlkit.parse(text)
    overridden: dict[KeyPath, str] = {}
    for each in overrides:
        key, equals, raw = each.partition("=")
        parts = _parts(key)
        if not equals or not all(parts):
            problems.append(Problem("--set", f'expected key=value such as head.dropout=0.3, received "{each}"'))
            continue
        try:
            value = _value(raw.strip())
        except tomllib.TOMLDecodeError as error:
            problems.append(Problem("--set", f'"{each}": the value is not TOML: {error}'))
            continue
        stop = _put(values, parts, value)
        if stop is None:
            _put(document, parts, value if len(parts) == 1 else _inline(value))
            overridden[parts] = each
        else:
            problems.append(Problem("--set", f'"{each}": {stop}'))
    edited = tomlkit.dumps(document)
    # tomlkit may write a table between dotted keys, where it takes in those behind it: rather lose the comments then.
    return edited if _means(edited, values) else tomlkit.dumps(values), overridden


def _means(text: str, values: dict[str, Any]) -> bool:
    try:
        found = parse_toml(text)
    except tomllib.TOMLDecodeError:
        return False
    return json.dumps(found, default=str, sort_keys=True) == json.dumps(values, default=str, sort_keys=True)


def _inline(value: Any) -> Any:
    """A table, also one in an array, as an inline table: it stays where its key stands."""
    if isinstance(value, dict):
        table = tomlkit.inline_table()
        for key, item in value.items():
            table[key] = _inline(item)
        return table
    if isinstance(value, list):
        array = tomlkit.array()
        for item in value:
            array.append(_inline(item))
        return array
    return value


def _parts(key: str) -> tuple[str, ...]:
    """The parts of a dotted key; quotes protect dots as in TOML."""
    if '"' in key or "'" in key:
        try:
            value: Any = parse_toml(f"{key} = 0")
        except tomllib.TOMLDecodeError:
            return ("",)
        parts = []
        while isinstance(value, dict) and len(value) == 1:
            part, value = next(iter(value.items()))
            parts.append(part)
        return tuple(parts)
    return tuple(part.strip() for part in key.split("."))


def _value(raw: str) -> Any:
    try:
        found = parse_toml(f"value = {raw}")
    except tomllib.TOMLDecodeError:
        if raw[:1] in ("[", "{", '"', "'"):
            raise
        return raw
    return found["value"] if len(found) == 1 else raw


def _put(target: Any, parts: Sequence[str], value: Any) -> str | None:
    """Set a value, in an array by its place; what stands in its way, None when nothing does."""
    inline = False
    for index, part in enumerate(parts[:-1]):
        place = _place(target, part)
        if place is None:
            if isinstance(target, list):
                return _not_there(parts[:index], target)
            place = part
            if type(target) is dict:
                target[part] = {}
            else:
                target[part] = tomlkit.inline_table() if inline else tomlkit.table()
        target = target[place]
        inline = inline or isinstance(target, InlineTable)
        if not isinstance(target, dict | list):
            return f"{'.'.join(parts[: index + 1])} is a value, not a table"
    place = _place(target, parts[-1])
    if isinstance(target, list) and place is None:
        return _not_there(parts[:-1], target)
    target[parts[-1] if place is None else place] = value
    return None


def _place(target: Any, part: str) -> str | int | None:
    if isinstance(target, list):
        return int(part) if part.isdecimal() and int(part) < len(target) else None
    return part if part in target else None


def _not_there(parts: Sequence[str], target: list[Any]) -> str:
    path = ".".join(parts)
    return f"{path} is an array of {len(target)}; expected its place, as in {path}.0"
