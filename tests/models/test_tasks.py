"""What each learning task makes of labels, logits and probabilities."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tlkit import IGNORE
from tlkit.models.tasks import learning_task

KINDS = [("classification", "single"), ("classification", "binary"), ("classification", "multi")]


def logits(task) -> np.ndarray:
    shape = (2, task.units) if task.output_rank == 2 else (2, 4, 5, task.units)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(("kind", "classes", "units"), [("single", 3, 3), ("binary", 2, 1), ("multi", 3, 3)])
def test_only_two_classes_share_a_logit(kind, classes, units):
    assert learning_task("classification", kind, classes).units == units


@pytest.mark.parametrize(("name", "kind"), [*KINDS, ("segmentation", "single")])
def test_every_class_has_a_probability(name, kind):
    task = learning_task(name, kind, 2)
    shares = np.asarray(task.probabilities(logits(task)))
    assert shares.shape[-1] == 2
    assert shares.dtype == np.float32
    if kind != "multi":
        np.testing.assert_allclose(shares.sum(-1), 1, rtol=1e-6)


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_a_dense_target_is_shaped_like_the_logits(name, kind):
    task = learning_task(name, kind, 2)
    labels = tf.constant([[1.0, 0.0], [0.25, 0.75]] if kind == "multi" else [0, 1])
    dense, weights = task.dense({"labels": labels})
    assert dense.shape == logits(task).shape
    np.testing.assert_array_equal(weights, [1, 1])


def test_a_mixed_binary_label_is_the_share_of_the_second_class():
    dense, _ = learning_task("classification", "binary", 2).dense({"labels": tf.constant([[0.75, 0.25]])})
    assert dense.numpy().tolist() == [[0.25]]


def test_a_mixed_mask_counts_as_much_as_its_classes_add_up_to():
    task = learning_task("segmentation", "single", 2)
    dense, weights = task.dense({"segmentation_masks": tf.constant([[[[0.25, 0.25], [0.0, 0.0]]]])})
    assert dense.numpy().tolist() == [[[[0.5, 0.5], [0.0, 0.0]]]]
    assert weights.numpy().tolist() == [[[0.5, 0.0]]]


def test_an_ignored_pixel_has_no_class_and_no_weight():
    task = learning_task("segmentation", "single", 2)
    dense, weights = task.dense({"segmentation_masks": tf.constant([[[[1], [IGNORE]]]])})
    assert dense.numpy().tolist() == [[[[0.0, 1.0], [0.0, 0.0]]]]
    assert weights.numpy().tolist() == [[[1.0, 0.0]]]


def test_the_prediction_is_the_most_probable_class_or_every_class_above_one_half():
    shares = np.array([0.4, 0.7, 0.6], np.float32)
    assert learning_task("classification", "single", 3).predict(shares) == 1
    assert learning_task("classification", "multi", 3).predict(shares).tolist() == [False, True, True]
    mask = learning_task("segmentation", "single", 3).predict(shares[None, None])
    assert mask.tolist() == [[1]]
    assert mask.dtype == np.uint8
