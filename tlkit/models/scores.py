"""Probabilities and cross-entropies of logits, by NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis, float32, shaped like the logits."""
    shares: np.ndarray = np.exp(logits - logits.max(-1, keepdims=True), dtype=np.float32)
    shares /= shares.sum(-1, keepdims=True)
    return shares


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return the sigmoid of each logit, float32, shaped like the logits."""
    small = np.exp(-np.abs(logits), dtype=np.float32)  # at most 1, so that nothing overflows
    return np.asarray(np.where(logits < 0, small, np.float32(1)) / (1 + small))


def mean_logits(logits: Sequence[np.ndarray], *, exclusive: bool) -> np.ndarray:
    """Return the logits whose probabilities are the mean of those of several models.

    Args:
        logits: those of each model, float32 (…, units).
        exclusive: True for a softmax over the last axis, False for a sigmoid of each logit.
    """
    values = np.stack(logits).astype(np.float64)
    if exclusive:
        return np.asarray(_log_mean(values - np.logaddexp.reduce(values, -1, keepdims=True)), np.float32)
    positive, negative = (_log_mean(-np.logaddexp(0, sign * values)) for sign in (-1, 1))
    return np.asarray(positive - negative, np.float32)


def _log_mean(logarithms: np.ndarray) -> np.ndarray:
    """Return the logarithm of the mean along the first axis of numbers that are given by their logarithms."""
    return np.asarray(np.logaddexp.reduce(logarithms, 0) - np.log(len(logarithms)))


def softmax_cross_entropy(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Return the cross-entropy of class numbers, int (N,), with the softmax of logits (N, classes): float64 (N,)."""
    logits = logits - logits.max(-1, keepdims=True)
    total = np.exp(logits).sum(-1, dtype=np.float64)
    return np.asarray(np.log(total) - logits[np.arange(len(labels)), labels])


def sigmoid_cross_entropy(targets: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Return the cross-entropy of each target, 0-1, with the sigmoid of its logit, float64, shaped like the logits."""
    logits = logits.astype(np.float64)
    return np.asarray(np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits))))


def iou_from_confusion(confusion: np.ndarray) -> np.ndarray:
    """Return the intersection over union of each class.

    Args:
        confusion: (classes, classes) counts; rows are the truth, columns the prediction.

    Returns:
        float64 (classes,); NaN for a class that occurs neither in the truth nor in the prediction.
    """
    return iou_from_counts(np.diag(confusion), confusion.sum(1), confusion.sum(0))


def iou_from_counts(hits: np.ndarray, true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the intersection over union of each class, float64 (classes,); NaN for one that does not occur.

    Args:
        hits: (classes,), how many pixels are of the class and are predicted to be.
        true: (classes,), how many are of it.
        predicted: (classes,), how many are predicted to be.
    """
    union = true + predicted - hits
    iou: np.ndarray = np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)
    return iou
