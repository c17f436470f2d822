"""What is known of a run when its report is written, for the sentences and the advice in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tlkit.evaluation.measured_calibration import Calibration
from tlkit.evaluation.metrics import Metrics
from tlkit.evaluation.outcome import Outcome
from tlkit.runs.card import Card
from tlkit.runs.history import History

_HEADLINES = {"classification": "accuracy", "segmentation": "mean_iou"}


@dataclass(frozen=True)
class Seen:
    """What is known of a run.

    Args:
        card: the model's card.
        outcomes: split → the result of its evaluation.
        images: split → the number of images, for ``train``, ``validation`` and ``test``.
        trained: class → the number of its training images; empty for a segmentation.
        set_aside: the number of files that could not be used.
        history: the metrics of each epoch; None if there are none.
        best_epoch: the epoch whose weights the model has, from 1; 0 if unknown.
        calibration: split → how well the probabilities are calibrated.
        notes: what was said about classes of the split of ``split`` that the model never predicts correctly.
        settings: the recipe with all defaults, as ``environment.json`` has it; whatever that file says.
    """

    card: Card
    outcomes: Mapping[str, Outcome]
    images: Mapping[str, int]
    trained: Mapping[str, int]
    set_aside: int
    history: History | None
    best_epoch: int
    calibration: Mapping[str, Calibration]
    notes: Sequence[str]
    settings: Mapping[str, Any]

    @property
    def split(self) -> str:
        """The split by which the model is judged: the test images if there are any, else the validation images."""
        return next((split for split in ("test", "validation") if split in self.outcomes), "")

    @property
    def metrics(self) -> Metrics:
        """The metrics of that split; empty if nothing was measured."""
        return self.outcomes[self.split].metrics if self.split else {}

    @property
    def headline(self) -> str:
        """The name of the metric that stands for a run."""
        return _HEADLINES[self.card.task]

    @property
    def value(self) -> float | None:
        """The metric that stands for the run; None if it was not measured."""
        return self.metrics.get(self.headline)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Its 95 % interval."""
        bounds = self.metrics.get("intervals", {}).get(self.headline)
        return (bounds[0], bounds[1]) if bounds else None

    @property
    def commonest(self) -> tuple[str, float] | None:
        """The commonest class, empty for several labels per image, and the metric of predicting it for everything."""
        found = self.metrics.get("commonest", {})
        return (found.get("class", ""), found[self.headline]) if self.headline in found else None

    @property
    def several(self) -> bool:
        """Whether an image has several labels."""
        return self.card.label_kind == "multi"

    def setting(self, key: str, kind: type | tuple[type, ...]) -> Any:
        """Return a value of the recipe such as ``head.dropout``; None if it is missing or of another type."""
        value: Any = self.settings
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value if isinstance(value, kind) and not isinstance(value, bool) else None

    def curve(self, name: str) -> np.ndarray | None:
        """Return a column of ``metrics.csv``, float64 (epochs,); None if it is missing."""
        if self.history is None or name not in self.history.columns:
            return None
        return np.asarray(self.history.columns[name], np.float64)


def percent(share: float) -> str:
    """Return a share in percent, which no line break divides."""
    return f"{100 * share:.1f}\u00a0%"
