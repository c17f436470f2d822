"""Runs a model over a split in inference mode. Memory does not grow with the number of images of a segmentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tlkit.contracts import IGNORE, LabelKind
from tlkit.data.feed.pipeline import Feed
from tlkit.errors import DataError
from tlkit.evaluation.metrics import Metrics, classification_metrics, segmentation_metrics
from tlkit.models.fold import fold_batch_norm
from tlkit.models.inference import images_at_once
from tlkit.models.losses import Targets
from tlkit.runs.card import Card

if TYPE_CHECKING:
    from tlkit.data.run_data import Data

Progress = Callable[[int, int], None]
"""Told how many images of how many are done."""


@dataclass(frozen=True)
class Outcome:
    """What a model makes of some samples.

    Args:
        rows: int (N,) the samples' numbers in the data.
        losses: float32 (N,) cross-entropy of each sample; of a mask the mean over its counted pixels.
        metrics: of all of them, with ``loss`` in front.
        confusion: int64 (classes, classes), rows are the truth; None for multi-label classification.
        probabilities: float32 (N, classes); None for segmentation.
        labels: int (N,) or multi-hot (N, classes) in the card's class numbers; None for segmentation.
        ious: float64 (N,) each image's mean IoU over the classes that occur in it, NaN for an image of ignored
            pixels only; None for classification.
    """

    rows: np.ndarray
    losses: np.ndarray
    metrics: Metrics
    confusion: np.ndarray | None = None
    probabilities: np.ndarray | None = None
    labels: np.ndarray | None = None
    ious: np.ndarray | None = None


class Inference:
    """A model's function from images to probabilities or class numbers, compiled once for one batch size.

    Args:
        model: a Keras model from float32 (N, H, W, 3) in 0-255 to logits.
        card: of the model.
        batch_size: images at a time; smaller batches are filled up with black.
    """

    def __init__(self, model: Any, card: Card, batch_size: int) -> None:
        self.card = card
        self.batch_size = batch_size
        self._model = fold_batch_norm(model)
        self._probabilities = tf.function(self._forward, reduce_retracing=True, autograph=False)

    def _forward(self, images: Any) -> Any:
        logits = self._model(tf.cast(images, tf.float32), training=False)
        return to_probabilities(logits, self.card.label_kind)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Probabilities of at most ``batch_size`` images.

        Args:
            images: (n, H, W, 3), uint8 or float in 0-255.

        Returns:
            float32 (n, classes), or (n, H, W, classes) for segmentation.
        """
        padded = fill_up(images, self.batch_size)
        return np.asarray(self._probabilities(tf.constant(padded)))[: len(images)]


def to_probabilities(logits: Any, label_kind: LabelKind) -> Any:
    """Probabilities of all classes in float32; a single binary logit becomes two columns."""
    logits = tf.cast(logits, tf.float32)
    if label_kind == "single":
        return tf.nn.softmax(logits)
    positive = tf.nn.sigmoid(logits)
    return tf.concat([1 - positive, positive], -1) if label_kind == "binary" else positive


def fill_up(array: np.ndarray, size: int, value: int = 0) -> np.ndarray:
    """The array with rows of ``value`` appended, so that it has ``size`` rows."""
    missing = size - len(array)
    if missing <= 0:
        return array
    return np.concatenate([array, np.full((missing, *array.shape[1:]), value, array.dtype)])


def class_map(data_classes: tuple[str, ...], card: Card) -> np.ndarray:
    """The card's number of each class of a data set, matched by name.

    Returns:
        int64 (data classes,).

    Raises:
        DataError: the model knows a class not.
    """
    unknown = [name for name in data_classes if name not in card.classes]
    if unknown:
        raise DataError(
            f"the model has no class {', '.join(unknown)}; it was trained on {', '.join(card.classes)}. "
            "Rename the classes of the data, or leave their images out"
        )
    return np.array([card.classes.index(name) for name in data_classes], np.int64)


def evaluate(
    model: Any,
    card: Card,
    data: Data,
    rows: np.ndarray,
    *,
    batch_size: int,
    progress: Progress | None = None,
) -> Outcome:
    """Run a model over samples and measure it.

    Args:
        model: the Keras model.
        card: of the model; the classes of the data are matched with its classes by name.
        data: the opened data.
        rows: int (N,) the samples' numbers, N at least 1.
        batch_size: images at a time, at the most.
        progress: told after each batch.

    Raises:
        DataError: the data has a class that the model knows not, or has several labels an image and the model one.
    """
    mapping = class_map(tuple(data.classes), card)
    run = _segmentation if card.task == "segmentation" else _classification
    size = min(batch_size, images_at_once(model))
    return run(fold_batch_norm(model), card, data, rows, mapping, size, progress or (lambda _done, _total: None))


def _stream(
    data: Data, rows: np.ndarray, batch_size: int, progress: Progress
) -> Any:  # an iterator of (slice, batch as arrays)
    done = 0
    for batch in Feed(data, batch_size).epoch(rows):
        arrays: Mapping[str, np.ndarray] = {name: np.asarray(value) for name, value in batch.items()}
        count = len(arrays["images"])
        yield slice(done, done + count), arrays
        done += count
        progress(done, len(rows))


def card_labels(data: Data, rows: np.ndarray, card: Card) -> np.ndarray:
    """The labels of samples in the card's class numbers: int64 (N,), or float32 multi-hot (N, classes).

    Raises:
        DataError: the samples have several labels and the model gives one.
    """
    labels = np.asarray(data.labels)[rows]
    mapping = class_map(tuple(data.classes), card)
    if card.label_kind != "multi":
        if labels.ndim == 2:
            raise DataError("the data has several labels an image; the model was trained to give one")
        return np.asarray(mapping[labels])
    multi_hot = np.zeros((len(rows), len(card.classes)), np.float32)
    if labels.ndim == 1:
        multi_hot[np.arange(len(rows)), mapping[labels]] = 1
    else:
        multi_hot[:, mapping] = labels
    return multi_hot


def _classification(
    model: Any, card: Card, data: Data, rows: np.ndarray, _mapping: np.ndarray, batch_size: int, progress: Progress
) -> Outcome:
    targets = Targets("classification", card.label_kind, len(card.classes))
    labels = card_labels(data, rows, card)

    def step(images: Any, truth: Any) -> Any:
        logits = tf.cast(model(images, training=False), tf.float32)
        dense, _ = targets.dense({"labels": truth})
        if card.label_kind == "single":
            losses = tf.nn.softmax_cross_entropy_with_logits(dense, logits)
        else:
            losses = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(dense, logits), -1)
        return to_probabilities(logits, card.label_kind), losses

    compiled = tf.function(step, reduce_retracing=True, autograph=False)
    probabilities = np.zeros((len(rows), len(card.classes)), np.float32)
    losses = np.zeros(len(rows), np.float32)
    for part, batch in _stream(data, rows, batch_size, progress):
        images = fill_up(batch["images"].astype(np.float32), batch_size)
        truth = fill_up(labels[part], batch_size)
        found, loss = compiled(tf.constant(images), tf.constant(truth))
        count = part.stop - part.start
        probabilities[part], losses[part] = np.asarray(found)[:count], np.asarray(loss)[:count]
    metrics = classification_metrics(probabilities, labels, card.classes, card.label_kind)
    confusion = None
    if card.label_kind != "multi":
        confusion = np.zeros((len(card.classes),) * 2, np.int64)
        np.add.at(confusion, (labels, probabilities.argmax(1)), 1)
    return Outcome(rows, losses, {"loss": float(losses.mean())} | metrics, confusion, probabilities, labels)


def _segmentation(
    model: Any, card: Card, data: Data, rows: np.ndarray, mapping: np.ndarray, batch_size: int, progress: Progress
) -> Outcome:
    classes = len(card.classes)
    lookup = np.full(256, IGNORE, np.int64)
    lookup[: len(mapping)] = mapping

    def step(images: Any, truth: Any) -> Any:
        logits = tf.cast(model(images, training=False), tf.float32)
        valid = truth != IGNORE
        safe = tf.where(valid, truth, 0)
        weight = tf.cast(valid, tf.float32)
        pixel_losses = tf.nn.sparse_softmax_cross_entropy_with_logits(safe, logits) * weight
        losses = tf.math.divide_no_nan(tf.reduce_sum(pixel_losses, [1, 2]), tf.reduce_sum(weight, [1, 2]))
        cells = safe * classes + tf.argmax(logits, -1)
        flat = tf.reshape(cells, [batch_size, -1])
        flat += tf.range(batch_size, dtype=tf.int64)[:, None] * classes**2
        counted = tf.boolean_mask(flat, tf.reshape(valid, [batch_size, -1]))
        size = batch_size * classes**2
        counts = tf.math.bincount(tf.cast(counted, tf.int32), minlength=size, maxlength=size, dtype=tf.int64)
        return tf.reshape(counts, [batch_size, classes, classes]), losses

    compiled = tf.function(step, reduce_retracing=True, autograph=False)
    confusion = np.zeros((classes, classes), np.int64)
    losses = np.zeros(len(rows), np.float32)
    ious = np.full(len(rows), np.nan)
    counted_pixels = np.zeros(len(rows), np.int64)
    for part, batch in _stream(data, rows, batch_size, progress):
        images = fill_up(batch["images"].astype(np.float32), batch_size)
        truth = fill_up(lookup[batch["segmentation_masks"][..., 0]], batch_size, IGNORE)
        counts, loss = (np.asarray(value) for value in compiled(tf.constant(images), tf.constant(truth)))
        count = part.stop - part.start
        losses[part] = loss[:count]
        confusion += counts[:count].sum(0)
        for offset in range(count):
            ious[part.start + offset] = image_iou(counts[offset])
            counted_pixels[part.start + offset] = counts[offset].sum()
    total = counted_pixels.sum()
    mean = float((losses * counted_pixels).sum() / total) if total else 0.0
    metrics = {"loss": mean} | segmentation_metrics(confusion, card.classes)
    return Outcome(rows, losses, metrics, confusion, ious=ious)


def image_iou(confusion: np.ndarray) -> float:
    """The mean IoU of one image over the classes that occur in it; NaN when no pixel counts."""
    value = segmentation_metrics(confusion, [str(number) for number in range(len(confusion))])["mean_iou"]
    return float("nan") if value is None else float(value)
