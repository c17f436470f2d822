"""Evaluation and prediction of segmentations. Memory use does not grow with the number of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tlkit.contracts import IGNORE
from tlkit.data.images.decode import restore_mask
from tlkit.evaluation.class_names import class_map
from tlkit.evaluation.measurement import Measurement
from tlkit.evaluation.metrics import segmentation_metrics
from tlkit.evaluation.outcome import SegmentationOutcome
from tlkit.evaluation.prediction import Prediction
from tlkit.runs.card import Card


def measure_segmentation(measurement: Measurement) -> SegmentationOutcome:
    """Measure a model that predicts a class for each pixel.

    Raises:
        DataError: the data has an unknown class.
    """
    classes, count = measurement.card.classes, len(measurement.rows)
    lookup = mask_lookup(tuple(measurement.data.classes), measurement.card).astype(np.int64)
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    losses = np.zeros(count, np.float32)
    ious = np.full(count, np.nan)
    counted_pixels = np.zeros(count, np.int64)
    recipe_loss = measurement.recipe_loss
    results = measurement.run(
        _counting_step(measurement.model, measurement.batch_size, len(classes), with_logits=recipe_loss is not None),
        lambda _part, batch: lookup[batch[measurement.task.target_key][..., 0]],
        IGNORE,
    )
    for part, (counts, loss, *masks_and_logits) in results:
        losses[part] = loss
        if recipe_loss is not None:
            masks, logits = masks_and_logits
            recipe_loss.add(masks[..., None].astype(np.int32), logits)
        confusion += counts.sum(0)
        ious[part] = [_image_iou(each) for each in counts]
        counted_pixels[part] = counts.sum((1, 2))
    total = counted_pixels.sum()
    mean = float((losses * counted_pixels).sum() / total) if total else 0.0
    metrics = measurement.losses(mean) | segmentation_metrics(confusion, classes)
    return SegmentationOutcome(measurement.rows, losses, metrics, confusion, ious)


def _counting_step(model: Any, batch_size: int, classes: int, *, with_logits: bool) -> Any:
    """Return a step from images and masks to each image's confusion matrix and loss, or also its mask and logits."""

    def step(images: Any, truth: Any) -> tuple[Any, ...]:
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
        counted_and_losses = tf.reshape(counts, [batch_size, classes, classes]), losses
        return (*counted_and_losses, truth, logits) if with_logits else counted_and_losses

    return step


def mask_lookup(data_classes: tuple[str, ...], card: Card) -> np.ndarray:
    """Return the table from a data set's class numbers in masks to the model's, uint8 (256,); others are ignored.

    Raises:
        DataError: the data has a class that the model was not trained on.
    """
    mapping = class_map(data_classes, card)
    lookup = np.full(256, IGNORE, np.uint8)
    lookup[: len(mapping)] = mapping
    return lookup


def _image_iou(confusion: np.ndarray) -> float:
    """Return the mean IoU of one image over the classes that occur in it; NaN if no pixel counts."""
    value = segmentation_metrics(confusion, [str(number) for number in range(len(confusion))])["mean_iou"]
    return float("nan") if value is None else float(value)


def predicted_mask(path: Path | None, probabilities: np.ndarray, size: tuple[int, int], card: Card) -> Prediction:
    """Return the prediction of one image from its probabilities, float32 (h, w, classes)."""
    mask = full_size_mask(probabilities, size, card)
    counts = np.bincount(mask.reshape(-1), minlength=len(card.classes))
    shares = {name: float(count / mask.size) for name, count in zip(card.classes, counts, strict=True)}
    return Prediction(path, mask=mask, shares=shares)


def full_size_mask(probabilities: np.ndarray, size: tuple[int, int], card: Card) -> np.ndarray:
    """Return the most probable class of each pixel of the original image, from bilinearly interpolated probabilities.

    The classes are resized one by one, so that a large photograph with many classes fits in memory.

    Args:
        probabilities: float32 (h, w, classes) at the model's size.
        size: (height, width) of the original.
        card: the model's card.

    Returns:
        uint8 (height, width).
    """
    best = np.full(size, -1.0, np.float32)
    mask = np.zeros(size, np.uint8)
    for number in range(probabilities.shape[-1]):
        share = restore_mask(probabilities[..., number : number + 1], size, card.resize)[..., 0]
        greater = share > best
        mask[greater] = number
        best[greater] = share[greater]
    return mask
