"""Which samples are worth a look: a fair sample, the worst, the median and the best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.contracts import IGNORE
from tlkit.evaluation.evaluator import Inference, Outcome, class_map
from tlkit.report.sample_pages import ClassifiedImage, SegmentedImage, classified_page, segmented_page
from tlkit.runs.card import Card

if TYPE_CHECKING:
    from tlkit.data.run_data import Data

CLASSIFIED = 20
SEGMENTED = 8
WORST = 15
LISTED = 50


def predicted_numbers(probabilities: np.ndarray, card: Card) -> np.ndarray:
    """The predicted class number of (classes,) probabilities; multi-hot (classes,) for several labels."""
    return probabilities > 0.5 if card.label_kind == "multi" else np.asarray(probabilities.argmax())


def label_text(label: Any, card: Card) -> str:
    """A class number's name; the names of a multi-hot row joined by ``|``."""
    if np.ndim(label) == 0:
        return card.classes[int(label)]
    return "|".join(card.classes[number] for number in np.flatnonzero(label))


def choose_pages(outcome: Outcome, split: str, inference: Inference, card: Card, data: Data) -> dict[str, bytes]:
    """``samples.png`` and, where something is wrong, ``worst.png``."""
    if card.task == "segmentation":
        return _segmentation_pages(outcome, split, inference, card, data)
    return _classification_pages(outcome, split, card, data)


def _classification_pages(outcome: Outcome, split: str, card: Card, data: Data) -> dict[str, bytes]:
    count = len(outcome.rows)
    even = np.linspace(0, count - 1, min(CLASSIFIED, count)).round().astype(int)
    sample = [_classified(outcome, position, card, data) for position in even]
    right = sum(_is_right(outcome, position, card) for position in range(count))
    pages = {"samples.png": classified_page(sample, f"{split} images, evenly drawn; {right} of {count} are right")}
    order = np.argsort(-outcome.losses, kind="stable")
    wrong = [position for position in order if not _is_right(outcome, position, card)][:WORST]
    if wrong:
        chosen = [_classified(outcome, position, card, data) for position in wrong]
        title = f"wrong {split} images, greatest loss first ({len(wrong)} of {count - right})"
        pages["worst.png"] = classified_page(chosen, title, names=True)
    return pages


def _is_right(outcome: Outcome, position: int, card: Card) -> bool:
    assert outcome.labels is not None
    assert outcome.probabilities is not None
    predicted = predicted_numbers(outcome.probabilities[position], card)
    return bool(np.array_equal(predicted, outcome.labels[position]))


def _classified(outcome: Outcome, position: int, card: Card, data: Data) -> ClassifiedImage:
    assert outcome.labels is not None
    assert outcome.probabilities is not None
    row = int(outcome.rows[position])
    shares = outcome.probabilities[position]
    return ClassifiedImage(
        image=np.asarray(data.store.images[row]),
        name=data.samples[row].key,
        truth=label_text(outcome.labels[position], card) or "(none)",
        prediction=label_text(predicted_numbers(shares, card), card) or "(none)",
        right=_is_right(outcome, position, card),
        probability=None if card.label_kind == "multi" else float(shares.max()),
        loss=float(outcome.losses[position]),
    )


def _segmentation_pages(outcome: Outcome, split: str, inference: Inference, card: Card, data: Data) -> dict[str, bytes]:
    assert outcome.ious is not None
    known = np.flatnonzero(~np.isnan(outcome.ious))
    order = known[np.argsort(outcome.ious[known], kind="stable")]
    if not len(order):
        order = np.arange(len(outcome.rows))
    chosen = _spread(order)
    images = [_segmented(outcome, position, note, inference, card, data) for position, note in chosen]
    mean = outcome.metrics["mean_iou"]
    shown = "" if mean is None else f"; mean IoU {mean:.3f}"
    title = f"{split} images: best, median and worst by IoU{shown}"
    pages = {"samples.png": segmented_page(images, title, card.classes, card.colors)}
    worst = order[np.argsort(-outcome.losses[order], kind="stable")][:6]
    images = [
        _segmented(outcome, position, f"loss {outcome.losses[position]:.2f}", inference, card, data)
        for position in worst
    ]
    title = f"{split} images with the greatest loss"
    pages["worst.png"] = segmented_page(images, title, card.classes, card.colors)
    return pages


def _spread(order: np.ndarray) -> list[tuple[int, str]]:
    """Positions from the best, the median and the worst of an order that begins with the worst."""
    if len(order) <= SEGMENTED:
        return [(int(each), "") for each in order[::-1]]
    ends, between = SEGMENTED // 4, SEGMENTED // 2
    middle = (len(order) - between) // 2
    parts = (("best", order[::-1][:ends]), ("median", order[middle : middle + between]), ("worst", order[:ends]))
    return [(int(each), note) for note, positions in parts for each in positions]


def _segmented(
    outcome: Outcome, position: int, note: str, inference: Inference, card: Card, data: Data
) -> SegmentedImage:
    assert outcome.ious is not None
    assert data.store.masks is not None
    row = int(outcome.rows[position])
    image = np.asarray(data.store.images[row])
    lookup = np.full(256, IGNORE, np.uint8)
    mapping = class_map(tuple(data.classes), card)
    lookup[: len(mapping)] = mapping
    predicted = inference.probabilities(image[None])[0].argmax(-1).astype(np.uint8)
    truth = lookup[np.asarray(data.store.masks[row])]
    return SegmentedImage(image, data.samples[row].key, truth, predicted, float(outcome.ious[position]), note)


def worst_files(outcomes: Mapping[str, Outcome], card: Card, data: Data) -> list[dict[str, Any]]:
    """The samples with the greatest loss over all splits, for the report's table."""
    found = []
    for split, outcome in outcomes.items():
        for position in np.argsort(-outcome.losses, kind="stable")[:LISTED]:
            entry: dict[str, Any] = {
                "key": data.samples[int(outcome.rows[position])].key,
                "split": split,
                "loss": float(outcome.losses[position]),
                "truth": None,
                "value": None,
            }
            if outcome.probabilities is not None and outcome.labels is not None:
                shares = outcome.probabilities[position]
                entry["truth"] = label_text(outcome.labels[position], card)
                entry["prediction"] = label_text(predicted_numbers(shares, card), card)
                entry["right"] = _is_right(outcome, int(position), card)
                entry["value"] = None if card.label_kind == "multi" else float(shares.max())
            elif outcome.ious is not None and not np.isnan(outcome.ious[position]):
                entry["value"] = float(outcome.ious[position])
            found.append(entry)
    return sorted(found, key=lambda entry: -entry["loss"])[:LISTED]
