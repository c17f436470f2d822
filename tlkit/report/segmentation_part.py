"""What the report shows of a split of a segmentation: classes, confusion by pixel, borders, images by IoU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tlkit.contracts import IGNORE
from tlkit.evaluation.borders import EDGES, border_errors
from tlkit.evaluation.metrics import dice_of
from tlkit.evaluation.outcome import SegmentationOutcome
from tlkit.report.colors import GREY, background_class, hexadecimal
from tlkit.report.image_grids import SegmentedImage
from tlkit.report.mask_figures import MaskFigure, MaskRow, mask_figure, mask_rows, worst_first
from tlkit.report.mask_pictures import KINDS
from tlkit.runs.card import Card

MAX_MATRIX = 40
"""Classes up to which the confusion is a table on the page."""
_MAX_CONFUSED = 12
_MAX_LISTED = 200
_SMALL = 128
"""Images up to this side are enlarged without blurring them."""


@dataclass(frozen=True)
class ClassRow:
    """The figures of a class in a split.

    Args:
        name: the class.
        color: its colour as ``#rrggbb``; empty for one whose pixels are not tinted.
        iou: its intersection over union; None if it does not occur.
        iou_interval: the 95 % interval of that, if known.
        dice: its Dice coefficient.
        dice_interval: the 95 % interval of that.
        recall: the share of its pixels that are predicted to be of it; None if there are none.
        precision: the share of the pixels predicted to be of it that are.
        share: its share of the pixels.
        images: in how many images it occurs.
    """

    name: str
    color: str
    iou: float | None
    iou_interval: Sequence[float] | None
    dice: float | None
    dice_interval: Sequence[float] | None
    recall: float | None
    precision: float | None
    share: float
    images: int


@dataclass(frozen=True)
class Confused:
    """Pixels of one class that are predicted as another.

    Args:
        truth: the true class.
        prediction: the predicted one.
        pixels: how many pixels.
        share: their share of the pixels of the true class.
        example: the key of an image with many of them; empty if none was looked at.
    """

    truth: str
    prediction: str
    pixels: int
    share: float
    example: str


@dataclass(frozen=True)
class BorderRow:
    """The pixels at a distance to the border between classes.

    Args:
        distance: the distance in words.
        pixels: their share of all pixels.
        wrong: the share of them that is wrong; None if there are none.
        of_wrong: their share of all wrong pixels.
    """

    distance: str
    pixels: float
    wrong: float | None
    of_wrong: float


@dataclass(frozen=True)
class SegmentationPart:
    """What the report shows of a split.

    Args:
        classes: the figures of each class.
        absent: the classes of which the split has no pixel.
        matrix: the share of each true class, in rows, that is predicted as each class; None for too many classes.
        counts: int (classes, classes), the pixels behind it.
        confused: the classes that are confused most.
        borders: how wrong the pixels are at each distance to a border; empty if there is none.
        border_note: that in a sentence.
        figures: images beside their masks, the worst first.
        kinds: the (meaning, colour) of pixels in the pictures of differences.
        legend: the (name, colour) of each tinted class.
        listed: the images by IoU, the worst first.
        count: the number of images that have an IoU.
        small: whether the pictures are enlarged.
    """

    classes: Sequence[ClassRow]
    absent: Sequence[str]
    matrix: np.ndarray | None
    counts: np.ndarray
    confused: Sequence[Confused]
    borders: Sequence[BorderRow]
    border_note: str
    figures: Sequence[MaskFigure]
    kinds: Sequence[tuple[str, str]]
    legend: Sequence[tuple[str, str]]
    listed: Sequence[MaskRow]
    count: int
    small: bool


def segmentation_part(
    card: Card,
    outcome: SegmentationOutcome,
    keys: Sequence[str],
    masks: Mapping[int, tuple[np.ndarray, np.ndarray]],
    shown: Sequence[SegmentedImage],
) -> SegmentationPart:
    """Return what the report shows of a split.

    Args:
        card: the model's card.
        outcome: the result of evaluating the split.
        keys: the key of each of its images.
        masks: position → the truth and the prediction of some of them, for the distance to the border and for examples.
        shown: the images to show beside their masks.
    """
    classes, background = card.classes, background_class(card.classes)
    colors = ["" if number == background else hexadecimal(color) for number, color in enumerate(card.colors)]
    confusion = outcome.confusion
    borders, border_note = _borders(list(masks.values()))
    order = worst_first(outcome)
    return SegmentationPart(
        classes=_class_rows(card, outcome, colors),
        absent=[name for name, pixels in zip(classes, confusion.sum(1), strict=True) if not pixels],
        matrix=_shares(confusion) if len(classes) <= MAX_MATRIX else None,
        counts=confusion,
        confused=_confused(confusion, classes, {keys[position]: pair for position, pair in masks.items()}),
        borders=borders,
        border_note=border_note,
        figures=[mask_figure(each, card, background) for each in shown],
        kinds=_kinds(len(classes), background, ignored=any((each.truth == IGNORE).any() for each in shown)),
        legend=[(name, color) for name, color in zip(classes, colors, strict=True) if color],
        listed=mask_rows(outcome, order[:_MAX_LISTED], keys, classes),
        count=len(order),
        small=max(card.image_size) <= _SMALL,
    )


def _kinds(classes: int, background: int | None, *, ignored: bool) -> list[tuple[str, str]]:
    """Return the (meaning, colour) of the pixels in the pictures of differences, of those that there can be."""
    *of_background, confused = KINDS
    kinds = list(of_background) if background is not None else []
    kinds += [confused] if classes > 2 or background is None else []
    kinds += [("ignored", GREY)] if ignored else []
    return [(text, hexadecimal(color)) for text, color in kinds]


def _class_rows(card: Card, outcome: SegmentationOutcome, colors: Sequence[str]) -> list[ClassRow]:
    metrics, confusion = outcome.metrics, outcome.confusion
    intervals = metrics.get("intervals", {}).get("iou", {})
    hits, true, predicted = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    images = (outcome.pixels[:, 1] > 0).sum(0)
    total = max(int(confusion.sum()), 1)
    rows = []
    for number, name in enumerate(card.classes):
        bounds = intervals.get(name)
        rows.append(
            ClassRow(
                name,
                colors[number],
                metrics["iou"][name],
                bounds,
                metrics["dice"][name],
                None if bounds is None else dice_of(np.array(bounds)).tolist(),
                float(hits[number] / true[number]) if true[number] else None,
                float(hits[number] / predicted[number]) if predicted[number] else None,
                float(true[number] / total),
                int(images[number]),
            )
        )
    return rows


def _shares(confusion: np.ndarray) -> np.ndarray:
    return np.asarray(confusion / np.maximum(confusion.sum(1, keepdims=True), 1))


def _confused(
    confusion: np.ndarray, classes: Sequence[str], masks: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> list[Confused]:
    """Return the pairs of classes by the pixels that are confused, the most first."""
    wrong = confusion - np.diag(np.diag(confusion))
    shares = _shares(confusion)
    found = []
    for place in np.argsort(-wrong, axis=None, kind="stable")[:_MAX_CONFUSED]:
        row, column = (int(each) for each in np.unravel_index(place, wrong.shape))
        if not wrong[row, column]:
            break
        counts = {key: np.count_nonzero((true == row) & (guess == column)) for key, (true, guess) in masks.items()}
        example = max(counts, key=lambda key: counts[key], default="")
        example = example if counts.get(example) else ""
        share, pixels = float(shares[row, column]), int(wrong[row, column])
        found.append(Confused(classes[row], classes[column], pixels, share, example))
    return found


def _borders(masks: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[list[BorderRow], str]:
    found = border_errors(masks)
    total, wrong = int(found.pixels.sum()), int(found.wrong.sum())
    if not found.pixels[:-1].any():
        return [], ""
    names = ["touching it", *(f"{start}–{end}" for start, end in pairwise(EDGES)), f"over {EDGES[-1]}, or no border"]
    rows = [
        BorderRow(name, pixels / total, bad / pixels if pixels else None, bad / max(wrong, 1))
        for name, pixels, bad in zip(names, found.pixels.tolist(), found.wrong.tolist(), strict=True)
    ]
    near = slice(0, 2)
    shares = found.wrong[near].sum() / max(wrong, 1), found.pixels[near].sum() / total
    note = (
        f"{100 * shares[0]:.0f} % of the wrong pixels lie within {EDGES[1]} pixels of a border between classes, where "
        f"{100 * shares[1]:.0f} % of all pixels are"
    )
    return rows, f"{note}. Measured on {found.images} images at the model's input size."
