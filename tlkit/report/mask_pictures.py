"""Where a predicted mask differs from the truth, drawn over the image."""

from __future__ import annotations

import numpy as np

from tlkit.contracts import IGNORE
from tlkit.report.colors import GREY, Color

MISSED: Color = (213, 94, 0)
ADDED: Color = (0, 114, 178)
CONFUSED: Color = (0, 0, 0)
KINDS: tuple[tuple[str, Color], ...] = (
    ("missed: of a class, predicted as background", MISSED),
    ("added: background, predicted as a class", ADDED),
    ("of one class, predicted as another", CONFUSED),
)
"""What each colour of ``difference`` means; colours that people with any colour vision can tell apart."""


def difference(image: np.ndarray, truth: np.ndarray, prediction: np.ndarray, background: int | None) -> np.ndarray:
    """Draw an image in pale grey, and its wrong pixels in the colour of their kind; ignored pixels are darker.

    Args:
        image: uint8 (H, W, 3).
        truth: uint8 (H, W) class numbers and ``IGNORE``.
        prediction: uint8 (H, W) class numbers.
        background: the class that is no object; None if there is none, and every wrong pixel is of one kind.

    Returns:
        uint8 (H, W, 3).
    """
    pale = (140 + image.mean(-1, keepdims=True) * 0.45).astype(np.uint8)
    drawn = np.repeat(pale, 3, -1)
    ignored = truth == IGNORE
    wrong = (truth != prediction) & ~ignored
    missed = wrong & (prediction == background) if background is not None else np.zeros_like(wrong)
    added = wrong & (truth == background) if background is not None else np.zeros_like(wrong)
    for pixels, color in ((ignored, GREY), (missed, MISSED), (added, ADDED), (wrong & ~missed & ~added, CONFUSED)):
        drawn[pixels] = color
    return drawn
