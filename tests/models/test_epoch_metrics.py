"""The metrics of each epoch: right by scikit-learn and NumPy on random data, or refused."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics as sk

from tlkit import IGNORE, RecipeError
from tlkit.models.losses import BatchLoss
from tlkit.models.metrics import MetricSet, check_metrics, fitting_metrics
from tlkit.models.tasks import learning_task
from tlkit.recipe.schema import Loss

KINDS = {
    "binary": ("classification", "binary", 2),
    "single": ("classification", "single", 7),
    "multi": ("classification", "multi", 4),
    "masks": ("segmentation", "single", 3),
    "two masks": ("segmentation", "single", 2),
}
ONLY_MANY = ["concordance_correlation", "pearson_correlation"]
TOP_K = ["sparse_top_k_categorical_accuracy", "top_k_categorical_accuracy"]
CATEGORICAL = [
    "categorical_accuracy",
    "categorical_crossentropy",
    "kl_divergence",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
]
DECISIONS = ["binary_accuracy", "binary_crossentropy", "binary_io_u"]
NEVER = ["categorical_hinge", "hinge", "mean_absolute_percentage_error", "squared_hinge"]
REFUSED = {
    "binary": ONLY_MANY + TOP_K + NEVER,
    "single": DECISIONS + NEVER,
    "multi": ONLY_MANY + TOP_K + CATEGORICAL + NEVER,
    "masks": ONLY_MANY + TOP_K + DECISIONS + NEVER,
    "two masks": ONLY_MANY + TOP_K + NEVER,
}


def random_batches(kind, rng):
    """Yield two batches with their logits."""
    task = learning_task(*KINDS[kind])
    for count in (40, 25):
        if task.task == "segmentation":
            truth = rng.integers(0, task.classes, (2, 6, 5, 1))
            logits = rng.normal(0, 1.5, (2, 6, 5, task.classes)) + np.eye(task.classes)[truth[..., 0]]
            truth[:, 0] = IGNORE
            batch = {"segmentation_masks": tf.constant(truth, tf.int32)}
        elif kind == "multi":
            truth = (rng.random((count, 4)) < 0.4).astype(np.float32)
            logits, batch = rng.normal(0, 1.5, (count, 4)) + truth - 0.5, {"labels": tf.constant(truth)}
        else:
            truth = rng.integers(0, task.classes, count)
            logits = rng.normal(0, 1.5, (count, task.units)) + np.eye(task.classes)[truth][:, -task.units :]
            batch = {"labels": tf.constant(truth, tf.int32)}
        yield batch, tf.constant(logits, tf.float32)


def measured(kind, name):
    """Return a metric over two batches; and of these the class numbers, the dense target and the probabilities."""
    task = learning_task(*KINDS[kind])
    metrics = MetricSet(task, [name])
    truths, shares = [], []
    for batch, logits in random_batches(kind, np.random.default_rng(3)):
        metrics.update(batch, logits, tf.constant(0.0), tf.constant(1.0))
        dense, valid = (np.asarray(each) for each in task.dense(batch))
        if task.units == 1:
            dense = np.concatenate([1 - dense, dense], -1)
        truths.append(dense[valid > 0])
        shares.append(np.asarray(task.probabilities(logits))[valid > 0])
    truth, share = np.concatenate(truths).astype(np.float64), np.concatenate(shares).astype(np.float64)
    return list(metrics.result().values())[-1], truth.argmax(-1), truth, share


def correlation(truth, share, concordance):
    values = []
    for y, p in zip(truth, share, strict=True):
        covariance = np.mean((y - y.mean()) * (p - p.mean()))
        if concordance:
            values.append(2 * covariance / (y.var() + p.var() + (y.mean() - p.mean()) ** 2))
        else:
            values.append(covariance / (y.std() * p.std()))
    return np.mean(values)


def expected(kind, name, numbers, truth, share):
    """Compute a metric with scikit-learn, or with NumPy where it has none."""
    several = kind == "multi"
    decided = (share > 0.5).astype(int)
    labels = truth.astype(int)
    if KINDS[kind][2] == 2:  # the second class is the positive one
        labels, decided, positive = labels[:, 1:], decided[:, 1:], share[:, 1:]
    else:
        positive = share
    tn, fp, fn, tp = sk.confusion_matrix(labels.ravel(), decided.ravel()).ravel()
    one_column = (truth[:, 1:], share[:, 1:]) if kind == "binary" else (truth, share)
    best = decided if several else share.argmax(-1)
    wanted = {
        "categorical_accuracy": lambda: sk.accuracy_score(numbers, best),
        "sparse_categorical_accuracy": lambda: sk.accuracy_score(numbers, best),
        "top_k_categorical_accuracy": lambda: sk.top_k_accuracy_score(numbers, share, k=5),
        "sparse_top_k_categorical_accuracy": lambda: sk.top_k_accuracy_score(numbers, share, k=5),
        "f1_score": lambda: sk.f1_score(labels if several else numbers, best, average="macro"),
        "f_beta_score": lambda: sk.fbeta_score(labels if several else numbers, best, beta=1, average="macro"),
        "categorical_crossentropy": lambda: -np.mean(np.log((truth * share).sum(-1))),
        "sparse_categorical_crossentropy": lambda: -np.mean(np.log((truth * share).sum(-1))),
        "kl_divergence": lambda: -np.mean(np.log((truth * share).sum(-1))),
        "binary_crossentropy": lambda: sk.log_loss(labels.ravel(), positive.ravel()),
        "binary_accuracy": lambda: sk.accuracy_score(labels.ravel(), decided.ravel()),
        "binary_io_u": lambda: sk.jaccard_score(labels.ravel(), decided.ravel(), average="macro"),
        "auc": lambda: sk.roc_auc_score(labels.ravel(), positive.ravel()),
        "precision": lambda: sk.precision_score(labels.ravel(), decided.ravel()),
        "recall": lambda: sk.recall_score(labels.ravel(), decided.ravel()),
        "true_positives": lambda: tp,
        "true_negatives": lambda: tn,
        "false_positives": lambda: fp,
        "false_negatives": lambda: fn,
        "cosine_similarity": lambda: np.mean(
            (truth * share).sum(-1) / np.maximum(np.linalg.norm(truth, axis=-1) * np.linalg.norm(share, axis=-1), 1e-12)
        ),
        "pearson_correlation": lambda: correlation(truth, share, concordance=False),
        "concordance_correlation": lambda: correlation(truth, share, concordance=True),
        "mean_squared_error": lambda: sk.mean_squared_error(*one_column),
        "root_mean_squared_error": lambda: sk.root_mean_squared_error(*(each.ravel() for each in one_column)),
        "mean_absolute_error": lambda: sk.mean_absolute_error(*one_column),
        "mean_squared_logarithmic_error": lambda: sk.mean_squared_log_error(*one_column),
        "log_cosh_error": lambda: np.mean(np.log(np.cosh(one_column[1] - one_column[0]))),
        "r2_score": lambda: sk.r2_score(*one_column),
        "poisson": lambda: np.mean(one_column[1] - one_column[0] * np.log(one_column[1])),
    }
    return wanted[name]()


CASES = [(kind, name) for kind in KINDS for name in fitting_metrics(learning_task(*KINDS[kind]))]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_metric_that_is_not_refused_is_right(kind, name):
    value, numbers, truth, share = measured(kind, name)
    # Keras computes the area under the curve from 200 thresholds.
    tolerance = 5e-3 if name == "auc" else 1e-4
    assert value == pytest.approx(expected(kind, name, numbers, truth, share), rel=tolerance, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_metric_that_does_not_fit_is_refused_with_those_that_do(kind):
    task = learning_task(*KINDS[kind])
    fitting = fitting_metrics(task)
    assert not set(fitting) & set(REFUSED[kind])
    for name in REFUSED[kind]:
        with pytest.raises(RecipeError) as error:
            check_metrics(task, ["mean_squared_error", name])
        (problem,) = error.value.problems
        assert problem.path == "train.metrics.1"
        assert problem.message.startswith(f"{name} does not fit: ")
        assert problem.message.endswith(f"; expected one of {', '.join(fitting)}")


def test_every_metric_of_keras_is_right_refused_or_needs_arguments():
    needs = {
        "precision_at_recall",
        "recall_at_precision",
        "sensitivity_at_specificity",
        "specificity_at_sensitivity",
        "io_u",
        "one_hot_io_u",
        "one_hot_mean_io_u",
    }
    for kind in KINDS:
        for name in needs:
            with pytest.raises(RecipeError, match="needs arguments"):
                MetricSet(learning_task(*KINDS[kind]), [name])
    assert not needs & {name for _, name in CASES}


@pytest.mark.parametrize("kind", KINDS)
def test_a_metric_that_the_task_has_anyway_is_not_added_twice(kind):
    task = learning_task(*KINDS[kind])
    own = list(task.metrics())
    assert MetricSet(task, [*own, "accuracy", "r2_score", "r2_score"]).names == ["loss", *own, "r2_score"]


@pytest.mark.parametrize("name", ["f1_score", "r2_score", "auc"])
def test_a_metric_has_its_variables_before_the_first_batch(name):
    """A checkpoint is restored before it."""
    task = learning_task(*KINDS["binary"])
    metrics = MetricSet(task, [name])
    before = len(metrics.variables)
    for batch, logits in random_batches("binary", np.random.default_rng(0)):
        metrics.update(batch, logits, tf.constant(0.0), tf.constant(1.0))
    assert len(metrics.variables) == before
    assert before > len(MetricSet(task).variables)


@pytest.mark.parametrize("kind", ["single", "masks", "two masks"])
def test_generalized_cross_entropy_takes_class_numbers(kind):
    task = learning_task(*KINDS[kind])
    batch, logits = next(iter(random_batches(kind, np.random.default_rng(0))))
    loss = BatchLoss(task, Loss(name="categorical_generalized_cross_entropy"))
    dense, valid = (np.asarray(each) for each in task.dense(batch))
    true_share = (np.asarray(task.probabilities(logits)) * dense).sum(-1)[valid > 0]
    assert float(loss(batch, logits)[0]) == pytest.approx(np.mean((1 - true_share**0.5) / 0.5), rel=1e-5)
    assert not loss.takes_shares
