"""A few images for a look at the data: ``open_few``."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tlkit import DataError, Dataset, Options, Sample, SampleSet
from tlkit.data.prepare import open_few
from tlkit.data.settings import DataSettings
from tlkit.recipe.input_table import InputTable
from tlkit.recipe.schema import Selection


def settings(samples):
    images = np.zeros((30, 8, 8, 3), np.uint8)
    found = SampleSet(tuple(samples), ("cat", "dog", "owl"), images=images)
    record = Dataset(
        name="made", summary="", options=Options, open=lambda ctx, options: found, tasks=("classification",)
    )
    return DataSettings(Selection(record, Options()), InputTable(image_size=(8, 8)), "classification", seed=0)


def test_a_few_images_are_drawn_from_all_classes_in_turn(tmp_path):
    labels = [0] * 20 + [1] * 8 + [2] * 2
    data = open_few(settings(Sample(f"{row}", row, label=label) for row, label in enumerate(labels)), 12, tmp_path)
    assert Counter(data.labels.tolist()) == {0: 5, 1: 5, 2: 2}
    assert set(data.splits) == {"train"}
    assert data.classes == ("cat", "dog", "owl")


def test_a_few_images_are_training_images_of_whatever_group(tmp_path):
    samples = [
        Sample(f"{row}", row, label=row % 3, split="test" if row < 20 else "train", group="g") for row in range(30)
    ]
    data = open_few(settings(samples), 30, tmp_path)
    assert sorted(int(sample.key) for sample in data.samples) == list(range(20, 30))
    assert data.groups == (None,) * 10


def test_a_data_set_without_training_images_is_refused(tmp_path):
    samples = [Sample(f"{row}", row, label=row % 3, split="test") for row in range(30)]
    with pytest.raises(DataError, match='dataset "made": no training image can be used'):
        open_few(settings(samples), 4, tmp_path)
