"""What all pictures share: figures without pyplot's global state, fonts, texts that can't break a picture, colours."""

from __future__ import annotations

import colorsys
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np

from tlkit.contracts import IGNORE

ImageKind = Literal["png", "svg", "pdf"]

OKABE_ITO = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
"""Colours that people with any colour vision tell apart (Okabe and Ito 2008), without black."""
GREY = (128, 128, 128)
WRONG = "#c62828"
RIGHT = "#2e7d32"
FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans",
    "Hiragino Sans",
    "PingFang SC",
    "Microsoft YaHei",
    "Yu Gothic",
    "Arial Unicode MS",
    "Segoe UI Symbol",
)
"""Tried one after the other for each character, as far as they are installed."""


def palette(count: int) -> list[tuple[int, int, int]]:
    """``count`` different colours (red, green, blue) in 0-255: Okabe and Ito's seven, then hues by the golden angle."""
    colors = list(OKABE_ITO[:count])
    step = 0
    while len(colors) < count:
        hue = (0.94 + step * 0.618033988749895) % 1.0
        saturation, value = ((0.85, 0.75), (0.45, 0.95), (0.95, 0.45), (0.6, 0.65))[step % 4]
        red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))
        if (red, green, blue) not in colors and (red, green, blue) != GREY:
            colors.append((red, green, blue))
        step += 1
    return colors


def line_colors(count: int) -> list[str]:
    """``count`` different colours for lines on white, as ``#rrggbb``: Okabe and Ito's with black instead of yellow."""
    seven = [OKABE_ITO[i] for i in (4, 5, 2, 6, 0, 1)] + [(0, 0, 0)]
    further = palette(max(count, len(OKABE_ITO)))[len(OKABE_ITO) :]
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in (seven + further)[:count]]


@contextmanager
def drawing() -> Iterator[None]:
    """Draw inside this: own settings whatever matplotlibrc says, no mathematics in names, no font warnings."""
    import matplotlib
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    settings: dict[str, Any] = {
        "font.family": [name for name in FONTS if name in installed] or ["sans-serif"],
        "text.parse_math": False,
        "text.usetex": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 10,
        "svg.hashsalt": "tlkit",
        "font.size": 9,
    }
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        warnings.filterwarnings("ignore", message=r"Matplotlib currently does not support .* natively")
        matplotlib.rcdefaults()
        parameters: Any = matplotlib.rcParams
        parameters.update(settings)
        yield


def new_figure(width: float, height: float) -> Any:
    """A figure of that many inches that belongs to no window and to no global list."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def to_png(figure: Any, dpi: int = 110) -> bytes:
    """The figure as the bytes of a PNG file."""
    return to_image(figure, "png", dpi)


def to_image(figure: Any, kind: ImageKind, dpi: int = 110) -> bytes:
    """The figure as the bytes of a PNG, SVG or PDF file; no time of writing is in it."""
    metadata: dict[ImageKind, dict[str, str | None]] = {
        "png": {"Software": "tlkit"},
        "svg": {"Creator": "tlkit", "Date": None},
        "pdf": {"Creator": "tlkit", "CreationDate": None},
    }
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata[kind])
    return buffer.getvalue()


def shorten(text: str, length: int, *, middle: bool = False) -> str:
    """A name that can be drawn: control characters replaced, and at most ``length`` characters long."""
    text = "".join(character if character.isprintable() else "?" for character in text)
    if len(text) <= length:
        return text
    if not middle:
        return text[: length - 1] + "…"
    front = (length - 1) // 2
    return f"{text[:front]}…{text[len(text) - (length - 1 - front) :]}"


def overlay(image: np.ndarray, mask: np.ndarray, colors: tuple[tuple[int, int, int], ...]) -> np.ndarray:
    """The image with its classes' colours over it, ignored pixels grey and class borders drawn.

    Args:
        image: uint8 (H, W, 3).
        mask: uint8 (H, W) class numbers and ``IGNORE``.
        colors: of the classes.

    Returns:
        uint8 (H, W, 3).
    """
    table = np.full((256, 3), GREY, np.float32)
    table[: len(colors)] = np.array(colors, np.float32)
    strength = np.where(mask == IGNORE, 0.85, 0.5)[..., None].astype(np.float32)
    edge = np.zeros(mask.shape, bool)
    edge[:-1] |= mask[:-1] != mask[1:]
    edge[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    strength[edge] = 1.0
    return np.asarray(np.rint(image * (1 - strength) + table[mask] * strength), np.uint8)
