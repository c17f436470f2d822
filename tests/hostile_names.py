"""Names as somebody who means harm would choose them: they steer terminals, forge lines, or are formulas."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
from PIL import Image

ESCAPES = "a\x1b[31mred\x1b]0;title\x07"
FORGED = "b\nError: forged"
REVERSED = "c\u202egnp\u200b\x9b2J"
FORMULA = "=HYPERLINK(1)"
MARKUP = "[red]d[link=x]:smile:$\\frac$<b>"
CLASSES = (ESCAPES, FORGED, REVERSED, FORMULA, MARKUP)
"""Names that a folder may have on Linux and that class names in a table may have everywhere."""


def write_hostile_folder(root: Path, per_class: int = 6) -> Path:
    """Write a folder of class folders with these names, whose images have such names too; one of them is damaged."""
    random = np.random.default_rng(0)
    for number, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for index in range(per_class):
            pixels = random.integers(0, 60, (16, 16, 3))
            pixels[..., number % 3] += 150
            file = root / name / f"{index}{CLASSES[(number + 1) % len(CLASSES)].replace('/', '')}.png"
            Image.fromarray(pixels.astype(np.uint8)).save(file)
        (root / name / f"damaged{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    return root


def assert_harmless(text: str, *, columns: bool = False) -> None:
    """Check that a text steers no terminal and that none of its lines is forged.

    Args:
        text: what was printed or logged.
        columns: whether the lines of tables begin with a frame.
    """
    for each in text:
        hidden = unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") and each != "\n"
        assert not hidden, f"{each!r} in {text!r}"
        assert each not in "\u202e\u200b", f"{each!r} in {text!r}"
    assert not any(line.startswith("Error: forged") for line in text.splitlines()), text
