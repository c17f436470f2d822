"""The answers of the Keras model and of an exported file to the same images, side by side."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.evaluation.inference import Inference
from tlkit.exports.outputs import checked_outputs
from tlkit.exports.process import RuntimeProcess
from tlkit.models.inference import images_at_once
from tlkit.models.tasks import LearningTask, task_of_card
from tlkit.runs.card import Card

if TYPE_CHECKING:
    from tlkit.data.run_data import Data

_AT_ONCE = 16
_KEPT_BYTES = 400e6
"""The largest logits that are kept between the formats; larger ones are computed again."""
_TIE = 1e-5
"""Two probabilities that differ by less are equal: which of them is the larger one is chance."""


@dataclass
class Speed:
    """The CPU time that images take, without the first call, in which a runtime prepares itself."""

    _seconds: float = 0.0
    _images: int = 0
    _first: tuple[float, int] = (0.0, 0)

    def add(self, seconds: float, images: int) -> None:
        """Add a call."""
        if not self._first[1]:
            self._first = seconds, images
            return
        self._seconds += seconds
        self._images += images

    @property
    def milliseconds(self) -> float:
        """CPU milliseconds an image, of all processors together."""
        seconds, images = (self._seconds, self._images) if self._images else self._first
        return 1000 * seconds / max(1, images)


class KerasAnswers:
    """The logits of the Keras model for some images; see ``tlkit.evaluation.logits.Logits``.

    The first image is computed alone: a file must take any number of images.

    Args:
        model: the Keras model, from images to logits.
        card: its card.
        data: the opened data.
        rows: int (N,) the rows of the images.
    """

    def __init__(self, model: Any, card: Card, data: Data, rows: np.ndarray) -> None:
        self.task = task_of_card(card)
        self.at_once = min(_AT_ONCE, images_at_once(model))
        self.speed = Speed()
        self._inference = Inference(model, card, self.at_once)
        self._images, self._rows = data.store.images, rows
        self._kept: dict[int, np.ndarray] = {}
        self._bytes = 0

    def parts(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Yield the place of the first of a few images, the images, uint8 (n, H, W, 3), and their logits."""
        starts = [0, *range(1, len(self._rows), self.at_once), len(self._rows)]
        for first, end in pairwise(starts):
            if first < end:
                images = np.asarray(self._images[self._rows[first:end]])
                yield first, images, self._logits(first, images)

    def batches(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the logits of all images; ``rows`` are those that were given."""
        del rows
        return (logits for _, _, logits in self.parts())

    def _logits(self, first: int, images: np.ndarray) -> np.ndarray:
        if first in self._kept:
            return self._kept[first]
        if not first:
            self._inference.logits(images)  # which compiles it
        began = time.process_time()
        logits = self._inference.logits(images)
        if len(images) == self.at_once or len(self._rows) <= self.at_once:  # fewer are padded
            self.speed.add(time.process_time() - began, len(images))
        self._bytes += logits.nbytes
        if self._bytes <= _KEPT_BYTES:
            self._kept[first] = logits
        return logits


@dataclass
class FileAnswers:
    """The logits of an exported file for the same images, compared with those of the Keras model on the way.

    Args:
        keras: the answers of the Keras model.
        process: the process that has opened the file.

    Attributes:
        largest_difference: the largest difference of a probability so far.
        speed: the time that the file takes.
    """

    keras: KerasAnswers
    process: RuntimeProcess
    largest_difference: float = 0.0
    speed: Speed = field(default_factory=Speed)
    _equal: int = 0
    _compared: int = 0

    @property
    def at_once(self) -> int:
        """The largest number of images that are computed at a time."""
        return self.keras.at_once

    @property
    def agreement(self) -> float:
        """The share of images, pixels or labels for which both say the same class."""
        return self._equal / max(1, self._compared)

    def batches(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the logits of the file for all images; ``rows`` are those that were given.

        Raises:
            RuntimeFailedError: the file gives other shapes, or NaN.
        """
        del rows
        for _first, images, expected in self.keras.parts():
            outputs, seconds = self.process.run(images)
            logits, probabilities = checked_outputs(outputs, self.keras.task, len(images), expected.shape[1:-1])
            self.speed.add(seconds, len(images))
            self._compare(expected, logits, probabilities)
            yield logits

    def _compare(self, expected: np.ndarray, logits: np.ndarray, probabilities: np.ndarray) -> None:
        task = self.keras.task
        truth = task.probabilities(expected)
        for found in (probabilities, task.probabilities(logits)):
            self.largest_difference = max(self.largest_difference, float(np.abs(found - truth).max(initial=0.0)))
        same = agreeing(task, truth, probabilities)
        self._equal += int(same.sum())
        self._compared += same.size


def agreeing(task: LearningTask, truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return where two models say the same class, bool: of each image or pixel, or of each of several labels.

    Args:
        task: what the probabilities mean.
        truth: the probabilities of one, float (n, …, classes).
        found: those of the other.
    """
    ours, theirs = task.predict(truth), task.predict(found)
    if task.label_kind == "multi":
        return np.asarray((ours == theirs) | (np.abs(truth - 0.5) <= _TIE))
    of_theirs = np.take_along_axis(truth, np.asarray(theirs, np.int64)[..., None], -1)[..., 0]
    return np.asarray((ours == theirs) | (truth.max(-1) - of_theirs <= _TIE))
