"""``pixels.csv``: how many pixels of each class each image has and got right, by which runs can be compared."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tlkit.errors import RunError
from tlkit.evaluation.outcome import SegmentationOutcome
from tlkit.files import CellWriter
from tlkit.report.html_page import encodable
from tlkit.runs.folder import RunFolder
from tlkit.runs.reading import read_run_table

COUNTS = ("correct", "true", "predicted")
_MOST = 2**32
"""More pixels than an image of a model has."""


def pixels_csv(
    outcomes: Mapping[str, SegmentationOutcome],
    classes: Sequence[str],
    key: Callable[[SegmentationOutcome, int], str],
    losses_name: str,
) -> str:
    """Return a CSV table with a row for each image and each class that it has or is predicted to have.

    An image without any, all of whose pixels are ignored, has one row without a class.

    Args:
        outcomes: split → the result of its evaluation.
        classes: class names.
        key: returns the key of the sample at a position of an outcome.
        losses_name: the heading of the loss of each image.
    """
    text = io.StringIO(newline="")
    writer = CellWriter(text)
    writer.writerow(["key", "split", losses_name, "class", *COUNTS])
    for split, outcome in outcomes.items():
        for position, counts in enumerate(outcome.pixels):
            start = [key(outcome, position), split, f"{outcome.losses[position]:.6f}"]
            numbers = np.flatnonzero(counts.any(0))
            for number in numbers:
                writer.writerow([*start, classes[int(number)], *counts[:, number].tolist()])
            if not len(numbers):
                writer.writerow([*start, "", 0, 0, 0])
    return encodable(text.getvalue())


def read_pixels(folder: RunFolder) -> list[tuple[dict[str, str], tuple[int, ...]]]:
    """Read the rows of ``pixels.csv``, each with its counts as numbers.

    Raises:
        RunError: the file is damaged.
    """
    table = read_run_table(folder.pixels)
    for name in ("key", "split", "class", *COUNTS):
        if table and name not in table[0]:
            raise RunError(f"{folder.pixels}: has no column {name!r}; the file is damaged")
    rows = []
    for number, row in enumerate(table, 2):
        try:
            counts = tuple(int(row[name]) for name in COUNTS)
        except ValueError as error:
            raise RunError(f"{folder.pixels}:{number}: expected counts of pixels; the file is damaged") from error
        if not all(0 <= each < _MOST for each in counts) or counts[0] > min(counts[1:]):
            raise RunError(f"{folder.pixels}:{number}: impossible counts of pixels; the file is damaged")
        rows.append((row, counts))
    return rows
