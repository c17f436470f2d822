"""The table from mask values to classes, as a recipe writes it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import tlkit

_DECIMAL = r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|[+-]?inf"
_WHOLE = 2**53
"""Floating-point numbers from here on are all whole, because they are rounded."""


def mask_table(
    values: Mapping[str, str],
    ignore: Sequence[str],
    other: str | None = None,
    channel: tlkit.MaskChannel = "auto",
    *,
    nearest: bool = False,
) -> tuple[tuple[str, ...], tlkit.MaskTable, dict[int, tuple[int, int, int]]]:
    """Return the class names, the mask table, and the colour of each class if the table is given in colours.

    Args:
        values: pixel value ("255", "-1", "nan") or colour ("#ff0000", "255,0,0", "red") → class name.
        ignore: values or colours that count neither in the loss nor in the metrics.
        other: class of all other values; None: they are an error.
        channel: the channel of the masks that has the values.
        nearest: whether all other values mean the same as the nearest one.

    Raises:
        DataError: a key is neither a value nor a colour, values and colours are mixed, or two options contradict.
    """
    names = tuple(dict.fromkeys([*values.values(), *([other] if other else [])]))
    table: dict[tlkit.MaskValue, int] = {}
    for text, name in values.items():
        key = _key(text)
        if table.get(key, names.index(name)) != names.index(name):
            raise tlkit.DataError(f'data.values: "{text}" is in the table twice, as {names[table[key]]} and as {name}')
        table[key] = names.index(name)
    table |= {_key(text): tlkit.IGNORE for text in ignore}
    kinds = {isinstance(key, tuple) for key in table}
    if len(kinds) > 1:
        raise tlkit.DataError("data.values: expected either pixel values or colours, received both")
    if channel != "auto" and True in kinds:
        raise tlkit.DataError(
            f'data.values: with data.channel = "{channel}", expected the values of that channel, such as "255", '
            "received colours"
        )
    if other is not None and nearest:
        raise tlkit.DataError("data.nearest: expected false with data.other, because both say what other values mean")
    colors = {number: key for key, number in table.items() if isinstance(key, tuple) and number != tlkit.IGNORE}
    default = None if other is None else names.index(other)
    return names, tlkit.MaskTable(table, default, channel, nearest), colors


def _key(text: str) -> tlkit.MaskValue:
    text = text.strip()
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    if re.fullmatch(_DECIMAL, text, re.IGNORECASE):
        value = float(text)
        if math.isnan(value):
            return math.nan
        return int(value) if abs(value) < _WHOLE and value == int(value) else value
    parts = text.split(",")
    if len(parts) == 3 and all(re.fullmatch(r"\s*\d{1,3}\s*", part) and int(part) < 256 for part in parts):
        return (int(parts[0]), int(parts[1]), int(parts[2]))
    color = _color(text)
    if color is not None:
        return color
    raise tlkit.DataError(
        'data.values: expected a pixel value such as "255", "-1" or "nan", or a colour such as "#ff0000", "255,0,0" '
        f'or "red", received "{text}"'
    )


def _color(text: str) -> tuple[int, int, int] | None:
    """Return the colour that ``#rrggbb`` or a name of CSS means; None for anything else."""
    from PIL import ImageColor

    if not re.fullmatch(r"#[0-9a-fA-F]{6}|[A-Za-z]+", text):
        return None
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        return None
    return red, green, blue
