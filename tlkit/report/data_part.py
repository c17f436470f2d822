"""What the report shows of the data: how many images each class has in each split, and a few of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tlkit.evaluation.outcome import Outcome, SegmentationOutcome
from tlkit.report.colors import background_class, overlay, palette
from tlkit.report.gallery import thumbnail

if TYPE_CHECKING:
    from tlkit.data.run_data import Data

_SIDE = 64
"""Longer side of a sample, in pixels."""
_SAMPLES, _PER_CLASS = 120, 6
"""Samples on the page, and of a class."""
_MASKS = 60
"""Training masks whose pixels are counted: reading all of them would take seconds."""


@dataclass(frozen=True)
class ClassRow:
    """A class in the table of the data.

    Args:
        name: the class.
        values: what each column shows.
        samples: images of it, as ``data:`` URLs.
    """

    name: str
    values: Sequence[str]
    samples: Sequence[str]


@dataclass(frozen=True)
class DataPart:
    """The table of the classes.

    Args:
        columns: the splits.
        rows: one per class.
        note: what the columns count.
    """

    columns: Sequence[str]
    rows: Sequence[ClassRow]
    note: str


def data_part(data: Data, counts: Mapping[str, np.ndarray], outcomes: Mapping[str, Outcome]) -> DataPart:
    """Return the table of the classes.

    Args:
        data: the run's data.
        counts: split → the number of images of each class; empty for a segmentation.
        outcomes: split → the result of its evaluation.
    """
    if data.labels is None:
        return _of_masks(data, outcomes)
    per_class = _per_class(len(data.classes))
    rows = data.indices("train")
    rows = rows if len(rows) else np.arange(len(data.samples))
    labels = data.labels[rows]
    shown = []
    for number, name in enumerate(data.classes):
        samples: list[str] = []
        if number < _SAMPLES:
            of_class = rows[labels[:, number] > 0.5 if labels.ndim == 2 else labels == number]
            samples = [
                thumbnail(np.asarray(data.store.images[int(row)]), _SIDE) for row in _spread(of_class, per_class)
            ]
        shown.append(ClassRow(name, [f"{int(each[number]):,}" for each in counts.values()], samples))
    return DataPart(list(counts), shown, "Images of each class in each split, and a few of its training images.")


def _of_masks(data: Data, outcomes: Mapping[str, Outcome]) -> DataPart:
    """Return the share of the pixels that each class has, and the images with most of it under their masks."""
    masks = data.store.masks
    assert masks is not None
    rows = data.indices("train")
    counted = _spread(rows if len(rows) else np.arange(len(data.samples)), _MASKS)
    classes = len(data.classes)
    pixels = np.array([np.bincount(masks[int(row)].reshape(-1), minlength=256)[:classes] for row in counted])
    columns = {"train": pixels.sum(0)}
    for split, outcome in outcomes.items():
        if isinstance(outcome, SegmentationOutcome) and len(outcome.confusion) == classes:
            columns[split] = outcome.confusion.sum(1)
    colors = tuple(data.colors.get(number, color) for number, color in enumerate(palette(classes)))
    shown, per_class = [], _per_class(classes)
    for number, name in enumerate(data.classes):
        most = [each for each in np.argsort(-pixels[:, number], kind="stable")[:per_class] if pixels[each, number]]
        pictures = [_masked(data, int(counted[each]), colors) for each in (most if number < _SAMPLES else [])]
        values = [f"{100 * each[number] / max(int(each.sum()), 1):.2f} %" for each in columns.values()]
        shown.append(ClassRow(name, values, pictures))
    of_all = "" if len(counted) >= len(rows) else f" (of the training images, {len(counted)} were counted)"
    note = (
        f"The share of the pixels that each class has{of_all}, and training images with much of it, under their masks."
    )
    return DataPart(list(columns), shown, note)


def _masked(data: Data, row: int, colors: tuple[tuple[int, int, int], ...]) -> str:
    assert data.store.masks is not None
    image, mask = np.asarray(data.store.images[row]), np.asarray(data.store.masks[row])
    return thumbnail(overlay(image, mask, colors, background_class(data.classes)), _SIDE)


def _per_class(classes: int) -> int:
    return max(1, min(_PER_CLASS, _SAMPLES // classes))


def _spread(rows: np.ndarray, most: int) -> np.ndarray:
    """Choose rows that are evenly spaced."""
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)] if len(rows) else rows
