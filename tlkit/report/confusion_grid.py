"""Which images are confused, as a grid whose cells name and show their images; of many classes, the most confused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tlkit.report.gallery import Picture
from tlkit.system.text import counted

_MAX_CLASSES = 40
"""The grid shows so many classes at most; of more, the ``_MOST_CONFUSED``."""
_MOST_CONFUSED = 24
_MAX_PAIRS = 20
"""Confused pairs in the list."""
_WRONG_PICTURES, _RIGHT_PICTURES = 160, 60
"""Thumbnails in the cells of mistakes, and in those of images that are right."""
_PER_CELL = 12
"""Thumbnails in a cell at most."""
_NAMES_PER_CELL, _NAMES = 20, 2000
"""Names of further images in a cell, and in all cells."""

Positions = np.ndarray
"""int (n,), positions of images in an outcome."""
Show = Callable[[int, bool], Picture]
"""Returns what a page shows of the image at a position of an outcome, with its thumbnail or by its name alone."""


@dataclass(frozen=True)
class GridCell:
    """A cell of a grid.

    Args:
        id: the name of the part of the page with its images; empty if it has none.
        count: the number of its images.
        share: their share of the images of that truth, 0-1.
        right: whether its images are predicted correctly.
        title: what it says, in words.
    """

    id: str
    count: int
    share: float
    right: bool
    title: str


@dataclass
class CellImages:
    """The images of a cell.

    Args:
        id: the name of the part of the page.
        title: what they have in common.
        pictures: the images that are shown.
        names: the names of further images.
        more: the number of those that are not named either.
    """

    id: str
    title: str
    pictures: Sequence[Picture] = ()
    names: Sequence[str] = ()
    more: int = 0


@dataclass(frozen=True)
class ConfusedPair:
    """A class that is taken for another.

    Args:
        id: the name of the part of the page with the images.
        truth: the class.
        predicted: what it is taken for.
        count: how often.
        share: the share of the images of the class.
    """

    id: str
    truth: str
    predicted: str
    count: int
    share: float


@dataclass
class Grid:
    """A grid of counts.

    Args:
        rows: the name of each row: a true class.
        columns: the name of each column.
        predicted: whether the columns are predicted classes.
        cells: row → column → the cell; None where there is no image.
        images: the images of cells.
        pairs: the most confused pairs, the commonest first.
        classes: the number of classes, of which the grid shows ``rows``.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    predicted: bool
    cells: Sequence[Sequence[GridCell | None]]
    images: Sequence[CellImages]
    classes: int
    pairs: Sequence[ConfusedPair] = field(default_factory=list)


def class_grid(
    confusion: np.ndarray, truth: np.ndarray, predicted: np.ndarray, classes: Sequence[str], prefix: str, show: Show
) -> Grid:
    """Return the confusion matrix of a classification with one label per image.

    Args:
        confusion: int (classes, classes), rows are the truth.
        truth: int (N,) class numbers, in the order in which the images of a cell are shown.
        predicted: int (N,) class numbers.
        classes: class names.
        prefix: what the names of parts of the page begin with.
        show: returns what the page shows of an image.
    """
    pairs = _confused(confusion)
    shown = _shown_classes(confusion, pairs)
    wanted = dict.fromkeys([(row, column) for row in shown for column in shown if confusion[row, column]])
    wanted |= dict.fromkeys(pairs[:_MAX_PAIRS])
    places = _places(truth * len(classes) + predicted, [row * len(classes) + column for row, column in wanted])
    totals = confusion.sum(1)
    members: dict[str, tuple[GridCell, Positions]] = {}
    grid: dict[tuple[int, int], GridCell] = {}
    for (row, column), positions in zip(wanted, places, strict=True):
        count = int(confusion[row, column])
        title = f"truth {classes[row]}, predicted {classes[column]}: {counted(count, 'image')}"
        cell = GridCell(f"{prefix}-{row}-{column}", count, count / int(totals[row]), row == column, title)
        grid[row, column] = cell
        members[cell.id] = cell, positions
    return Grid(
        rows=[classes[each] for each in shown],
        columns=[classes[each] for each in shown],
        predicted=True,
        cells=[[grid.get((row, column)) for column in shown] for row in shown],
        images=_cell_images(members, show),
        classes=len(classes),
        pairs=[
            ConfusedPair(grid[pair].id, classes[pair[0]], classes[pair[1]], grid[pair].count, grid[pair].share)
            for pair in pairs[:_MAX_PAIRS]
        ],
    )


def label_grid(truth: np.ndarray, predicted: np.ndarray, classes: Sequence[str], prefix: str, show: Show) -> Grid:
    """Return how often each label of a classification with several per image is right, missed and wrongly given.

    Args:
        truth: bool (N, classes), in the order in which the images of a cell are shown.
        predicted: bool (N, classes).
        classes: class names.
        prefix: what the names of parts of the page begin with.
        show: returns what the page shows of an image.
    """
    kinds = {
        "found": (truth & predicted, True, "have the label, and it was predicted"),
        "missed": (truth & ~predicted, False, "have the label, but it was not predicted"),
        "false alarm": (~truth & predicted, False, "do not have the label, but it was predicted"),
        "rightly absent": (~truth & ~predicted, True, "do not have the label, and it was not predicted"),
    }
    errors = (truth != predicted).sum(0)
    shown = list(range(len(classes)))
    if len(classes) > _MAX_CLASSES:
        shown = sorted(np.argsort(-errors, kind="stable")[:_MAX_CLASSES].tolist())
    members: dict[str, tuple[GridCell, Positions]] = {}
    cells: list[list[GridCell | None]] = []
    for row in shown:
        cells.append([])
        for column, (chosen, right, words) in enumerate(kinds.values()):
            positions = np.flatnonzero(chosen[:, row])
            # Images without a label are too many, and too unlike each other, to say anything.
            name = f"{prefix}-{row}-{column}" if column < 3 else ""
            title = f"{classes[row]}: {counted(len(positions), 'image')} {words}"
            alike = int((truth[:, row] == (column < 2)).sum())
            cell = GridCell(name, len(positions), len(positions) / max(alike, 1), right, title)
            cells[-1].append(cell if len(positions) else None)
            if name and len(positions):
                members[name] = cell, positions
    names = [classes[each] for each in shown]
    return Grid(names, list(kinds), False, cells, _cell_images(members, show), len(classes))


def _confused(confusion: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs (truth, predicted) of mistakes, the commonest first, then those of the largest share."""
    truth, predicted = np.nonzero(confusion)
    wrong = truth != predicted
    truth, predicted = truth[wrong], predicted[wrong]
    counts = confusion[truth, predicted]
    order = np.lexsort((-(counts / np.maximum(confusion.sum(1)[truth], 1)), -counts))
    return list(zip(truth[order].tolist(), predicted[order].tolist(), strict=True))


def _shown_classes(confusion: np.ndarray, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Return the classes of the grid, ascending: all of a few, else those of the most confused pairs."""
    if len(confusion) <= _MAX_CLASSES:
        return list(range(len(confusion)))
    chosen = list(dict.fromkeys(number for pair in pairs for number in pair))
    return sorted((chosen or np.flatnonzero(confusion.sum(1)).tolist())[:_MOST_CONFUSED])


def _places(codes: np.ndarray, wanted: Sequence[int]) -> list[Positions]:
    """Return where each wanted code stands among codes, int (N,), ascending."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts, ends = np.searchsorted(ordered, wanted), np.searchsorted(ordered, wanted, "right")
    return [order[start:end] for start, end in zip(starts, ends, strict=True)]


def _cell_images(members: dict[str, tuple[GridCell, Positions]], show: Show) -> list[CellImages]:
    """Return the images of cells: mistakes have more thumbnails than what is right, and each cell its share of them."""
    caps = {
        right: _cap([len(at) for cell, at in members.values() if cell.right == right], budget)
        for right, budget in ((False, _WRONG_PICTURES), (True, _RIGHT_PICTURES))
    }
    found, names_left = [], _NAMES
    for cell, positions in members.values():
        pictured, rest = positions[: caps[cell.right]], positions[caps[cell.right] :]
        named = rest[: min(_NAMES_PER_CELL, names_left)]
        names_left -= len(named)
        found.append(
            CellImages(
                cell.id,
                cell.title,
                [show(int(each), True) for each in pictured],
                [show(int(each), False).name for each in named],
                len(rest) - len(named),
            )
        )
    return found


def _cap(counts: Sequence[int], budget: int) -> int:
    """Return the largest number of thumbnails per cell with which all cells together stay within a budget."""
    return max((cap for cap in range(_PER_CELL + 1) if sum(min(each, cap) for each in counts) <= budget), default=0)
