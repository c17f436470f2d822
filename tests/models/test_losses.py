"""Losses, class weights and the metrics followed during training."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tlkit import IGNORE, RecipeError
from tlkit.models.iou import MeanIoU
from tlkit.models.losses import BatchLoss, class_weights
from tlkit.models.metrics import MetricSet
from tlkit.models.scores import iou_from_confusion
from tlkit.models.tasks import learning_task
from tlkit.recipe.schema import Loss

SINGLE = learning_task("classification", "single", 3)
LOGITS = np.array([[2.0, 0.0, -1.0], [0.5, 0.5, 3.0]], np.float32)


def cross_entropy(logits, labels):
    shifted = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return -np.take_along_axis(shifted, labels[..., None], -1)[..., 0]


def test_the_default_loss_is_the_mean_cross_entropy():
    labels = np.array([0, 1])
    loss, count = BatchLoss(SINGLE)({"labels": tf.constant(labels, tf.int32)}, tf.constant(LOGITS))
    assert float(loss) == pytest.approx(cross_entropy(LOGITS, labels).mean(), rel=1e-5)
    assert float(count) == 2


def test_class_weights_multiply_the_loss_of_each_image():
    labels = np.array([0, 1])
    weights = np.array([2.0, 0.5, 1.0], np.float32)
    loss, _ = BatchLoss(SINGLE, None, weights)({"labels": tf.constant(labels, tf.int32)}, tf.constant(LOGITS))
    assert float(loss) == pytest.approx((cross_entropy(LOGITS, labels) * weights[labels]).mean(), rel=1e-5)


def test_two_classes_are_one_logit_with_a_sigmoid():
    targets = learning_task("classification", "binary", 2)
    logits = np.array([[1.5], [-0.5]], np.float32)
    loss, _ = BatchLoss(targets)({"labels": tf.constant([1, 0], tf.int32)}, tf.constant(logits))
    assert float(loss) == pytest.approx(np.mean([np.log1p(np.exp(-1.5)), np.log1p(np.exp(-0.5))]), rel=1e-5)


@pytest.mark.parametrize("kind", ["binary", "multi"])
@pytest.mark.parametrize(
    "name", ["categorical_crossentropy", "sparse_categorical_crossentropy", "kl_divergence", "cosine_similarity"]
)
def test_a_loss_of_exclusive_classes_is_refused_for_independent_logits(kind, name):
    with pytest.raises(RecipeError, match=f'{name} does not fit.*expected "binary_crossentropy"'):
        BatchLoss(learning_task("classification", kind, 2), Loss(name=name))


@pytest.mark.parametrize("name", ["ctc", "circle"])
def test_a_loss_of_other_targets_than_classes_is_refused(name):
    with pytest.raises(RecipeError, match="is not a loss of classes"):
        BatchLoss(SINGLE, Loss(name=name))


@pytest.mark.parametrize("name", ["mean", "sum", "metric"])
def test_a_metric_that_compares_nothing_is_refused(name):
    with pytest.raises(RecipeError, match=f'Keras has no metric "{name}"'):
        MetricSet(SINGLE, [name])


def test_ignored_pixels_count_neither_in_the_loss_nor_in_the_mean():
    targets = learning_task("segmentation", "single", 3)
    masks = np.array([[[0, 1], [IGNORE, IGNORE]]])
    logits = np.zeros((1, 2, 2, 3), np.float32)
    logits[0, 0, 0, 0] = 2.0
    logits[0, 1] = 50.0
    batch = {"segmentation_masks": tf.constant(masks[..., None], tf.int32)}
    loss, count = BatchLoss(targets)(batch, tf.constant(logits))
    expected = cross_entropy(logits[0, 0], np.array([0, 1])).mean()
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert float(count) == 2


def test_a_region_loss_does_not_depend_on_ignored_pixels():
    targets = learning_task("segmentation", "single", 2)
    masks = np.array([[[0, 1], [IGNORE, IGNORE]]])
    batch = {"segmentation_masks": tf.constant(masks[..., None], tf.int32)}
    logits = np.zeros((1, 2, 2, 2), np.float32)
    other = logits.copy()
    other[0, 1, :, 1] = 30.0
    loss = BatchLoss(targets, Loss(name="dice"))
    assert float(loss(batch, tf.constant(logits))[0]) == pytest.approx(float(loss(batch, tf.constant(other))[0]))


def test_a_sparse_loss_of_the_recipe_agrees_with_the_dense_one():
    batch = {"labels": tf.constant([2, 0], tf.int32)}
    sparse = BatchLoss(SINGLE, Loss(name="sparse_categorical_crossentropy"))(batch, tf.constant(LOGITS))[0]
    dense = BatchLoss(SINGLE)(batch, tf.constant(LOGITS))[0]
    assert float(sparse) == pytest.approx(float(dense))


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (Loss(name="categorical_crossentropi"), 'did you mean "categorical_crossentropy"'),
        (Loss(name="categorical_crossentropy", smoothing=0.1), "takes no argument smoothing"),
    ],
)
def test_an_unknown_loss_or_argument_says_what_keras_has(loss, message):
    with pytest.raises(RecipeError, match=message):
        BatchLoss(SINGLE, loss)


def test_balanced_weights_equal_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.array([0] * 6 + [1] * 2 + [2] * 4)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(class_weights("balanced", ("a", "b", "c"), np.bincount(labels)), expected)


def test_a_weight_for_an_unknown_class_names_the_nearest():
    with pytest.raises(RecipeError, match='did you mean "cat"'):
        class_weights({"cta": 2.0}, ("cat", "dog"), np.ones(2))


def test_mean_iou_excludes_ignored_pixels_and_absent_classes():
    metric = MeanIoU(3)
    truth = np.eye(3, dtype=np.float32)[[0, 0, 1, 1]]
    prediction = np.eye(3, dtype=np.float32)[[0, 1, 1, 0]]
    metric.update_state(truth, prediction, np.array([1, 1, 1, 0], np.float32))
    assert float(metric.result()) == pytest.approx((1 / 2 + 1 / 2) / 2)


def test_iou_of_an_absent_class_is_nan():
    iou = iou_from_confusion(np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]]))
    np.testing.assert_allclose(iou, [3 / 4, 2 / 3, np.nan])


def test_a_metric_set_accumulates_loss_and_accuracy_over_uneven_batches():
    metrics = MetricSet(SINGLE, ("sparse_categorical_accuracy",))
    for labels, logits in (([0, 1], LOGITS), ([2], LOGITS[1:])):
        batch = {"labels": tf.constant(labels, tf.int32)}
        loss, count = BatchLoss(SINGLE)(batch, tf.constant(logits))
        metrics.update(batch, tf.constant(logits), loss, count)
    result = metrics.result()
    everything = cross_entropy(np.concatenate([LOGITS, LOGITS[1:]]), np.array([0, 1, 2])).mean()
    assert result["loss"] == pytest.approx(everything, rel=1e-5)
    assert result["accuracy"] == pytest.approx(2 / 3)
    assert result["sparse_categorical_accuracy"] == pytest.approx(2 / 3)
