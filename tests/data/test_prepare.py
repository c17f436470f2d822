"""Opening data: a few images for a look at it, and the splits of images with several labels."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tlkit import DataError, Dataset, Options, Sample, SampleSet
from tlkit.data.prepare import open_data, open_few
from tlkit.data.settings import DataSettings
from tlkit.recipe.input_table import InputTable
from tlkit.recipe.schema import Selection


def settings(samples, count=30, **fields):
    images = np.zeros((count, 8, 8, 3), np.uint8)
    found = SampleSet(tuple(samples), ("cat", "dog", "owl"), images=images, **fields)
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


def test_labels_that_occur_together_are_counted_each_for_itself(tmp_path):
    labels = [[(0, 1), (0,), ()][row % 3] if row % 10 else (0, 1, 2) for row in range(60)]
    samples = [Sample(f"{row:02d}", row, label=label) for row, label in enumerate(labels)]
    data = open_data(settings(samples, 60, multi_label=True), tmp_path)
    assert not [note for note in data.notes if "no training image" in note]
    trained, every = data.class_counts("train"), data.labels.sum(0)
    assert np.abs(trained - 0.8 * every).max() <= 1


def test_a_label_without_a_training_image_is_named(tmp_path):
    samples = [Sample(f"{row:02d}", row, label=(row % 2,), split="train") for row in range(29)]
    samples.append(Sample("29", 29, label=(0, 2), split="validation"))
    data = open_data(settings(samples, multi_label=True), tmp_path)
    assert "no training image of owl" in data.notes
