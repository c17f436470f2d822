"""Masks: from the values or the colours of their pixels to class numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from tlkit.contracts import IGNORE, MaskTable
from tlkit.data.image_file import BROKEN, BadImageError, open_image, undecodable


def decode_mask(path: Path, table: MaskTable, data: bytes | None = None, max_pixels: int | None = None) -> np.ndarray:
    """Decode a mask and map its values to class numbers.

    Args:
        path: the file; palette PNGs are read by their indices where the table's keys are numbers.
        table: pixel value or colour → class number.
        data: the file's bytes, if they were read already.
        max_pixels: as ``decode_image``.

    Returns:
        uint8 (H, W): class numbers and ``IGNORE``.

    Raises:
        BadImageError: it can't be decoded, or has values that are not in the table; the message lists them.
    """
    by_color = any(isinstance(key, tuple) for key in table.values)
    with open_image(path, data, max_pixels) as image:
        try:
            turned = ImageOps.exif_transpose(image)
            values = _colors(turned) if by_color else _numbers(turned)
        except BROKEN as error:
            raise undecodable(path, error) from error
    lookup = {_packed(key): number for key, number in table.values.items()}
    mapped = np.full(values.shape, IGNORE if table.default is None else table.default, np.uint8)
    known = np.zeros(values.shape, bool)
    for value, number in lookup.items():
        here = values == value
        mapped[here] = number
        known |= here
    if table.default is None and not known.all():
        seen, counts = np.unique(values[~known], return_counts=True)
        unknown = list(zip(seen.tolist(), counts.tolist(), strict=True))
        raise BadImageError("mask_values", f"{path}: {_unknown_values(unknown, by_color, list(table.values))}")
    return mapped


def _numbers(image: Image.Image) -> np.ndarray:
    if image.mode == "1":
        return np.asarray(image.convert("L")).astype(np.int64)
    if image.mode in ("RGB", "RGBA", "CMYK", "YCbCr"):
        rgb = np.asarray(image.convert("RGB")).astype(np.int64)
        if not ((rgb[..., 0] == rgb[..., 1]) & (rgb[..., 1] == rgb[..., 2])).all():
            raise ValueError("the mask is a colour image, but the table has numbers; expected colours such as #ff0000")
        return rgb[..., 0]
    if image.mode in ("LA", "PA"):
        return np.asarray(image)[..., 0].astype(np.int64)
    return np.asarray(image).astype(np.int64)


def _colors(image: Image.Image) -> np.ndarray:
    rgb = np.asarray(image.convert("RGB")).astype(np.int64)
    return (rgb[..., 0] << 16) | (rgb[..., 1] << 8) | rgb[..., 2]


def _packed(key: int | tuple[int, int, int]) -> int:
    return (key[0] << 16) | (key[1] << 8) | key[2] if isinstance(key, tuple) else key


def _unknown_values(unknown: list[tuple[int, int]], by_color: bool, known: list[int | tuple[int, int, int]]) -> str:
    unknown.sort(key=lambda each: -each[1])
    shown = ", ".join(f"{f'#{value:06x}' if by_color else value} ({count} pixels)" for value, count in unknown[:8])
    more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
    table = ", ".join("#{:02x}{:02x}{:02x}".format(*key) if isinstance(key, tuple) else str(key) for key in known)
    message = f"values that the table does not have: {shown}{more}; the table has {table}"
    if not by_color and {value for value, _ in unknown} <= {0, 255}:
        message += '. A mask of 0 and 255 is mapped by data.values = { "0" = "background", "255" = "object" }'
    elif not by_color and len(unknown) > 8:
        message += (
            ". So many values come from smoothed edges, from JPEG or from a photograph: save masks as PNG, "
            "and scale them with nearest neighbour"
        )
    return message + ". Add them to data.values or to data.ignore"
