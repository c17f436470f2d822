"""Metrics during training: Keras metrics, each updated with the kind of values that it expects."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from tlkit.errors import Problem, RecipeError
from tlkit.models.graph import snake_case
from tlkit.models.iou import MeanIoU
from tlkit.models.keras_names import keras_class
from tlkit.models.tasks import LearningTask

Form = Literal["dense", "shares", "numbers", "labels"]
"""What a metric compares: targets and probabilities as the task has them; one column per class; class numbers with one
column per class; or yes and no, where two classes have one column, that of the second class."""

_SHARES = ("CategoricalAccuracy", "TopKCategoricalAccuracy", "CategoricalCrossentropy", "KLDivergence")
_NUMBERS = ("SparseCategoricalAccuracy", "SparseTopKCategoricalAccuracy", "SparseCategoricalCrossentropy")
_F_SCORES = ("F1Score", "FBetaScore")
_DECISIONS = ("BinaryAccuracy", "BinaryCrossentropy", "BinaryIoU")
_CONFUSION = ("AUC", "FalseNegatives", "FalsePositives", "Precision", "Recall", "TrueNegatives", "TruePositives")
_CORRELATIONS = ("ConcordanceCorrelation", "PearsonCorrelation")
_TOP = 5
"""The ``k`` of Keras's top-k metrics."""
_FORMS: dict[str, Form] = {
    **dict.fromkeys((*_SHARES, *_F_SCORES, "CosineSimilarity"), "shares"),
    **dict.fromkeys(_NUMBERS, "numbers"),
    **dict.fromkeys((*_DECISIONS, *_CONFUSION), "labels"),
}
"""Class name → its form; ``dense`` for the others."""


class MetricSet:
    """The loss and the metrics over a number of batches.

    Args:
        task: what the logits mean.
        extra: names of further Keras metrics; those that the task has anyway are ignored.

    Raises:
        RecipeError: Keras has no metric of that name, or it needs arguments.
    """

    def __init__(self, task: LearningTask, extra: Sequence[str] = ()) -> None:
        self.task = task
        self.loss = keras.metrics.Mean("loss")
        self.metrics = task.metrics()
        own = tuple(self.metrics)
        self._forms: dict[str, Form] = {}
        for index, name in enumerate(extra):
            if name in own:
                continue
            metric = _keras_metric(name, index, task)
            key = _snake(type(metric).__name__)
            if key not in self.metrics:
                self.metrics[key] = metric
                self._forms[key] = _FORMS.get(type(metric).__name__, "dense")
                self._create_variables(key, metric)

    def _create_variables(self, key: str, metric: Any) -> None:
        """Have a metric create its variables: some do it at the first update, too late for restoring a checkpoint."""
        nothing = tf.zeros((1, self.task.units))
        truth, prediction = self._compared(nothing, nothing, self._forms[key])
        metric.update_state(truth, prediction, sample_weight=tf.zeros(1) if self.task.can_ignore else None)
        metric.reset_state()

    def _compared(self, truth: Any, prediction: Any, form: Form) -> tuple[Any, Any]:
        """Return what a metric of a form compares, of a target and probabilities (n, units)."""
        if form == "labels" and self.task.units == 2 and self.task.label_kind != "multi":
            return truth[:, 1:], prediction[:, 1:]
        if form in ("shares", "numbers") and self.task.units == 1:
            truth, prediction = (tf.concat([1 - each, each], -1) for each in (truth, prediction))
        return tf.argmax(truth, -1) if form == "numbers" else truth, prediction

    @property
    def names(self) -> list[str]:
        """The names of the values, ``loss`` first."""
        return ["loss", *self.metrics]

    def update(self, batch: Mapping[str, Any], logits: Any, loss: Any, count: Any) -> None:
        """Add a batch; may be called inside a ``tf.function``."""
        self.loss.update_state(loss, count)
        self._update(batch, logits)

    def increments(self, batch: Mapping[str, Any], logits: Any) -> list[Any]:
        """Return what a batch adds to each variable of the metrics besides the loss; may be called as ``update`` may.

        Every metric that a recipe may name keeps sums (``tests/models/test_metric_sums.py``), so the increments of the
        parts of a batch add up to those of the batch.
        """
        variables = self._metric_variables
        before = [tf.identity(variable.value) for variable in variables]
        for variable in variables:
            # From zero: the difference of two large sums in float32 would lose digits.
            variable.assign(tf.zeros(variable.shape, variable.dtype))
        self._update(batch, logits)
        found = [tf.identity(variable.value) for variable in variables]
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
        return found

    def add(self, increments: Sequence[Any], loss: Any, count: Any) -> None:
        """Add a batch, given its ``increments``; may be called as ``update`` may."""
        self.loss.update_state(loss, count)
        for variable, increment in zip(self._metric_variables, increments, strict=True):
            variable.assign_add(increment)

    @property
    def _metric_variables(self) -> list[Any]:
        return [variable for metric in self.metrics.values() for variable in metric.variables]

    def _update(self, batch: Mapping[str, Any], logits: Any) -> None:
        dense, valid = self.task.dense(batch)
        probabilities = self.task.activate(logits)
        for name, metric in self.metrics.items():
            if isinstance(metric, MeanIoU):
                metric.update_state(dense, probabilities, valid)
                continue
            flat_truth = tf.reshape(dense, [-1, dense.shape[-1]])
            flat_prediction = tf.reshape(probabilities, [-1, dense.shape[-1]])
            truth, prediction = self._compared(flat_truth, flat_prediction, self._forms.get(name, "dense"))
            weight = tf.reshape(valid, [-1]) if self.task.can_ignore else None
            metric.update_state(truth, prediction, sample_weight=weight)

    def result(self) -> dict[str, float]:
        """Return the values since the last reset."""
        values = {"loss": self.loss.result()} | {name: m.result() for name, m in self.metrics.items()}
        return {name: float(np.mean(keras.ops.convert_to_numpy(value))) for name, value in values.items()}

    @property
    def variables(self) -> list[Any]:
        """The variables that hold the metrics' counts and sums."""
        return [*self.loss.variables, *self._metric_variables]

    def reset(self) -> None:
        """Set all counts and sums to 0."""
        for metric in (self.loss, *self.metrics.values()):
            metric.reset_state()


def _keras_metric(name: str, index: int, task: LearningTask) -> Any:
    member = keras_class(name, keras.metrics, _compares, what="metric", key=f"train.metrics.{index}")
    try:
        return member(**_arguments(member.__name__, task))
    except TypeError as error:
        raise RecipeError(
            [Problem(f"train.metrics.{index}", f'"{name}" needs arguments, which a recipe can\'t give: {error}')]
        ) from error


def _arguments(metric: str, task: LearningTask) -> dict[str, Any]:
    if metric in _F_SCORES and task.label_kind == "multi":
        return {"threshold": 0.5}  # otherwise only the most probable class counts as predicted
    return {"dtype": "float32"} if metric == "BinaryIoU" else {}  # by default weights become integers


def check_metrics(task: LearningTask, names: Sequence[str]) -> None:
    """Refuse Keras metrics whose value would mean nothing for a task.

    Raises:
        RecipeError: there are such metrics, or Keras has no metric of that name.
    """
    problems = []
    for index, name in enumerate(names):
        if name in task.metrics():
            continue
        path = f"train.metrics.{index}"
        metric = keras_class(name, keras.metrics, _compares, what="metric", key=path).__name__
        if problem := _misfit(metric, task):
            fitting = ", ".join(fitting_metrics(task))
            problems.append(Problem(path, f"{snake_case(metric)} does not fit: {problem}; expected one of {fitting}"))
    if problems:
        raise RecipeError(problems)


def fitting_metrics(task: LearningTask) -> list[str]:
    """Return the names of the Keras metrics that a recipe can add for a task, sorted."""
    members = [member for member in vars(keras.metrics).values() if inspect.isclass(member) and _compares(member)]
    fitting = (each for each in members if not (_needs_arguments(each) or _misfit(each.__name__, task)))
    return sorted({snake_case(each.__name__) for each in fitting} - set(task.metrics()))


def _needs_arguments(member: Any) -> bool:
    parameters = inspect.signature(member.__init__).parameters.values()
    return any(each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD for each in list(parameters)[1:])


def _misfit(metric: str, task: LearningTask) -> str:
    """Return why the value of a Keras metric would mean nothing for a task; an empty text if it fits."""
    several, what = task.label_kind == "multi", "a pixel" if task.task == "segmentation" else "an image"
    if metric in (*_SHARES, *_NUMBERS) and several:
        return f"it is for one label per image, but {task.independent_logits}"
    if "TopK" in metric and task.classes <= _TOP:
        return f"it counts a class among the {_TOP} most probable as right, and there are {task.classes} classes"
    if metric in _DECISIONS and not several and task.classes > 2:
        return f"it is for labels of yes or no, but {what} has one of {task.classes} classes"
    if metric in _CORRELATIONS and (several or task.classes < 3 or task.can_ignore):
        return "it is for values that vary within each image, not for the label of a class"
    if "Hinge" in metric:
        return "it is for scores from -1 to 1, not for probabilities"
    if metric == "MeanAbsolutePercentageError":
        return "it divides by the truth, which is 0 for most classes"
    return ""


def _compares(member: Any) -> bool:
    """Return whether a metric compares truth and prediction, unlike a mean of given values."""
    return issubclass(member, keras.metrics.Metric) and "y_true" in inspect.signature(member.update_state).parameters


def _snake(name: str) -> str:
    if name.isupper():
        return name.lower()
    return "".join(
        f"_{c.lower()}" if c.isupper() and i and not name[i - 1].isupper() else c.lower() for i, c in enumerate(name)
    )
