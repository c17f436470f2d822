"""The class that is explained: how strongly the logits speak for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tlkit.errors import DataError
from tlkit.models.scores import softmax
from tlkit.models.tasks import BinaryLabel, LearningTask, MultiLabel, task_of_card
from tlkit.runs.card import Card
from tlkit.system.text import did_you_mean, listed

_BACKGROUND = "background"


@dataclass(frozen=True)
class ExplainedClass:
    """A class of an image, and where it is predicted.

    Args:
        card: the model's card.
        number: the number of the class.
        pixels: segmentation: bool (H, W), the pixels that are predicted as the class; else None.
    """

    card: Card
    number: int
    pixels: np.ndarray | None = None

    @property
    def name(self) -> str:
        """The name of the class."""
        return self.card.classes[self.number]

    def probability(self, probabilities: np.ndarray) -> float:
        """Return the probability of the class, or its mean over the pixels.

        Args:
            probabilities: float (classes,) or (H, W, classes).
        """
        values = probabilities[..., self.number]
        return float(values if self.pixels is None else values[self.pixels].mean())

    def evidence(self, logits: np.ndarray) -> np.ndarray:
        """Return the logarithm of the odds of the class, or its sum over the pixels, float64 (n,).

        The logarithm of p / (1 - p) still changes where the probability p is nearly 1. A logit alone says nothing where
        the classes share a softmax: a network may raise all of them together, which changes no probability.

        Args:
            logits: float (n, …, units).
        """
        values = np.asarray(logits, np.float64)
        if isinstance(self._task, BinaryLabel):
            return values[:, 0] * (1 if self.number else -1)
        own = values[..., self.number]
        if not isinstance(self._task, MultiLabel):
            own = own - np.logaddexp.reduce(np.delete(values, self.number, -1), -1)
        return own if self.pixels is None else np.asarray(own[:, self.pixels].sum(-1))

    def direction(self, logits: np.ndarray) -> np.ndarray:
        """Return the gradient of the evidence: float32, shaped like the logits."""
        gradient = np.zeros_like(logits)
        if isinstance(self._task, BinaryLabel):
            gradient[..., 0] = 1 if self.number else -1
            return gradient
        if not isinstance(self._task, MultiLabel):
            others = np.delete(np.arange(logits.shape[-1]), self.number)
            gradient[..., others] = -softmax(logits[..., others])
        gradient[..., self.number] = 1
        return gradient if self.pixels is None else gradient * self.pixels[..., None]

    @property
    def _task(self) -> LearningTask:
        return task_of_card(self.card)


def class_number(card: Card, name: str) -> int:
    """Return the number of a class.

    Raises:
        DataError: the model has no class of that name.
    """
    if name not in card.classes:
        hint = did_you_mean(name, card.classes, f"; expected one of {listed(card.classes, 12)}")
        raise DataError(f'--class: the model has no class "{name}"{hint}')
    return card.classes.index(name)


def explained_class(card: Card, probabilities: np.ndarray, number: int | None) -> ExplainedClass:
    """Return the class of an image to explain.

    Args:
        card: the model's card.
        probabilities: float (classes,) or, for segmentation, (H, W, classes).
        number: the class; None for the most probable one; for segmentation the one with the most pixels, or the most
            after a class called ``background``.

    Raises:
        DataError: segmentation: no pixel is predicted as the class.
    """
    if card.task == "classification":
        return ExplainedClass(card, int(probabilities.argmax()) if number is None else number)
    mask = probabilities.argmax(-1)
    if number is None:
        number = _largest(card.classes, np.bincount(mask.reshape(-1), minlength=len(card.classes)))
    if not (mask == number).any():
        raise DataError(f'no pixel is predicted as "{card.classes[number]}", so there is nothing to explain')
    return ExplainedClass(card, number, mask == number)


def _largest(classes: Sequence[str], counts: np.ndarray) -> int:
    shown = np.array([count if name.lower() != _BACKGROUND else 0 for name, count in zip(classes, counts, strict=True)])
    return int(shown.argmax() if shown.any() else counts.argmax())
