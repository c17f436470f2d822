"""What the page of a classification shows of a split: its confusions, and images that it is wrong or unsure about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tlkit.evaluation.outcome import ClassificationOutcome
from tlkit.report.confusion_grid import Grid, Show, class_grid, label_grid
from tlkit.report.gallery import Picture, thumbnail
from tlkit.report.thresholds import Thresholds, thresholds

_SHOWN = 12
"""Images that are confidently wrong, and images that are unsure."""
_AT_ONCE = 2048
"""Images whose probabilities are copied at a time."""
_SCORES = 3
"""Classes that a caption names at most, with their probabilities."""


@dataclass(frozen=True)
class ClassificationPart:
    """What the template of a classification shows of a split.

    Args:
        grid: the confusion matrix, or what becomes of each label.
        wrong: the mistakes that the model is most sure of.
        mistakes: the number of all mistakes.
        unsure: the images between whose labels the model hardly chooses.
        thresholds: what other thresholds would give; None for more than two classes with one label per image.
    """

    grid: Grid
    wrong: Sequence[Picture]
    mistakes: int
    unsure: Sequence[Picture]
    thresholds: Thresholds | None


@dataclass(frozen=True)
class Shown:
    """The images of an outcome.

    Args:
        outcome: the evaluation.
        classes: class names.
        predicted: int (N,) class numbers, or bool (N, classes).
        image: returns the image at a position, uint8 (H, W, 3).
        name: returns its name.
        label: returns the names of the classes that a label stands for.
    """

    outcome: ClassificationOutcome
    classes: Sequence[str]
    predicted: np.ndarray
    image: Callable[[int], np.ndarray]
    name: Callable[[int], str]
    label: Callable[[np.ndarray], str]

    @property
    def several(self) -> bool:
        """Whether an image has several labels."""
        return self.outcome.labels.ndim == 2

    def surest_mistakes(self) -> np.ndarray:
        """Return the positions of the mistakes, those first whose wrong label has the highest probability."""
        wrong = np.flatnonzero(~self.outcome.correct)
        probabilities = self.outcome.probabilities[wrong]
        sure = np.abs(probabilities - self.outcome.labels[wrong]).max(1) if self.several else probabilities.max(1)
        return np.asarray(wrong[np.argsort(-sure, kind="stable")])

    def least_sure(self) -> np.ndarray:
        """Return all positions, those first whose decision was closest."""
        probabilities = self.outcome.probabilities
        margins = np.ones(len(probabilities))
        for start in range(0, len(margins), _AT_ONCE):
            part = probabilities[start : start + _AT_ONCE]
            if self.several:
                margins[start : start + _AT_ONCE] = np.abs(part - 0.5).min(1)
            elif part.shape[1] > 1:
                highest = np.partition(part, -2, axis=1)
                margins[start : start + _AT_ONCE] = highest[:, -1] - highest[:, -2]
        return np.argsort(margins, kind="stable")


def classification_part(shown: Shown, prefix: str) -> ClassificationPart:
    """Return what the template shows of a split.

    Args:
        shown: its images.
        prefix: what the names of parts of the page begin with.
    """
    right = shown.outcome.correct
    show = _show(shown, right)
    mistakes, unsure = shown.surest_mistakes(), shown.least_sure()
    # In a cell, the surest mistakes come first; of the images that are right, the least sure.
    order = np.concatenate([mistakes, unsure[right[unsure]]])
    return ClassificationPart(
        grid=_grid(shown, order, prefix, show),
        wrong=[show(int(each), True) for each in mistakes[:_SHOWN]],
        mistakes=len(mistakes),
        unsure=[show(int(each), True) for each in unsure[:_SHOWN]],
        thresholds=_thresholds(shown),
    )


def _grid(shown: Shown, order: np.ndarray, prefix: str, show: Show) -> Grid:
    labels, predicted = shown.outcome.labels[order], shown.predicted[order]

    def show_ordered(place: int, pictured: bool) -> Picture:
        return show(int(order[place]), pictured)

    if shown.several:
        return label_grid(labels > 0.5, predicted, shown.classes, prefix, show_ordered)
    assert shown.outcome.confusion is not None
    return class_grid(shown.outcome.confusion, labels, predicted, shown.classes, prefix, show_ordered)


def _thresholds(shown: Shown) -> Thresholds | None:
    if not shown.several and len(shown.classes) != 2:
        return None
    return thresholds(shown.outcome.probabilities, shown.outcome.labels, shown.classes)


def _show(shown: Shown, right: np.ndarray) -> Show:
    """Return what the page shows of each image; an image that is shown twice is encoded once."""
    made: dict[int, str] = {}

    def show(position: int, pictured: bool) -> Picture:
        name = shown.name(position)
        if not pictured:
            return Picture("", name)
        if position not in made:
            made[position] = thumbnail(shown.image(position))
        caption = _caption(shown, position)
        if not right[position]:
            caption += f"\ntruth: {shown.label(shown.outcome.labels[position]) or '(none)'}"
        return Picture(made[position], name, caption, wrong=not right[position])

    return show


def _caption(shown: Shown, position: int) -> str:
    """Return the predicted classes with their probabilities, and with one label the runner-up if it is close."""
    probabilities = shown.outcome.probabilities[position]
    order = np.argsort(-probabilities, kind="stable")
    if shown.several:
        chosen = [each for each in order if probabilities[each] > 0.5]
    else:
        chosen = [each for each in order[:2] if each == order[0] or probabilities[each] >= 0.1]
    named = [
        f"{shown.classes[each]} {100 * probabilities[each]:.0f}\u00a0%" for each in (chosen or order[:1])[:_SCORES]
    ]
    more = f", {len(chosen) - _SCORES} more" if len(chosen) > _SCORES else ""
    return ("" if chosen else "none; ") + ", ".join(named) + more
