"""Evaluation and prediction of segmentations. Of an image, only its counts of pixels are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tlkit.contracts import IGNORE
from tlkit.data.images.decode import restore_mask
from tlkit.data.store.rows import evenly_spaced
from tlkit.evaluation.class_names import class_map
from tlkit.evaluation.measurement import Measurement
from tlkit.evaluation.metrics import segmentation_metrics
from tlkit.evaluation.outcome import SegmentationOutcome
from tlkit.evaluation.prediction import Prediction
from tlkit.models.scores import softmax_cross_entropy
from tlkit.runs.card import Card

_KEPT_PIXELS = 2**23
"""The most predicted pixels that an evaluation keeps: 8 MB."""


def measure_segmentation(measurement: Measurement) -> SegmentationOutcome:
    """Measure a model that predicts a class for each pixel.

    Raises:
        DataError: the data has an unknown class.
    """
    card, count = measurement.card, len(measurement.rows)
    classes = card.classes
    masks = measurement.data.store.masks
    assert masks is not None
    lookup = mask_lookup(tuple(measurement.data.classes), card)
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    losses = np.zeros(count)
    ious = np.full(count, np.nan)
    pixels = np.zeros((count, 3, len(classes)), np.uint32)
    kept = set(evenly_spaced(count, _KEPT_PIXELS // (card.image_size[0] * card.image_size[1])).tolist())
    predictions: dict[int, np.ndarray] = {}
    batches = measurement.batches(lambda part: lookup[masks[measurement.rows[part]]][..., None].astype(np.int32))
    for part, truth, logits in batches:
        for position, mask, of_image in zip(range(part.start, part.stop), truth[..., 0], logits, strict=True):
            predicted = of_image.argmax(-1).astype(np.uint8)
            if position in kept:
                predictions[position] = predicted
            counts, losses[position] = _counts_and_loss(mask, predicted, of_image)
            confusion += counts
            ious[position] = _image_iou(counts)
            pixels[position] = np.diag(counts), counts.sum(1), counts.sum(0)
    counted_pixels = pixels[:, 1].sum(1, dtype=np.int64)
    total = counted_pixels.sum()
    mean = float((losses * counted_pixels).sum() / total) if total else 0.0
    metrics = measurement.losses(mean) | segmentation_metrics(confusion, classes)
    return SegmentationOutcome(
        measurement.rows, losses.astype(np.float32), metrics, confusion, ious, pixels, predictions
    )


def _counts_and_loss(mask: np.ndarray, predicted: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the confusion matrix of an image and the mean cross-entropy of its pixels that are not ignored."""
    classes = logits.shape[-1]
    counted = mask != IGNORE
    truth, logits = mask[counted], logits[counted]
    counts = np.bincount(truth * classes + predicted[counted], minlength=classes**2).reshape(classes, classes)
    return counts, float(softmax_cross_entropy(truth, logits).mean()) if len(truth) else 0.0


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
    return Prediction(path, mask=mask, shares=class_shares(counts, card), size=(mask.shape[0], mask.shape[1]))


def class_shares(counts: np.ndarray, card: Card) -> dict[str, float]:
    """Return the share of each class by the number of its pixels, int (classes,)."""
    return {name: float(count / counts.sum()) for name, count in zip(card.classes, counts, strict=True)}


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
