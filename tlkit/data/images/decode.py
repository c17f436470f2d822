"""Decode files to 8-bit RGB images, resize those to the model's size, and restore predictions to the original size."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from tlkit.contracts import IGNORE, ImageSize
from tlkit.data.images.picture import Picture, scales
from tlkit.data.images.reading import PLAIN, Reading

Resize = Literal["stretch", "crop", "pad"]

DECODING = 4
"""Increase this when files decode to other pixels than before, so that cached images are no longer used."""

_DCT_FACTOR = 2
"""Scaling in the DCT leaves at least this many times the pixels that are needed in each direction."""


def decode_image(path: Path, data: bytes | None = None, reading: Reading = PLAIN) -> np.ndarray:
    """Decode an image of any common kind.

    The content decides between the formats, whatever the file's name is. Of an animation the first frame is decoded.
    The EXIF orientation is applied, unless ``reading`` says otherwise. Transparent pixels are blended with white.
    Values of more than 8 bits are scaled from ``reading.value_range`` to 0-255. Without one, unsigned values of up to
    16 bits are scaled from the range of their format: those of 16 bits are divided by 257. Signed and 32-bit integers
    and floating-point values stay as they are if all lie in 0-255 and some exceed 1; otherwise they are scaled from
    their own range. Values that are not finite become black.

    Args:
        path: the file.
        data: the file's bytes, if they were read already.
        reading: how files are read.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        BadImageError: the file can't be read or decoded; the message names it.
    """
    with Picture(path, data, reading) as picture:
        return np.array(picture.rgb())


def decode_to_size(
    path: Path, data: bytes | None, size: ImageSize, resize: Resize, reading: Reading = PLAIN
) -> tuple[np.ndarray, ImageSize]:
    """Decode an image and resize it: ``fit_image`` of ``decode_image``, but faster for large JPEG files.

    While it is decoded, a JPEG is scaled by 1/2, 1/4 or 1/8 in the DCT (ITU-T T.81; libjpeg's ``scale_denom``), as long
    as at least twice the pixels that the size needs are left in each direction; then it is resized as usual. On
    photographs the result differs by 0.2 (to 160 and 224 pixels) to 0.8 grey levels (to 64 pixels) on average.

    Args:
        path: the file.
        data: the file's bytes, if they were read already.
        size: (height, width) of the result.
        resize: as for ``fit_image``.
        reading: how files are read.

    Returns:
        uint8 (H, W, 3); and the original's (height, width) with its EXIF orientation applied.

    Raises:
        BadImageError: the file can't be read or decoded; the message names it.
    """
    with Picture(path, data, reading) as picture:
        return picture_to_size(picture, size, resize)


def picture_to_size(picture: Picture, size: ImageSize, resize: Resize) -> tuple[np.ndarray, ImageSize]:
    """Return what ``decode_to_size`` does of an opened image, none of whose pixels have been decoded.

    Raises:
        BadImageError: the image can't be decoded.
    """
    picture.draft(None, _least(picture.size, size, resize))
    return fit_picture(picture, size, resize)


def fit_picture(picture: Picture, size: ImageSize, resize: Resize) -> tuple[np.ndarray, ImageSize]:
    """Return what ``decode_to_size`` does of an opened image; its pixels may have been decoded before.

    Raises:
        BadImageError: the image can't be decoded.
    """
    return _fitted(picture.rgb(), size, resize), picture.size


def is_scaled(picture: Picture, size: ImageSize, resize: Resize) -> bool:
    """Return whether ``decode_to_size`` decodes an image at a part of its size."""
    return scales(picture, _least(picture.size, size, resize))


def _least(original: ImageSize, size: ImageSize, resize: Resize) -> tuple[int, int]:
    """Return the (width, height) that scaling in the DCT leaves at least."""
    (height, width), (box, inside) = original, _geometry(original, size, resize)
    return (
        math.ceil(_DCT_FACTOR * (inside[2] - inside[0]) * width / (box[2] - box[0])),
        math.ceil(_DCT_FACTOR * (inside[3] - inside[1]) * height / (box[3] - box[1])),
    )


def preview(path: Path, size: ImageSize, reading: Reading = PLAIN) -> np.ndarray:
    """Decode an image for a small picture, with black borders; one of more than 8 bits shows all detail that it has.

    Returns:
        uint8 (H, W, 3).

    Raises:
        BadImageError: the file can't be read or decoded; the message names it.
    """
    with Picture(path, None, reading) as picture:
        if not picture.deep:
            return decode_to_size(path, None, size, "pad", reading)[0]
        shown = picture.bands().stretched()
    return fit_image(np.broadcast_to(shown, (*shown.shape[:2], 3)), size, "pad")


def fit_image(image: np.ndarray, size: ImageSize, resize: Resize) -> np.ndarray:
    """Resize an image to the model's size: bicubic, with antialiasing.

    Args:
        image: uint8 (h, w, 3).
        size: (height, width) of the result.
        resize: ``stretch``; ``crop`` to the centre; or ``pad`` with black borders.

    Returns:
        uint8 (H, W, 3).
    """
    return _fitted(Image.fromarray(image), size, resize)


def _fitted(image: Image.Image, size: ImageSize, resize: Resize) -> np.ndarray:
    box, (left, top, right, bottom) = _geometry((image.height, image.width), size, resize)
    picture = image.resize((right - left, bottom - top), Image.Resampling.BICUBIC, box)
    if resize != "pad":
        return np.array(picture)
    out = np.zeros((*size, 3), np.uint8)
    out[top:bottom, left:right] = np.array(picture)
    return out


def fit_mask(mask: np.ndarray, size: ImageSize, resize: Resize) -> np.ndarray:
    """Resize class numbers, uint8 (h, w), as ``fit_image`` does: nearest neighbour, with ``IGNORE`` as the border."""
    box, (left, top, right, bottom) = _geometry(mask.shape[:2], size, resize)
    picture = Image.fromarray(mask).resize((right - left, bottom - top), Image.Resampling.NEAREST, box)
    out = np.full(size, IGNORE, np.uint8)
    out[top:bottom, left:right] = np.array(picture)
    return out


def restore_mask(values: np.ndarray, original: ImageSize, resize: Resize) -> np.ndarray:
    """Resize a prediction to the size of the image that it was made from.

    Args:
        values: uint8 (H, W) class numbers, resized by nearest neighbour; or float32 (H, W, C) probabilities, resized
            bilinearly.
        original: (height, width) of the image.
        resize: how the image was brought to the model's size. Pixels that ``crop`` cut off repeat the edge.

    Returns:
        the values at the original size.
    """
    size = (int(values.shape[0]), int(values.shape[1]))
    (x0, y0, x1, y1), (left, top, right, bottom) = _geometry(original, size, resize)
    inner = values[top:bottom, left:right]
    height, width = max(1, round(y1 - y0)), max(1, round(x1 - x0))
    if values.ndim == 2:
        picture = Image.fromarray(inner).resize((width, height), Image.Resampling.NEAREST)
        restored = np.array(picture)
    else:
        planes = [
            np.array(
                Image.fromarray(np.ascontiguousarray(inner[..., c], np.float32)).resize(
                    (width, height), Image.Resampling.BILINEAR
                )
            )
            for c in range(values.shape[2])
        ]
        restored = np.stack(planes, axis=-1)
    above, before = round(y0), round(x0)
    edges = [(above, original[0] - above - height), (before, original[1] - before - width)]
    edges = [(max(0, a), max(0, b)) for a, b in edges] + [(0, 0)] * (values.ndim - 2)
    return np.pad(restored, edges, mode="edge")[: original[0], : original[1]]


def _geometry(
    original: tuple[int, ...], size: ImageSize, resize: Resize
) -> tuple[tuple[float, float, float, float], tuple[int, int, int, int]]:
    """Return the box (left, top, right, bottom) of the original that is used, and the box of the result it fills."""
    (h, w), (height, width) = (original[0], original[1]), size
    if resize == "stretch":
        return (0, 0, w, h), (0, 0, width, height)
    if resize == "crop":
        scale = max(height / h, width / w)
        used_w, used_h = min(w, width / scale), min(h, height / scale)
        left, top = (w - used_w) / 2, (h - used_h) / 2
        return (left, top, left + used_w, top + used_h), (0, 0, width, height)
    scale = min(height / h, width / w)
    new_h, new_w = max(1, min(height, round(h * scale))), max(1, min(width, round(w * scale)))
    top, left = (height - new_h) // 2, (width - new_w) // 2
    return (0, 0, w, h), (left, top, left + new_w, top + new_h)
