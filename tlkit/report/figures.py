"""Figures for all pictures: fixed settings and fonts, no pyplot state, texts that can always be drawn."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tlkit.report.colors import GREY, Color, background_class, hexadecimal
from tlkit.system.text import and_more

ImageKind = Literal["png", "svg", "pdf"]

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
"""Fonts to look up each character in, in this order; those that are not installed are skipped."""

MAX_LEGEND = 40
"""Classes in a legend."""


@contextmanager
def drawing() -> Iterator[None]:
    """Draw with fixed settings: no matplotlibrc, no mathematics in names, no warnings about missing glyphs."""
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


def new_figure(
    width: float, height: float, layout: Literal["constrained"] | None = "constrained", dpi: float = 110
) -> Any:
    """Return a figure of that size in inches, independent of pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def to_png(figure: Any, dpi: int = 110) -> bytes:
    """Return the content of a PNG file of the figure."""
    figure.set_dpi(dpi)
    figure.canvas.draw()
    return png_of(np.array(np.asarray(figure.canvas.buffer_rgba())[..., :3]))


def png_of(pixels: np.ndarray) -> bytes:
    """Return the content of a PNG file of pixels, uint8 (H, W, 3).

    Photographs hardly become smaller at higher levels of compression, which take several times as long.
    """
    metadata = PngInfo()
    metadata.add_text("Software", "tlkit")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1, pnginfo=metadata)
    return file.getvalue()


def to_image(figure: Any, kind: ImageKind, dpi: int = 110) -> bytes:
    """Return the content of a PNG, SVG or PDF file of the figure; it has no timestamp, so that it is reproducible."""
    metadata: dict[ImageKind, dict[str, str | None]] = {
        "png": {"Software": "tlkit"},
        "svg": {"Creator": "tlkit", "Date": None},
        "pdf": {"Creator": "tlkit", "CreationDate": None},
    }
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata[kind])
    return buffer.getvalue()


def shorten(text: str, length: int, *, middle: bool = False) -> str:
    """Return a text that can be drawn: control characters replaced, and at most ``length`` characters long."""
    text = "".join(character if character.isprintable() else "?" for character in text)
    if len(text) <= length:
        return text
    if not middle:
        return text[: length - 1] + "…"
    front = (length - 1) // 2
    return f"{text[:front]}…{text[len(text) - (length - 1 - front) :]}"


def show_image(panel: Any, image: np.ndarray) -> None:
    """Show an image in a panel, without ticks and frame."""
    panel.imshow(image, interpolation="antialiased")
    panel.set_xticks([])
    panel.set_yticks([])
    panel.spines[:].set_visible(False)


def class_legend(
    figure: Any,
    classes: Sequence[str],
    colors: Sequence[Color],
    columns: int,
    max_classes: int = MAX_LEGEND,
    *,
    outside: bool = True,
) -> None:
    """Draw a legend of the first ``max_classes`` tinted classes and of ignored pixels below a figure.

    Args:
        figure: the figure.
        classes: class names.
        colors: the colour of each class.
        columns: the largest number of columns.
        max_classes: the largest number of classes to show.
        outside: make room for it in the figure's constrained layout.
    """
    from matplotlib.patches import Patch

    background = background_class(classes)
    tinted = [each for number, each in enumerate(zip(classes, colors, strict=True)) if number != background]
    shown = tinted[:max_classes]
    handles = [Patch(color=hexadecimal(color), label=shorten(name, 24, middle=True)) for name, color in shown]
    if len(tinted) > len(shown):
        handles.append(Patch(color="none", label=and_more(len(tinted), len(shown)).strip()))
    handles.append(Patch(color=hexadecimal(GREY), label="ignored"))
    columns = min(len(handles), columns)
    figure.legend(
        handles=handles,
        loc="outside lower center" if outside else "lower center",
        ncols=columns,
        frameon=False,
        fontsize=8,
    )
