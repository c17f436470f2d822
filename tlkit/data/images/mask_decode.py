"""Decode masks: map the values or colours of their pixels to class numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tlkit.contracts import IGNORE, MaskTable, MaskValue
from tlkit.data.images.image_file import BadImageError
from tlkit.data.images.mask_file import RawMask, read_mask
from tlkit.data.images.reading import PLAIN, Reading
from tlkit.system.text import listed

_LISTED = 8
"""Maximum number of values that a message lists."""
_MAIN = 0.01
"""Propose a value for the table if at least this share of the pixels has it."""
_EDGES = 0.1
"""Values between others are smoothed edges if at most this share of the pixels has them."""
_WHOLE = 2**53
"""Floating-point numbers from here on are all whole, because they are rounded."""
_REMEDY = "save masks as PNG, and scale them with nearest neighbour"
_MANY = f"So many values come from smoothed edges, from JPEG or from a photograph: {_REMEDY}"


def decode_mask(path: Path, table: MaskTable, data: bytes | None = None, reading: Reading = PLAIN) -> np.ndarray:
    """Decode a mask and map its values to class numbers.

    Args:
        path: the file; palette PNGs are read by their indices where the table's keys are numbers.
        table: pixel value or colour → class number.
        data: the file's bytes, if they were read already.
        reading: how files are read.

    Returns:
        uint8 (H, W): class numbers and ``IGNORE``.

    Raises:
        BadImageError: the file can't be decoded, or has values that are not in the table; the message lists them.
    """
    return classes_of(path, read_mask(path, data, reading), table)[0]


def classes_of(path: Path, raw: RawMask, table: MaskTable) -> tuple[np.ndarray, int]:
    """Map the values of a mask to class numbers, as ``decode_mask`` does.

    Returns:
        the class numbers, and how many pixels count as the nearest value because the table lacks theirs.

    Raises:
        BadImageError: some values are not in the table.
    """
    by_color = table.channel == "auto" and any(isinstance(key, tuple) for key in table.values)
    values = _values(path, raw, table, by_color)
    mapped = np.full(values.shape, IGNORE if table.default is None else table.default, np.uint8)
    known = np.zeros(values.shape, bool)
    for key, number in table.values.items():
        has_value = _has(values, key)
        mapped[has_value] = number
        known |= has_value
    if known.all():
        return mapped, 0
    if values.dtype.kind == "f":
        _refuse_decimals(path, values, values[~known], table)
    if table.nearest:
        mapped[~known] = _nearest(values[~known], table, by_color)
        return mapped, int(known.size - np.count_nonzero(known))
    if table.default is None:
        indices = raw.palette if table.channel == "auto" and not by_color else None
        palette = None if indices is None else indices.reshape(-1).tolist()
        keys = {_packed(key) for key in table.values}
        message = _unknown(_counted(values), _counted(values[~known]), keys, by_color, palette)
        raise BadImageError("mask_values", f"{path}: {message}")
    return mapped, 0


def _values(path: Path, raw: RawMask, table: MaskTable, by_color: bool) -> np.ndarray:
    """Return the numbers or packed colours to look up, (H, W)."""
    if table.channel != "auto":
        values = raw.channel(table.channel)
        if values is None:
            has = "grey values beyond 0-255" if raw.values.ndim == 2 and table.channel != "alpha" else "no such channel"
            raise BadImageError(
                "mask_values", f'{path}: data.channel = "{table.channel}", but the mask has {has}; remove data.channel'
            )
        return values
    values = raw.colors() if by_color else raw.numbers()
    if values is not None:
        return values
    if by_color:
        numbers = raw.numbers()
        assert numbers is not None
        message = _other_kind("numbers beyond 0-255", "colours", _counted(numbers), _number)
    else:
        colors = raw.colors()
        assert colors is not None
        message = _other_kind("colours", "numbers", _counted(colors), _hex)
    raise BadImageError("mask_values", f"{path}: {message}")


def _has(values: np.ndarray, key: MaskValue) -> np.ndarray:
    """Return where a mask has a value of the table, bool (H, W)."""
    if not isinstance(key, float):
        return np.asarray(values == _packed(key))
    if math.isnan(key):
        return np.asarray(np.isnan(values))
    with np.errstate(over="ignore"):
        return np.asarray((values == key) | (values == float(np.float32(key))))


def _refuse_decimals(path: Path, values: np.ndarray, unknown: np.ndarray, table: MaskTable) -> None:
    """Raise the error for a mask with decimals, NaN or infinite values that the table lacks, if there are any."""
    decimals = (unknown != np.rint(unknown)) | (np.abs(unknown) >= _WHOLE)
    if not decimals.any() or (table.nearest and np.isfinite(unknown).all()):
        return
    seen = _listed(_counted(values), _number)
    message = f"{path}: some values are not whole numbers: {seen}"
    if not np.isfinite(unknown).all():
        which = " and ".join(f'"{_number(each)}"' for each, _ in _counted(unknown) if not math.isfinite(each))
        message += f". To leave such pixels out, add {which} to data.ignore"
    if (decimals & np.isfinite(unknown)).any():
        message += (
            ". A mask has one value per class: save masks as 8-bit PNG, and apply a threshold to probabilities first"
        )
    raise BadImageError("mask_values", message)


def _nearest(values: np.ndarray, table: MaskTable, by_color: bool) -> np.ndarray:
    """Return the class numbers of the nearest values of the table, uint8 (N,)."""
    keys = [key for key in table.values if isinstance(key, tuple) or math.isfinite(key)]
    numbers = np.array([table.values[key] for key in keys], np.uint8)
    seen, place = np.unique(values, return_inverse=True)
    if by_color:
        parts = np.stack([seen >> 16, seen >> 8 & 255, seen & 255], axis=-1)
        distance = ((parts[:, None] - np.array(keys)[None]) ** 2).sum(-1)
    else:
        distance = np.abs(seen[:, None].astype(np.float64) - np.array(keys, np.float64)[None])
    return np.asarray(numbers[distance.argmin(1)][place])


def _packed(key: MaskValue) -> Any:
    return (key[0] << 16) | (key[1] << 8) | key[2] if isinstance(key, tuple) else key


_Counts = list[tuple[Any, int]]
"""Values and how many pixels have each, the most frequent first."""


def _counted(values: np.ndarray) -> _Counts:
    seen, counts = np.unique(values, return_counts=True)
    return sorted(zip(seen.tolist(), counts.tolist(), strict=True), key=lambda each: -each[1])


def _listed(counts: _Counts, name: Callable[[Any], str]) -> str:
    return listed([f"{name(value)} ({count} pixel{'' if count == 1 else 's'})" for value, count in counts], _LISTED)


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _ascending(value: float) -> float:
    """Return a key that sorts NaN last."""
    return math.inf if math.isnan(value) else value


def _hex(color: int) -> str:
    return f"#{color:06x}"


def _other_kind(has: str, expected: str, counts: _Counts, name: Callable[[Any], str]) -> str:
    """Return the message for a mask of colours where the table has numbers, or the other way round."""
    message = f"the mask has {has}, but the table has {expected}: {_listed(counts, name)}"
    pixels = sum(count for _, count in counts)
    main = [value for value, count in counts if count >= _MAIN * pixels][:_LISTED]
    if len(main) > 1:
        ground = 0 if 0 in main else main[0]
        things = [name(value) for value in main if value != ground]
        names = ["object"] if len(things) == 1 else [f"object {number}" for number in range(1, len(things) + 1)]
        keys = zip([name(ground), *things], ["background", *names], strict=True)
        table = ", ".join(f'"{key}" = "{named}"' for key, named in keys)
        message += f". For such masks, set data.values = {{ {table} }}"
    return message + (f". {_MANY}" if len(counts) > _LISTED else "")


def _unknown(counts: _Counts, unknown: _Counts, known: set[Any], by_color: bool, palette: list[int] | None) -> str:
    """Return the message for a mask with values that the table lacks."""

    def name(value: int) -> str:
        if palette is None or 3 * value + 3 > len(palette):
            return _hex(value) if by_color else _number(value)
        return f"{value} = #{bytes(palette[3 * value : 3 * value + 3]).hex()}"

    table = ", ".join(_hex(key) if by_color else _number(key) for key in sorted(known, key=_ascending))
    message = f"values that are not in the table: {_listed(unknown, name)}; the table has {table}"
    if palette is not None:
        message += ". These numbers are indices of the mask's palette; a table of colours is compared with its colours"
    smoothed = set() if by_color or palette is not None else _smoothed(counts, known)
    plain = {value for value, _ in counts} - smoothed
    binary = not by_color and 255 in plain and plain <= {0, 255} and not plain <= known
    if binary:
        message += '. For masks of 0 and 255, set data.values = { "0" = "background", "255" = "object" }'
    if len(unknown) > _LISTED:
        message += f". {_MANY}"
    elif smoothed:
        message += f". The few pixels with values between others come from smoothed edges: {_REMEDY}"
    if smoothed or len(unknown) > _LISTED:
        return message + ". If they are classes, add them to data.values or to data.ignore"
    return message if binary else message + ". Add them to data.values or to data.ignore"


def _smoothed(counts: _Counts, known: set[Any]) -> set[Any]:
    """Return the unknown values between known values of the mask, or 0 and 255; none if many pixels have them."""
    seen = {value for value, _ in counts}
    ends = (known & seen) | ({0, 255} if {0, 255} <= seen else set())
    low, high = min(ends, default=0), max(ends, default=0)
    between = {value: count for value, count in counts if value not in ends and low < value < high}
    few = sum(between.values()) <= _EDGES * sum(count for _, count in counts)
    return set(between) if few else set()
