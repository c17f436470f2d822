"""Parse TOML, and find the line of each key without a TOML grammar of our own."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

KeyPath = tuple[str | int, ...]

_MAX_DEPTH = 50
_TOO_DEEP = f"tables and arrays are nested more than {_MAX_DEPTH} deep"


def parse_toml(text: str) -> dict[str, Any]:
    """Return the values of a TOML document.

    Raises:
        tomllib.TOMLDecodeError: it is not TOML, or its tables and arrays are nested deeper than any recipe's.
    """
    try:
        values = tomllib.loads(text)
    except RecursionError as error:
        raise tomllib.TOMLDecodeError(_TOO_DEEP) from error
    level: list[Any] = [values]
    for _ in range(_MAX_DEPTH):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return values
    raise tomllib.TOMLDecodeError(_TOO_DEEP)


def _inside(value: Any) -> Iterator[Any]:
    items = value.values() if isinstance(value, dict) else value
    return (each for each in items if isinstance(each, dict | list))


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the 1-based line on which each key, table and array item begins.

    Growing prefixes of the text are parsed: a key that is new in a prefix begins after the last prefix that parsed.
    This works for inline tables, multi-line strings, arrays of tables and dotted keys. The time is quadratic, so call
    it only for errors.

    Args:
        text: a TOML document; keys after its first syntax error are not found.
    """
    lines = text.replace("\r\n", "\n").split("\n")  # str.splitlines would also split at form feeds and the like
    line_of: dict[KeyPath, int] = {}
    start = _next_key(lines, 1)
    for number in range(start, len(lines) + 1):
        try:
            document = parse_toml("\n".join(lines[:number]) + "\n")
        except tomllib.TOMLDecodeError:
            continue
        for path in _paths(document):
            line_of.setdefault(path, start)
        start = _next_key(lines, number + 1)
    return line_of


def _next_key(lines: list[str], number: int) -> int:
    while number <= len(lines) and lines[number - 1].strip()[:1] in ("", "#"):
        number += 1
    return number


def _paths(value: Any, prefix: KeyPath = ()) -> Iterator[KeyPath]:
    items: Iterator[tuple[str | int, Any]]
    if isinstance(value, dict):
        items = iter(value.items())
    elif isinstance(value, list):
        items = iter(enumerate(value))
    else:
        return
    for key, child in items:
        yield (*prefix, key)
        yield from _paths(child, (*prefix, key))


def syntax_error_line(error: tomllib.TOMLDecodeError, text: str) -> int:
    """Return the 1-based line of a syntax error, which tomllib names unless it is the last."""
    match = re.search(r"at line (\d+)", str(error))
    return int(match[1]) if match else len(text.splitlines())
