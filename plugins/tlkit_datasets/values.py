"""The table from mask values to classes, as a recipe writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import tlkit


def mask_table(
    values: Mapping[str, str], ignore: Sequence[str], other: str | None = None
) -> tuple[tuple[str, ...], tlkit.MaskTable, dict[int, tuple[int, int, int]]]:
    """Return the class names, the mask table, and the colour of each class if the table is given in colours.

    Args:
        values: pixel value ("255") or colour ("#ff0000", "255,0,0") → class name.
        ignore: values or colours that count neither in the loss nor in the metrics.
        other: class of all other values; None: they are an error.

    Raises:
        DataError: a key is neither a value nor a colour, or values and colours are mixed.
    """
    names = tuple(dict.fromkeys([*values.values(), *([other] if other else [])]))
    table = {_key(key): names.index(name) for key, name in values.items()}
    table |= {_key(key): tlkit.IGNORE for key in ignore}
    kinds = {isinstance(key, tuple) for key in table}
    if len(kinds) > 1:
        raise tlkit.DataError("data.values: expected either pixel values or colours, received both")
    colors = {number: key for key, number in table.items() if isinstance(key, tuple) and number != tlkit.IGNORE}
    return names, tlkit.MaskTable(table, None if other is None else names.index(other)), colors


def _key(text: str) -> int | tuple[int, int, int]:
    text = text.strip()
    if re.fullmatch(r"\d{1,5}", text):
        return int(text)
    if re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        return (int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16))
    parts = text.split(",")
    if len(parts) == 3 and all(re.fullmatch(r"\s*\d{1,3}\s*", part) and int(part) < 256 for part in parts):
        return (int(parts[0]), int(parts[1]), int(parts[2]))
    raise tlkit.DataError(
        'data.values: expected a pixel value such as "255", or a colour such as "#ff0000" or "255,0,0", '
        f'received "{text}"'
    )
