"""Heat maps over images, and the picture that explains a prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from tlkit.evaluation.explanation import Maps
from tlkit.report.figures import drawing, shorten
from tlkit.report.photo_sheet import TILE, PhotoSheet

_GAP = 0.12
"""Inches between images."""
_STRENGTH = 0.55
"""How much of a pixel is heat, and not the image."""
_COLORS = "inferno"
"""A colour map whose lightness rises evenly, for any colour vision and in print."""


def heat_over(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Draw a heat map over a grey image.

    Args:
        image: uint8 (H, W, 3).
        heat: float (H, W); what is below 0 is drawn as 0, and the largest value is the hottest colour.

    Returns:
        uint8 (H, W, 3).
    """
    grey = np.asarray(Image.fromarray(image).convert("L"), np.float32)[..., None]
    positive = np.maximum(heat, 0)
    scaled = positive / max(float(positive.max()), np.finfo(np.float32).tiny)
    return np.asarray(np.rint(grey * (1 - _STRENGTH) + _color_table()[_places(scaled)] * _STRENGTH), np.uint8)


def _places(scaled: np.ndarray) -> np.ndarray:
    return np.asarray(np.rint(scaled * 255), np.uint8)


def _color_table() -> np.ndarray:
    import matplotlib

    return np.asarray(matplotlib.colormaps[_COLORS](np.arange(256))[:, :3] * 255, np.float32)


def panels(image: np.ndarray, maps: Maps, layer: str) -> list[tuple[np.ndarray, str]]:
    """Return the image and its maps over it, each with its title.

    Args:
        image: uint8 (H, W, 3).
        maps: the maps, of the size of the image.
        layer: the layer of Grad-CAM.
    """
    drawn = [(image, "image")]
    if maps.grad_cam is not None:
        drawn.append((heat_over(image, maps.grad_cam), f"Grad-CAM of {shorten(layer, 24, middle=True)}"))
    if maps.occlusion is not None:
        drawn.append((heat_over(image, maps.occlusion), "occlusion"))
    return drawn


def explanation_picture(image: np.ndarray, maps: Maps, layer: str, name: str) -> bytes:
    """Draw an image, its heat maps, and a legend.

    Args:
        image: uint8 (H, W, 3).
        maps: the maps, of the size of the image.
        layer: the layer of Grad-CAM.
        name: the file's name.

    Returns:
        the content of a PNG file.
    """
    shown = panels(image, maps, layer)
    sheet = PhotoSheet(image)
    tile, height = max(sheet.photo_size[0], TILE * 0.75), sheet.photo_size[1]
    width = max(5.2, len(shown) * (tile + _GAP) + _GAP)
    sheet.text(width / 2, 0.07, shorten(name, 70, middle=True), 9)
    sheet.text(width / 2, 0.27, f"{shorten(maps.class_name, 50, middle=True)}  {maps.probability:.1%}", 11)
    left = (width - len(shown) * (tile + _GAP)) / 2
    for number, (picture, title) in enumerate(shown):
        x = left + (number + 0.5) * (tile + _GAP)
        sheet.photo(x, 0.75, picture)
        sheet.text(x, 0.7, title, 8, above=True)
    bottom = 0.75 + height + 0.1
    lines = [*_agreement(maps), *_meaning(maps)]
    for number, line in enumerate(lines):
        sheet.text(width / 2, bottom + 0.32 + 0.16 * number, line, 7.5)
    total = bottom + 0.4 + 0.16 * len(lines)
    with drawing():
        return sheet.png(width, total, lambda figure: _legend(figure, width, total, bottom))


def _meaning(maps: Maps) -> list[str]:
    lines = []
    if maps.grad_cam is not None:
        lines.append("Grad-CAM: where the layer's map speaks for the class, by the gradient of its odds")
    if maps.occlusion is not None:
        lines.append("occlusion: where covering the image lowers the odds of the class")
    return lines


def _agreement(maps: Maps) -> list[str]:
    found = maps.agreement
    if found is None:
        return []
    if np.isnan(found.rank_correlation):
        return ["the maps can't be compared: one is the same everywhere"]
    return [
        f"rank correlation of both {found.rank_correlation:.2f}; their hottest fifths overlap by {found.overlap:.0%} "
        "(by chance 20%)"
    ]


def _legend(figure: Any, width: float, height: float, top: float) -> None:
    """Draw the colours from cold to hot below the photographs."""
    axes = figure.add_axes((0.5 - 0.75 / width, 1 - (top + 0.16) / height, 1.5 / width, 0.1 / height))
    axes.imshow(_color_table()[None].astype(np.uint8), aspect="auto")
    axes.set_axis_off()
    for place, align, word in ((-0.03, "right", "little"), (1.03, "left", "much")):
        axes.text(place, 0.5, word, ha=align, va="center", fontsize=7.5, transform=axes.transAxes)
