"""Probabilities and cross-entropies by NumPy are those of TensorFlow, which trains."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tlkit.models.scores import sigmoid_cross_entropy, softmax_cross_entropy
from tlkit.models.tasks import learning_task

LOGITS = np.concatenate(
    [np.random.default_rng(0).normal(0, 5, (50, 4)), [[0, 0, 0, 0], [200, -200, 90, 0], [-1e4, 1e4, 0, 1]]]
).astype(np.float32)
LABELS = np.random.default_rng(1).integers(0, 4, len(LOGITS))


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_probabilities(kind):
    task = learning_task("classification", kind, 4)
    np.testing.assert_allclose(task.probabilities(LOGITS), task.activate(LOGITS), rtol=1e-6, atol=1e-30)


def test_the_probabilities_of_a_single_logit():
    task = learning_task("classification", "binary", 2)
    positive = np.asarray(task.activate(LOGITS[:, :1]))
    expected = np.concatenate([1 - positive, positive], 1)
    np.testing.assert_allclose(task.probabilities(LOGITS[:, :1]), expected, atol=1e-6)


def test_the_cross_entropy_of_one_label():
    expected = tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, LOGITS)
    np.testing.assert_allclose(softmax_cross_entropy(LABELS, LOGITS), expected, rtol=1e-6, atol=1e-6)
    task = learning_task("classification", "single", 4)
    np.testing.assert_allclose(task.cross_entropy(LABELS, LOGITS), expected, rtol=1e-6, atol=1e-6)


def test_the_cross_entropy_of_several_labels_and_of_a_single_logit():
    targets = (LOGITS > 1).astype(np.float32)
    expected = tf.nn.sigmoid_cross_entropy_with_logits(targets, LOGITS)
    np.testing.assert_allclose(sigmoid_cross_entropy(targets, LOGITS), expected, rtol=1e-6, atol=1e-6)
    several = learning_task("classification", "multi", 4).cross_entropy(targets, LOGITS)
    np.testing.assert_allclose(several, np.asarray(expected).mean(1), rtol=1e-6)
    single = learning_task("classification", "binary", 2).cross_entropy(targets[:, 0].astype(int), LOGITS[:, :1])
    np.testing.assert_allclose(single, np.asarray(expected)[:, 0], rtol=1e-6, atol=1e-6)
