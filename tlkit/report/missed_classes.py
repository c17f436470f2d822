"""Say which classes a model never predicts correctly, with the likely causes and the key of the recipe to set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tlkit.evaluation.outcome import ClassificationOutcome, Outcome, SegmentationOutcome
from tlkit.runs.card import Card
from tlkit.system.text import listed

if TYPE_CHECKING:
    from tlkit.data.run_data import Data

_ZERO = 0.0005
"""A score below this is printed as 0.000."""
_FEW = 0.01
"""Share of the training pixels, or fraction of the mean number of training images per class, that is called few."""

_ADVICE = {
    "untrained": "no training {unit} is of it, so it can't be learnt; move images of it to the training split, or "
    "leave the class out",
    "unseen": "no {unit} of {split} is of it, but the model predicts some; the score says nothing about it",
    "few": 'few training {unit}s; train.class_weights = "balanced" gives them more weight{detail}',
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
    missed = (scores < _ZERO) & ((truth + predicted > 0) if masks else (truth > 0))
    if not missed.any():
        return []
    trained = dict(zip(data.classes, data.class_counts("train"), strict=True))
    total = max(sum(trained.values()), 1)
    unit, few = ("pixel", _FEW * total) if masks else ("image", 20 * _FEW * total / len(card.classes))
    causes: dict[str, list[str]] = {}
    for number in np.flatnonzero(missed):
        name = card.classes[number]
        count = trained.get(name, 0)
        cause = "untrained" if not count else "unseen" if not truth[number] else "few" if count < few else "wrong"
        facts = [f"{count / total:.2%} of the training {unit}s" if masks else f"{count:.0f} training images"]
        facts = (facts if count else []) + ([] if predicted[number] else ["never predicted"])
        causes.setdefault(cause, []).append(f"{name} ({', '.join(facts)})" if facts else name)
    score = "IoU" if masks else "F1"
    words = {"unit": unit, "split": split, "detail": ", a larger input.image_size more pixels" if masks else ""}
    return [
        f"{split}: {score} is 0.000 for {listed(causes[cause])}: {advice.format(**words)}"
        for cause, advice in _ADVICE.items()
        if cause in causes
    ]


def _totals(outcome: Outcome) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the true, the predicted and the correctly predicted pixels or images of each class, each (classes,)."""
    if isinstance(outcome, ClassificationOutcome) and outcome.confusion is None:
        truth, predicted = outcome.labels > 0.5, outcome.probabilities > 0.5
        return truth.sum(0), predicted.sum(0), (truth & predicted).sum(0)
    assert isinstance(outcome, ClassificationOutcome | SegmentationOutcome)
    confusion = outcome.confusion
    assert confusion is not None
    return confusion.sum(1), confusion.sum(0), np.diagonal(confusion)
