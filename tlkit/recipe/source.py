"""Parse TOML, and find the line of each key without a TOML grammar of our own."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

KeyPath = tuple[str | int, ...]

_MAX_DEPTH = 50
_TOO_DEEP = f"tables and arrays are nested more than {_MAX_DEPTH} deep"
_MAX_KEYS = 100_000
_LARGEST = 2**63
_MAX_DIGITS = 4000
"""Python converts integers of up to 4,300 decimal digits."""
_MAX_PARSED = 5_000_000
"""Number of characters that are parsed to find the lines of keys; it takes a few seconds."""

NO_INTEGER = "expected an integer of at most 64 bits, received one with more"
"""The message about a number that is no integer of TOML."""


class LargeNumberError(tomllib.TOMLDecodeError):
    """An integer does not fit into 64 bits, the most that TOML has.

    Attributes:
        path: its dotted key; empty if the message has the line instead.
    """

    def __init__(self, path: str, line: int | None = None) -> None:
        super().__init__(NO_INTEGER if line is None else f"{NO_INTEGER} (at line {line}, column 1)")
        self.path = path


def parse_toml(text: str) -> dict[str, Any]:
    """Return the values of a TOML document.

    Raises:
        LargeNumberError: an integer has more than 64 bits.
        tomllib.TOMLDecodeError: it is not TOML, or its tables and arrays are nested deeper than any recipe's, or there
            are more of their values than a recipe has.
    """
    try:
        values = tomllib.loads(text)
    except RecursionError as error:
        raise tomllib.TOMLDecodeError(_TOO_DEEP) from error
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:
        raise _digits_error(text) from error
    level: list[tuple[str, Any]] = [("", values)]
    count = 0
    for _ in range(_MAX_DEPTH):
        level = [inner for path, each in level for inner in _inside(path, each)]
        if not level:
            return values
        count += len(level)
        if count > _MAX_KEYS:
            raise tomllib.TOMLDecodeError(f"there are more than {_MAX_KEYS:,} values")
    raise tomllib.TOMLDecodeError(_TOO_DEEP)


def fits_toml(value: int) -> bool:
    """Return whether an integer has at most 64 bits, as TOML wants."""
    return -_LARGEST <= value < _LARGEST


def _inside(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a table or an array holds, each with its dotted key.

    Raises:
        LargeNumberError: an integer has more than 64 bits.
    """
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        if isinstance(each, int) and not fits_toml(each):
            raise LargeNumberError(f"{path}.{key}".lstrip("."))
        yield f"{path}.{key}".lstrip("."), each


def _digits_error(text: str) -> LargeNumberError:
    """Return the error about an integer of so many digits that Python does not convert it, with its line."""
    match = re.search(rf"[0-9_]{{{_MAX_DIGITS},}}", text)
    line = text.count("\n", 0, match.start()) + 1 if match else 1
    return LargeNumberError("", line)


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the 1-based line on which each key, table and array item begins.

    Growing prefixes of the text are parsed: a key that is new in a prefix begins after the last prefix that parsed.
    This works for inline tables, multi-line strings, arrays of tables and dotted keys. The time is quadratic, so call
    it only for errors; keys behind the first thousands of lines are not looked for.

    Args:
        text: a TOML document; keys after its first syntax error are not found.
    """
    lines = text.replace("\r\n", "\n").split("\n")  # str.splitlines would also split at form feeds and the like
    line_of: dict[KeyPath, int] = {}
    start = _next_key(lines, 1)
    parsed = 0
    for number in range(start, len(lines) + 1):
        beginning = "\n".join(lines[:number]) + "\n"
        parsed += len(beginning)
        if parsed > max(_MAX_PARSED, len(text)):
            break
        try:
            document = tomllib.loads(beginning)
        except (ValueError, RecursionError):
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
