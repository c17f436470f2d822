"""Decode masks: map the values or colours of their pixels to class numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from tlkit.contracts import IGNORE, MaskTable
from tlkit.data.images.image_file import BROKEN, BadImageError, open_image, undecodable
from tlkit.data.images.reading import PLAIN, Reading
from tlkit.system.text import listed

_LISTED = 8
"""Maximum number of values that a message lists."""
_MAIN = 0.01
"""Propose a value for the table if at least this share of the pixels has it."""
_EDGES = 0.1
"""Values between others are smoothed edges if at most this share of the pixels has them."""
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
        BadImageError: the file can't be decoded, or has values that are not whole numbers or not in the table; the
            message lists them.
    """
    by_color = any(isinstance(key, tuple) for key in table.values)
    with open_image(path, data, reading) as image:
        try:
            turned = ImageOps.exif_transpose(image)
            values = _colors(path, turned) if by_color else _numbers(path, turned)
            palette = turned.getpalette() if turned.mode in ("P", "PA") and not by_color else None
        except BROKEN as error:
            raise undecodable(path, error) from error
    lookup = {_packed(key): number for key, number in table.values.items()}
    mapped = np.full(values.shape, IGNORE if table.default is None else table.default, np.uint8)
    known = np.zeros(values.shape, bool)
    for value, number in lookup.items():
        has_value = values == value
        mapped[has_value] = number
        known |= has_value
    if table.default is None and not known.all():
        raise BadImageError("mask_values", f"{path}: {_unknown(_counted(values), set(lookup), by_color, palette)}")
    return mapped


def _numbers(path: Path, image: Image.Image) -> np.ndarray:
    if image.mode == "1":
        return np.asarray(image.convert("L")).astype(np.int64)
    if image.mode == "F":
        values = np.asarray(image, np.float64)
        if not (np.isfinite(values) & (values == np.rint(values)) & (np.abs(values) < 2**53)).all():
            seen = _listed(_counted(values), "{:g}".format)
            raise BadImageError(
                "mask_values",
                f"{path}: some values are not whole numbers: {seen}. A mask has one whole number per class: "
                "save masks as 8-bit PNG, and apply a threshold to probabilities first",
            )
        return values.astype(np.int64)
    if len(image.getbands()) > 2:
        rgb = np.asarray(image.convert("RGB"))
        if not ((rgb[..., 0] == rgb[..., 1]) & (rgb[..., 1] == rgb[..., 2])).all():
            counts = _counted(_colors(path, image))
            raise BadImageError("mask_values", f"{path}: {_other_kind('colours', 'numbers', counts, _hex)}")
        return rgb[..., 0].astype(np.int64)
    values = np.asarray(image)
    return (values if values.ndim == 2 else values[..., 0]).astype(np.int64)


def _colors(path: Path, image: Image.Image) -> np.ndarray:
    if image.mode[0] in "IF":
        values = _numbers(path, image)
        if values.min(initial=0) < 0 or values.max(initial=0) > 255:
            message = _other_kind("numbers beyond 0-255", "colours", _counted(values), str)
            raise BadImageError("mask_values", f"{path}: {message}")
        return values * 0x010101
    rgb = np.asarray(image.convert("RGB")).astype(np.int64)
    return (rgb[..., 0] << 16) | (rgb[..., 1] << 8) | rgb[..., 2]


def _packed(key: int | tuple[int, int, int]) -> int:
    return (key[0] << 16) | (key[1] << 8) | key[2] if isinstance(key, tuple) else key


_Counts = list[tuple[Any, int]]
"""Values and how many pixels have each, the most frequent first."""


def _counted(values: np.ndarray) -> _Counts:
    seen, counts = np.unique(values, return_counts=True)
    return sorted(zip(seen.tolist(), counts.tolist(), strict=True), key=lambda each: -each[1])


def _listed(counts: _Counts, name: Callable[[Any], str]) -> str:
    return listed([f"{name(value)} ({count} pixel{'' if count == 1 else 's'})" for value, count in counts], _LISTED)


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


def _unknown(counts: _Counts, known: set[int], by_color: bool, palette: list[int] | None) -> str:
    """Return the message for a mask with values that the table lacks."""

    def name(value: int) -> str:
        if palette is None or 3 * value + 3 > len(palette):
            return _hex(value) if by_color else str(value)
        return f"{value} = #{bytes(palette[3 * value : 3 * value + 3]).hex()}"

    unknown = [each for each in counts if each[0] not in known]
    table = ", ".join(_hex(key) if by_color else str(key) for key in sorted(known))
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


def _smoothed(counts: _Counts, known: set[int]) -> set[int]:
    """Return the unknown values between known values of the mask, or 0 and 255; none if many pixels have them."""
    seen = {value for value, _ in counts}
    ends = (known & seen) | ({0, 255} if {0, 255} <= seen else set())
    low, high = min(ends, default=0), max(ends, default=0)
    between = {value: count for value, count in counts if value not in ends and low < value < high}
    few = sum(between.values()) <= _EDGES * sum(count for _, count in counts)
    return set(between) if few else set()
