"""How well the probabilities of a classification are calibrated, before and after temperature scaling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tlkit.evaluation.calibration import Reliability, confidences, fit_temperature, reliability, scaled
from tlkit.evaluation.metrics import Metrics
from tlkit.evaluation.outcome import ClassificationOutcome, Outcome


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
        labels = outcome.labels
        after = scaled(outcome.probabilities, temperature, exclusive=labels.ndim == 1)
        found[split] = Calibration(
            temperature,
            reliability(*confidences(np.asarray(outcome.probabilities), labels)),
            reliability(*confidences(after, labels)),
            fitted=split == "validation",
        )
    return found
