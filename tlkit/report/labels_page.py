"""``labels.html``: pictures of the images whose labels may be wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from tlkit.report.html_page import embedded_jpeg, render_page
from tlkit.report.label_table import JudgedLabel

WRONG, DUPLICATE, OUTLIER, MASK = (
    "likely wrong label",
    "near-duplicate with another label",
    "unlike all other images",
    "mask and prediction disagree",
)
"""What may be found."""

_SECTIONS = {
    WRONG: (60, "Most likely first: heads that did not train on the image give its label a low probability."),
    MASK: (60, "Lowest mean IoU first: either the mask is wrong, or the model is."),
    DUPLICATE: (30, "At most one of the labels of two pictures of the same thing is right."),
    OUTLIER: (30, "Far from every other image: perhaps no picture of any class."),
}
"""Finding → the largest number of images that are shown, and what it means."""
_NEAR = 4
_SIDE, _SMALL = 160, 72
"""The longer side of pictures, in pixels."""

Pictures = Callable[[JudgedLabel], Sequence[tuple[str, np.ndarray]]]
"""Returns the pictures of an image, uint8 (H, W, 3), each with a word for what it is; the first is the image."""


@dataclass(frozen=True)
class LabelsPage:
    """What the page says.

    Args:
        name: the run.
        images: the images, most likely wrong first.
        source: how they were judged, in a sentence.
        notes: remarks.
        command: the command that makes a new table of the decisions; empty where there can be none.
        table: the name of the table to fill in.
        legend: class → colour of its pixels in masks, as ``#rrggbb``.
    """

    name: str
    images: Sequence[JudgedLabel]
    source: str
    notes: Sequence[str]
    command: str
    table: str
    legend: Sequence[tuple[str, str]] = ()


def labels_page(page: LabelsPage, pictures: Pictures, image: Callable[[int], np.ndarray]) -> str:
    """Return the page.

    Args:
        page: what it says.
        pictures: returns the pictures of an image.
        image: returns the decoded image of a row of the data, uint8 (H, W, 3).
    """
    sections = []
    for finding, (most, what) in _SECTIONS.items():
        found = [each for each in page.images if finding in each.findings]
        if found:
            shown = [_shown(each, pictures, image) for each in found[:most]]
            sections.append({"title": finding, "what": what, "count": len(found), "shown": shown})
    return render_page("labels.html.j2", page=page, sections=sections)


def _shown(judged: JudgedLabel, pictures: Pictures, image: Callable[[int], np.ndarray]) -> dict[str, Any]:
    near = [
        {"data": _jpeg(image(each.row), _SMALL), "label": each.label or "(none)", "key": each.key}
        for each in judged.near[:_NEAR]
    ]
    large = [{"title": title, "data": _jpeg(picture, _SIDE)} for title, picture in pictures(judged)]
    return {"judged": judged, "pictures": large, "near": near}


def _jpeg(image: np.ndarray, side: int) -> str:
    """Return a JPEG of an image, as base64: reduced to a longer side, or enlarged by a whole factor to less."""
    picture = Image.fromarray(np.asarray(image))
    factor = max(1, side // max(picture.size))
    picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    picture.thumbnail((side, side))
    return embedded_jpeg(picture)
