"""Which images a classification's report shows as surely wrong and as unsure."""

from __future__ import annotations

import numpy as np

from tlkit.evaluation.outcome import ClassificationOutcome
from tlkit.report.classification_part import Shown, classification_part

CLASSES = ("cat", "dog", "owl")


def shown(probabilities: list[list[float]], labels: np.ndarray, predicted: np.ndarray) -> Shown:
    values = np.array(probabilities, np.float32)
    confusion = None
    if labels.ndim == 1:
        confusion = np.zeros((3, 3), np.int64)
        np.add.at(confusion, (labels, predicted), 1)
    count = len(values)
    outcome = ClassificationOutcome(np.arange(count), np.zeros(count), {}, values, labels, confusion)

    def label(value: np.ndarray) -> str:
        numbers = np.flatnonzero(value) if np.ndim(value) else [int(value)]
        return "|".join(CLASSES[number] for number in numbers)

    image = np.zeros((8, 8, 3), np.uint8)
    return Shown(outcome, CLASSES, predicted, lambda _: image, lambda position: f"{position}.png", label)


def test_mistakes_stand_by_their_probability_and_images_by_their_margin() -> None:
    probabilities = [[0.9, 0.05, 0.05], [0.5, 0.45, 0.05], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.0, 0.05, 0.95]]
    labels = np.array([0, 1, 0, 2, 1])
    part = classification_part(shown(probabilities, labels, np.array([0, 0, 1, 2, 2])), "test")
    assert [each.name for each in part.wrong] == ["4.png", "2.png", "1.png"]
    assert part.mistakes == 3
    assert [each.name for each in part.unsure] == ["1.png", "3.png", "2.png", "0.png", "4.png"]
    assert part.unsure[0].caption == "cat 50\u00a0%, dog 45\u00a0%\ntruth: dog"
    assert part.unsure[0].wrong
    assert part.unsure[3].caption == "cat 90\u00a0%"
    assert not part.unsure[3].wrong
    assert part.thresholds is None


def test_several_labels_are_wrong_by_their_worst_one_and_unsure_by_their_closest_one() -> None:
    probabilities = [[0.9, 0.2, 0.1], [0.1, 0.2, 0.45], [0.99, 0.1, 0.1]]
    labels = np.array([[1, 0, 0], [0, 0, 1], [0, 1, 0]], np.float32)
    part = classification_part(shown(probabilities, labels, np.array(probabilities) > 0.5), "test")
    assert [each.name for each in part.wrong] == ["2.png", "1.png"]
    assert part.wrong[0].caption == "cat 99\u00a0%\ntruth: dog"
    assert part.wrong[1].caption == "none; owl 45\u00a0%\ntruth: owl"
    assert part.unsure[0].name == "1.png"
    assert part.thresholds is not None
    assert len(part.thresholds.curves) == 3
