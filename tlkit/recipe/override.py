"""Apply ``--set key=value`` to a recipe's values and to its text, comments preserved."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from typing import Any

import tomlkit
from tomlkit.items import InlineTable

from tlkit.errors import Problem
from tlkit.recipe.renamed import as_written
from tlkit.recipe.source import NO_INTEGER, KeyPath, LargeNumberError, parse_toml
from tlkit.system.text import shorten


def override(
    values: dict[str, Any], text: str, overrides: Sequence[str], problems: list[Problem]
) -> tuple[str, dict[KeyPath, str]]:
    """Apply overrides in their order.

    Args:
        values: the recipe's values; they are changed in place.
        text: the recipe's TOML text.
        overrides: ``key=value``; the value is TOML, or else a bare string.
        problems: the list that problems with the overrides are added to.

    Returns:
        the text with the overrides applied, and overridden key → the override as the user gave it.
    """
    if not overrides:
        return text, {}
    document = tomlkit.parse(text)
    overridden: dict[KeyPath, str] = {}
    for each in overrides:
        key, equals, raw = each.partition("=")
        parts = _parts(key)
        if not equals or not all(parts):
            problems.append(
                Problem("--set", f'expected key=value such as head.dropout=0.3, received "{shorten(each)}"')
            )
            continue
        try:
            value = _value(raw.strip())
        except LargeNumberError:
            problems.append(Problem("--set", f'"{shorten(each)}": {NO_INTEGER}'))
            continue
        except tomllib.TOMLDecodeError as error:
            problems.append(Problem("--set", f'"{shorten(each)}": the value is not TOML: {error}'))
            continue
        parts = as_written(parts, values)
        obstacle = _put(values, parts, value)
        if obstacle is None:
            _put(document, parts, value if len(parts) == 1 else inline_value(value))
            overridden[parts] = shorten(each)
        else:
            problems.append(Problem("--set", f'"{shorten(each)}": {obstacle}'))
    edited = tomlkit.dumps(document)
    # tomlkit may write a table between dotted keys, so that it takes in the keys after it; then the comments are lost.
    return edited if _has_values(edited, values) else tomlkit.dumps(values), overridden


def _has_values(text: str, values: dict[str, Any]) -> bool:
    """Return whether a TOML text has these values."""
    try:
        parsed = parse_toml(text)
    except tomllib.TOMLDecodeError:
        return False
    return json.dumps(parsed, default=str, sort_keys=True) == json.dumps(values, default=str, sort_keys=True)


def inline_value(value: Any) -> Any:
    """Return tables, also those in arrays, as inline tables, which stay in the line of their key."""
    if isinstance(value, dict):
        table = tomlkit.inline_table()
        for key, item in value.items():
            table[key] = inline_value(item)
        return table
    if isinstance(value, list):
        array = tomlkit.array()
        for item in value:
            array.append(inline_value(item))
        return array
    return value


def _parts(key: str) -> tuple[str, ...]:
    """Return the parts of a dotted key, in which quotes protect dots as in TOML; empty parts where it is not valid."""
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
    """Return the value of an override: TOML, or else a bare string."""
    try:
        parsed = parse_toml(f"value = {raw}")
    except LargeNumberError:
        raise
    except tomllib.TOMLDecodeError:
        if raw[:1] in ("[", "{", '"', "'"):
            raise
        return raw
    return parsed["value"] if len(parsed) == 1 else raw


def _put(target: Any, parts: Sequence[str], value: Any) -> str | None:
    """Set a value, in an array by its index; return what is in the way, or None if the value was set."""
    inline = False
    for index, part in enumerate(parts[:-1]):
        place = _place(target, part)
        if place is None:
            if isinstance(target, list):
                return _no_such_item(parts[:index], target)
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
        return _no_such_item(parts[:-1], target)
    target[parts[-1] if place is None else place] = value
    return None


def _place(target: Any, part: str) -> str | int | None:
    """Return the key or index that a part of a key means in a table or array; None if there is none."""
    if isinstance(target, list):
        return int(part) if part.isdecimal() and int(part) < len(target) else None
    return part if part in target else None


def _no_such_item(parts: Sequence[str], target: list[Any]) -> str:
    path = ".".join(parts)
    return f"{path} is an array of {len(target)} items; expected an index, as in {path}.0"
