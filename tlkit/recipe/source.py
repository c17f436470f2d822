"""From the text of a TOML file to the line of each of its keys, without a grammar of our own."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

KeyPath = tuple[str | int, ...]


def key_lines(text: str) -> dict[KeyPath, int]:
    """The 1-based line on which each key, table and array item begins.

    Growing prefixes of the text are parsed; what is new in a prefix began after the last one that parsed. That holds
    for inline tables, multi-line strings, arrays of tables and dotted keys alike. Quadratic: call it on errors only.

    Args:
        text: a TOML document; beyond its first syntax error nothing is found.
    """
    lines = text.replace("\r\n", "\n").split("\n")  # str.splitlines would also split at form feeds and the like
    found: dict[KeyPath, int] = {}
    start = _next_key(lines, 1)
    for number in range(start, len(lines) + 1):
        try:
            document = tomllib.loads("\n".join(lines[:number]) + "\n")
        except tomllib.TOMLDecodeError:
            continue
        for path in _paths(document):
            found.setdefault(path, start)
        start = _next_key(lines, number + 1)
    return found


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
    """The 1-based line of a syntax error; tomllib tells it in its message only before Python 3.14."""
    match = re.search(r"at line (\d+)", str(error))
    return int(match[1]) if match else len(text.splitlines())
