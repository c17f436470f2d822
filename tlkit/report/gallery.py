"""Small pictures and tables, prepared for a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from tlkit.report.html_page import jpeg_url

SIDE = 96
"""Longer side of a thumbnail, in pixels."""


@dataclass(frozen=True)
class Picture:
    """A small picture on a page.

    Args:
        data: a ``data:`` URL, from ``thumbnail``; empty where the page names the image only.
        name: the image's name.
        caption: a line below the name.
        wrong: whether the caption is marked.
    """

    data: str
    name: str
    caption: str = ""
    wrong: bool = False


@dataclass(frozen=True)
class Gallery:
    """Pictures below a heading.

    Args:
        title: the heading.
        note: what they show, in a sentence; may be empty.
        pictures: the pictures.
    """

    title: str
    note: str
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Table:
    """A table below a heading; a click on a column sorts it.

    Args:
        title: the heading.
        note: what it shows, in a sentence; may be empty.
        columns: the names of the columns.
        rows: the cells of each row: a text, a number, or None for none.
    """

    title: str
    note: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float | int | None]]


def thumbnail(image: np.ndarray, side: int = SIDE) -> str:
    """Return a small JPEG of an image as a ``data:`` URL.

    Args:
        image: uint8 (H, W, 3).
        side: the longer side in pixels; a smaller image keeps its size.
    """
    picture = Image.fromarray(image)
    # A draft by whole factors first takes a tenth of the time of a filter over all pixels.
    picture.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return jpeg_url(picture, 78)
