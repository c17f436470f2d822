"""The names of Keras's losses, metrics and optimizers, for a recipe that is checked without importing Keras.

Those of the versions that ``pyproject.toml`` allows; ``tests/recipe/test_keras_classes.py`` compares them with Keras.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from tlkit.contracts import Optimizer, Schedule
from tlkit.errors import Problem
from tlkit.recipe.schema import Selection, TrainTable
from tlkit.system.text import did_you_mean

LOSSES = [
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "circle",
    "cosine_similarity",
    "ctc",
    "dice",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "tversky",
]
METRICS = [
    "accuracy",
    "auc",
    "binary_accuracy",
    "binary_crossentropy",
    "binary_io_u",
    "categorical_accuracy",
    "categorical_crossentropy",
    "categorical_hinge",
    "concordance_correlation",
    "cosine_similarity",
    "f1_score",
    "f_beta_score",
    "false_negatives",
    "false_positives",
    "hinge",
    "io_u",
    "kl_divergence",
    "log_cosh_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_io_u",
    "mean_metric_wrapper",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "one_hot_io_u",
    "one_hot_mean_io_u",
    "pearson_correlation",
    "poisson",
    "precision",
    "precision_at_recall",
    "r2_score",
    "recall",
    "recall_at_precision",
    "root_mean_squared_error",
    "sensitivity_at_specificity",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "specificity_at_sensitivity",
    "squared_hinge",
    "top_k_categorical_accuracy",
    "true_negatives",
    "true_positives",
]
OWN_METRICS = ("mean_iou", "top5_accuracy")
"""Metrics that tlkit computes for some tasks anyway; a recipe may name them, too."""
OPTIMIZERS = [
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "ftrl",
    "lamb",
    "lion",
    "muon",
    "nadam",
    "rmsprop",
    "schedulefreeadamw",
    "sgd",
]


def unknown_classes(train: TrainTable | None, schedule: Selection[Schedule] | None) -> Iterator[Problem]:
    """Yield the losses, metrics and optimizers of a recipe that Keras does not have.

    Args:
        train: the table ``[train]``; None if it has problems.
        schedule: the schedule; None if its table has problems.
    """
    if train is not None:
        if train.loss is not None:
            yield from _unknown("train.loss", "loss", train.loss.name, LOSSES)
        for index, name in enumerate(train.metrics):
            yield from _unknown(f"train.metrics.{index}", "metric", name, [*METRICS, *OWN_METRICS])
    if schedule is not None:
        known = f"; the optimizers are {', '.join(OPTIMIZERS)}"
        for key, value in _values(schedule.options):
            if isinstance(value, Optimizer):
                yield from _unknown(f"schedule.{key}", "optimizer", value.name, OPTIMIZERS, known)


def _values(options: Any) -> Iterator[tuple[str, Any]]:
    return ((key, getattr(options, key)) for key in type(options).model_fields)


def _unknown(path: str, what: str, name: str, names: Collection[str], otherwise: str = "") -> Iterator[Problem]:
    """Yield a problem if a name, in whatever case, with or without underscores, is none of the names."""
    if _plain(name) not in {_plain(each) for each in names}:
        yield Problem(path, f'Keras has no {what} "{name}"{did_you_mean(name, names, otherwise)}')


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
