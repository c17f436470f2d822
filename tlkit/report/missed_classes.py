"""Say which classes a model never predicts correctly, with the likely causes and the key of the recipe to set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from tlkit.evaluation.outcome import ClassificationOutcome, Outcome, SegmentationOutcome
from tlkit.report.colors import background_class
from tlkit.runs.card import Card
from tlkit.system.text import listed

if TYPE_CHECKING:
    from tlkit.data.run_data import Data

ZERO = 0.0005
"""A score below this is printed as 0.000."""
_FEW = 0.01
"""Share of the training pixels, or fraction of the mean number of training images per class, that is called few."""
_SMALL = 64
"""Pixels at the model's size that are too few to be recognised: a square of 8 by 8."""
_MOSTLY = 0.5
"""Share of a class from which on it is said what it is taken for."""

_ADVICE = {
    "untrained": "no training {unit} is of it, so it can't be learnt; move images of it to the training split, or "
    "leave the class out",
    "unseen": "no {unit} of {split} is of it, but the model predicts some; the score says nothing about it",
    "small": "too small at {size} pixels; a larger input.image_size shows more of it",
    "few": 'few training {unit}s; train.class_weights = "balanced" gives them more weight{detail}',
    "confused": "mostly taken for another class; join the two if they look alike to you too, or add images that show "
    "the difference",
    "wrong": "train for longer (epochs of [schedule]) or with another learning rate; the confusion matrix shows what "
    "it is taken for",
}
"""Likely cause → what it means, and what to do."""


def missed_classes(outcome: Outcome, data: Data, card: Card, split: str) -> list[str]:
    """Return a note for each likely cause why classes have an IoU, or F1, of 0.000.

    Args:
        outcome: the result of evaluating a split of the model's own data.
        data: the model's own data; its training split is counted if a class was missed.
        card: the model's card.
        split: the name of the split.
    """
    masks = isinstance(outcome, SegmentationOutcome)
    truth, predicted, correct = _totals(outcome)
    scores = correct / np.maximum(truth + predicted - correct, 1)
    missed = (scores < ZERO) & ((truth + predicted > 0) if masks else (truth > 0))
    if not missed.any():
        return []
    trained = dict(zip(data.classes, data.class_counts("train"), strict=True))
    causes: dict[str, list[str]] = {}
    for number in np.flatnonzero(missed).tolist():
        cause, facts = _cause(outcome, card, trained, number)
        facts += [] if predicted[number] else ["never predicted"]
        name = card.classes[number]
        causes.setdefault(cause, []).append(f"{name} ({', '.join(facts)})" if facts else name)
    score = "IoU" if masks else "F1"
    words = {
        "unit": "pixel" if masks else "image",
        "split": split,
        "detail": ", a larger input.image_size more pixels" if masks else "",
        "size": "×".join(map(str, card.image_size)),
    }
    return [
        f"{split}: {score} is 0.000 for {listed(causes[cause])}: {advice.format(**words)}"
        for cause, advice in _ADVICE.items()
        if cause in causes
    ]


def _cause(outcome: Outcome, card: Card, trained: Mapping[str, float], number: int) -> tuple[str, list[str]]:
    """Return the likely cause why a class was missed, a key of ``_ADVICE``, and what is known about the class."""
    masks = isinstance(outcome, SegmentationOutcome)
    count, total = trained.get(card.classes[number], 0), max(sum(trained.values()), 1)
    if not count:
        return "untrained", []
    facts = [f"{count / total:.2%} of the training pixels" if masks else f"{count:.0f} training images"]
    if not _totals(outcome)[0][number]:
        return "unseen", facts
    taken, share = _taken_for(outcome, number)
    if share >= _MOSTLY and taken != background_class(card.classes):
        facts.append(f"{share:.0%} of it taken for {card.classes[taken]}")
    if isinstance(outcome, SegmentationOutcome):
        sizes = outcome.pixels[:, 1, number]
        if sizes.any() and (size := float(np.median(sizes[sizes > 0]))) < _SMALL:
            return "small", [*facts, f"a median of {size:.0f} pixels in the images that have it"]
    if count < (_FEW * total if masks else 20 * _FEW * total / len(card.classes)):
        return "few", facts
    # A model that has not learnt a class yet takes it for the background or the commonest class.
    common = {background_class(card.classes), max(trained, key=lambda name: trained[name])}
    return "wrong" if share < _MOSTLY or common & {taken, card.classes[taken]} else "confused", facts


def _taken_for(outcome: Outcome, number: int) -> tuple[int, float]:
    """Return the class for which a missed class is most often taken, and how often; 0 and 0 if that is not known."""
    confusion = outcome.confusion if isinstance(outcome, ClassificationOutcome | SegmentationOutcome) else None
    if confusion is None:
        return 0, 0.0
    row = confusion[number]
    return int(row.argmax()), float(row.max() / max(row.sum(), 1))


def _totals(outcome: Outcome) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the true, the predicted and the correctly predicted pixels or images of each class, each (classes,)."""
    if isinstance(outcome, ClassificationOutcome) and outcome.confusion is None:
        truth, predicted = outcome.labels > 0.5, outcome.probabilities > 0.5
        return truth.sum(0), predicted.sum(0), (truth & predicted).sum(0)
    assert isinstance(outcome, ClassificationOutcome | SegmentationOutcome)
    confusion = outcome.confusion
    assert confusion is not None
    return confusion.sum(1), confusion.sum(0), np.diagonal(confusion)
