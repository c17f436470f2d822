"""Put into words what is known about the labels of images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tlkit.evaluation.label_quality import LabelQuality
from tlkit.evaluation.neighbours import Neighbours
from tlkit.report.label_table import JudgedLabel, NearImage
from tlkit.report.labels_page import DUPLICATE, OUTLIER, WRONG


def judged_labels(
    samples: Sequence[tuple[int, str, str]],
    labels: np.ndarray,
    classes: Sequence[str],
    quality: LabelQuality,
    probabilities: np.ndarray,
    neighbours: Neighbours,
) -> list[JudgedLabel]:
    """Return what is to be said about each image, those first whose label is most likely wrong.

    Args:
        samples: for each image its row in the data, its key and its split, N.
        labels: int (N,) class numbers, or multi-hot (N, K).
        classes: the names of the classes.
        quality: how good the labels are.
        probabilities: float64 (N, K), by which the labels were judged.
        neighbours: the images' nearest neighbours.
    """
    names = [_text(each, classes) for each in labels]
    suggested = [_text(each, classes) for each in quality.suggested]
    duplicates, outliers = neighbours.near_duplicates, neighbours.outliers
    judged = []
    for number in np.argsort(quality.scores, kind="stable").tolist():
        near = [
            NearImage(samples[place][0], samples[place][1], names[place], float(distance))
            for place, distance in zip(neighbours.places[number], neighbours.distances[number], strict=True)
        ]
        twins = [each for each, same in zip(near, duplicates[number], strict=True) if same]
        findings = {
            WRONG: bool(quality.wrong[number]),
            DUPLICATE: any(each.label != names[number] for each in twins),
            OUTLIER: bool(outliers[number]),
        }
        row, key, split = samples[number]
        judged.append(
            JudgedLabel(
                row=row,
                key=key,
                split=split,
                label=names[number],
                suggested="" if suggested[number] == names[number] else suggested[number],
                score=float(quality.scores[number]),
                probability=None if labels.ndim == 2 else float(probabilities[number].max()),
                findings=tuple(finding for finding, found in findings.items() if found),
                near=tuple(near),
            )
        )
    return judged


def _text(label: np.ndarray, classes: Sequence[str]) -> str:
    """Return the names of a label's classes, joined by ``|``."""
    numbers = np.flatnonzero(label > 0.5) if np.ndim(label) else [label]
    return "|".join(classes[int(number)] for number in numbers)
