"""Turn an array into images: uint8, with colours as the last axis."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import tlkit
from tlkit_datasets.options import NpzOptions


def images_of(file: Path, name: str, pixels: np.ndarray, options: NpzOptions, notes: list[str]) -> np.ndarray:
    """Return images as uint8 (N, H, W) or (N, H, W, 3)."""
    shape = pixels.shape
    if pixels.ndim not in (3, 4) or not all(shape):
        raise tlkit.DataError(
            f"{file}: {name} has the shape {shape}; expected images as (N, H, W), (N, H, W, 1), (N, H, W, 3) or "
            "(N, 3, H, W)"
        )
    if pixels.ndim == 4:
        last, first = shape[3] in (1, 3), shape[1] in (1, 3)
        if options.channels == "auto" and last and first and shape[1] != shape[3]:
            raise tlkit.DataError(f'{file}: {name} has the shape {shape}: set data.channels = "last" or "first"')
        at = options.channels if options.channels != "auto" else "last" if last else "first" if first else ""
        if not at or shape[3 if at == "last" else 1] not in (1, 3):
            raise tlkit.DataError(
                f"{file}: {name} has the shape {shape}; expected 1 or 3 colours, as the last axis or the second; leave "
                "out other channels, such as transparency"
            )
        if at == "first":
            pixels = pixels.transpose(0, 2, 3, 1)
            if options.channels == "auto":
                notes.append(f"{name}: the colours are the second axis of {shape}")
        pixels = pixels[..., 0] if pixels.shape[3] == 1 else pixels
    return _bytes(file, name, pixels, options.pixels == "unit")


def _bytes(file: Path, name: str, pixels: np.ndarray, unit: bool) -> np.ndarray:
    if pixels.dtype == np.uint8 and not unit:
        return np.ascontiguousarray(pixels)
    if pixels.dtype.kind not in "uifb":
        raise tlkit.DataError(f"{file}: {name} is of type {pixels.dtype}; expected numbers")
    least, most = pixels.min(), pixels.max()
    received = f"{file}: {name} is {pixels.dtype} with values from {least} to {most}"
    if unit:
        if not (least >= 0 and most <= 1):
            raise tlkit.DataError(f'{received}; expected 0 to 1 with data.pixels = "unit"')
        return np.rint(pixels * np.float64(255)).astype(np.uint8)
    whole = pixels.dtype.kind != "f" or bool((pixels == np.floor(pixels)).all())
    if least >= 0 and most <= 255 and whole and most > 1:
        return pixels.astype(np.uint8)
    remedy = "save it as uint8 with values from 0 to 255"
    if least >= 0 and most <= 1:
        remedy = f'set data.pixels = "unit" if 1 is white, or {remedy}'
    raise tlkit.DataError(f"{received}; expected whole numbers from 0 to 255: {remedy}")
