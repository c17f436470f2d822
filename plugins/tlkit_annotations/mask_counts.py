"""Open masks for what ``tlkit init`` says about them."""

from __future__ import annotations

from pathlib import Path

_MAX_COLORS = 4096


def colors_in(file: Path) -> set[tuple[int, int, int]] | None:
    """Return the colours of a mask; an empty set if it can't be read; None if it is grey, without a palette."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            if image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;16"):
                return None
            counts = image.convert("RGB").getcolors(_MAX_COLORS)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return set()
    return {color for _, color in counts or () if isinstance(color, tuple) and len(color) == 3}


def values_in(file: Path) -> set[int]:
    """Return the grey values of a mask, or its palette indices; an empty set if it can't be read."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            grey = image if image.mode in ("L", "P") else image.convert("L")
            counts = grey.getcolors(256)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return set()
    return {value for _, value in counts or () if isinstance(value, int)}
