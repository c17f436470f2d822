"""How well the probabilities of a classification are calibrated, before and after temperature scaling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tlkit.evaluation.calibration import Reliability, confidences, fit_temperature, reliability, scaled
from tlkit.evaluation.metrics import Metrics
from tlkit.evaluation.outcome import ClassificationOutcome, Outcome

_AT_ONCE = 2048


@dataclass(frozen=True)
class Calibration:
    """The calibration of a model on one split.

    Args:
        temperature: what its logits are divided by, fitted on the validation images.
        before: how its probabilities compare with what came true.
        after: the same for the probabilities at the temperature.
        fitted: whether the temperature was fitted on these very images.
    """

    temperature: float
    before: Reliability
    after: Reliability
    fitted: bool

    def as_metrics(self) -> Metrics:
        """Return the expected calibration error before and after, and the temperature."""
        return {"error": self.before.error, "temperature": self.temperature, "scaled_error": self.after.error}


def measured_calibration(outcomes: Mapping[str, Outcome]) -> dict[str, Calibration]:
    """Return the calibration of each split, given the evaluation of each; empty without validation images.

    A segmentation has none.
    """
    validation = outcomes.get("validation")
    if not isinstance(validation, ClassificationOutcome):
        return {}
    temperature = fit_temperature(validation.probabilities, validation.labels)
    found = {}
    for split, outcome in outcomes.items():
        if not isinstance(outcome, ClassificationOutcome):
            continue
        before = confidences(outcome.probabilities, outcome.labels)
        after = _at_temperature(outcome, temperature)
        found[split] = Calibration(temperature, reliability(*before), reliability(*after), fitted=split == "validation")
    return found


def _at_temperature(outcome: ClassificationOutcome, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what ``confidences`` does for the probabilities at a temperature, computed some images at a time."""
    parts = []
    for start in range(0, len(outcome.labels), _AT_ONCE):
        labels, part = outcome.labels[start : start + _AT_ONCE], outcome.probabilities[start : start + _AT_ONCE]
        parts.append(confidences(scaled(part, temperature, exclusive=labels.ndim == 1), labels))
    stated, true = zip(*parts, strict=True)
    return np.concatenate(stated), np.concatenate(true)
