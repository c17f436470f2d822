"""Say of predictions whether the image is unlike those that the model knows, and which labels can be told apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tlkit.errors import DataError
from tlkit.evaluation.calibration import scaled
from tlkit.evaluation.conformal import label_sets, set_limit
from tlkit.evaluation.limits import Limits
from tlkit.evaluation.novelty import KnownFeatures, p_values
from tlkit.evaluation.prediction import Prediction
from tlkit.runs.card import Card


@dataclass(frozen=True)
class Judgement:
    """What is said of each prediction.

    Args:
        limits: what predictions are compared with.
        card: the model's card.
        unknown: the share of images like the held-out ones that may be called unknown, between 0 and 1; None: nothing
            is said about that.
        sets: the probability with which a set of labels has the true one, between 0 and 1; None for no sets.

    Raises:
        DataError: the run has not what this takes.
    """

    limits: Limits
    card: Card
    unknown: float | None = None
    sets: float | None = None

    def __post_init__(self) -> None:
        for name, share in (("--unknown", self.unknown), ("--sets", self.sets)):
            if share is not None and not 0 < share < 1:
                raise DataError(f"{name} {share}: expected a number between 0 and 1, such as {_EXAMPLES[name]}")
        if self.sets is not None:
            self._check_sets(self.sets)
        if self.unknown is not None:
            self._check_unknown(self.unknown)

    def _check_sets(self, level: float) -> None:
        if self.card.label_kind == "multi":
            raise DataError("--sets: an image of this model has several labels, each with a probability of its own")
        count = len(self.limits.scores)
        if not count:
            raise DataError(f"--sets: no image of the run was held out ({self.limits.scores_of})")
        if set_limit(self.limits.scores, level) >= 1:
            most = count / (count + 1)
            raise DataError(f"--sets {level}: {count} held-out images allow {_down(most)} at most")

    def _check_unknown(self, share: float) -> None:
        if self.limits.known is None:
            raise DataError(f"--unknown: {self.limits.distances_of}")
        count = len(self.limits.distances)
        if share * (count + 1) < 1:
            raise DataError(f"--unknown {share}: {count} held-out images allow {_up(1 / (count + 1))} at least")

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of what is said."""
        unknown = ("unknown", "p_value") if self.unknown is not None else ()
        return (*unknown, *(("set",) if self.sets is not None else ()))

    def rules(self, count: int, unknown: int) -> tuple[str, ...]:
        """Return in words how many images were unknown, and by which rules that and the sets were said.

        Args:
            count: the number of images.
            unknown: how many of them were unknown.
        """
        rules = []
        if self.unknown is not None:
            rules.append(
                f"{unknown} of {count} unknown: less like each class than {100 * (1 - self.unknown):.3g} % of the "
                f"run's {self.limits.distances_of} ({len(self.limits.distances):,})"
            )
        if self.sets is not None:
            rules.append(
                f"set: in {100 * self.sets:.4g} % of such images the true label is one of the set, as measured on the "
                f"run's {self.limits.scores_of} ({len(self.limits.scores):,})"
            )
        return tuple(rules)

    def judged(self, prediction: Prediction, features: np.ndarray | None) -> Prediction:
        """Return a prediction with what is said of it.

        Args:
            prediction: the prediction, without an error.
            features: float (D,), the image's features; None unless ``unknown``.
        """
        if features is not None and self.unknown is not None:
            known = self.limits.known
            assert isinstance(known, KnownFeatures)
            value = float(p_values(known.distances(features[None]), self.limits.distances)[0])
            prediction = replace(prediction, unknown=value <= self.unknown, p_value=value)
        if self.sets is None:
            return prediction
        probabilities = np.array([[prediction.probabilities[name] for name in self.card.classes]])
        at = scaled(probabilities, self.limits.temperature, exclusive=True)
        [chosen] = label_sets(at, set_limit(self.limits.scores, self.sets))
        largest_first = sorted(np.flatnonzero(chosen).tolist(), key=lambda number: -probabilities[0, number])
        return replace(prediction, label_set=tuple(self.card.classes[number] for number in largest_first))


_EXAMPLES: Mapping[str, str] = {"--unknown": "0.05", "--sets": "0.9"}


def _up(share: float) -> str:
    return f"{np.ceil(share * 1e4) / 1e4:g}"


def _down(share: float) -> str:
    return f"{np.floor(share * 1e4) / 1e4:g}"
