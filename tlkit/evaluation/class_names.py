"""The classes of data and of a model, matched by name. Imports no TensorFlow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tlkit.contracts import SampleSet
from tlkit.errors import DataError
from tlkit.files import class_name
from tlkit.runs.card import Card
from tlkit.system.text import did_you_mean, listed

SEVERAL_LABELS = "the data has several labels per image; the model was trained to predict one"


def fitting_samples(sample_set: SampleSet, card: Card) -> SampleSet:
    """Check that a model can be measured on samples, before they are decoded.

    Annotations and tables may be read as several labels per image although each image has one: for a model that
    predicts one, such samples get single labels.

    Args:
        sample_set: the samples.
        card: the model's card.

    Raises:
        DataError: the data has a class that the model was not trained on, or several labels per image where the model
            predicts one.
    """
    class_map(sample_set.classes, card)
    if not sample_set.multi_label or card.label_kind == "multi":
        return sample_set
    labels = [each.label for each in sample_set.samples]
    if not all(isinstance(label, tuple) and len(label) == 1 for label in labels):
        raise DataError(SEVERAL_LABELS)
    samples = (replace(each, label=each.label[0]) for each in sample_set.samples if isinstance(each.label, tuple))
    return replace(sample_set, samples=tuple(samples), multi_label=False)


def class_map(data_classes: tuple[str, ...], card: Card) -> np.ndarray:
    """Return the model's number of each class of a data set, matched by name.

    Returns:
        int64 (data classes,).

    Raises:
        DataError: the data has a class that the model was not trained on.
    """
    known = [class_name(name) for name in card.classes]
    unknown = [name for name in data_classes if class_name(name) not in known]
    if unknown:
        hint = did_you_mean(unknown[0], card.classes) if len(unknown) == 1 else ""
        raise DataError(
            f"the model has no class {listed(unknown, 20)}; it was trained on {listed(card.classes, 20)}{hint}. "
            "Rename the classes of the data, or remove their images"
        )
    return np.array([known.index(class_name(name)) for name in data_classes], np.int64)
