"""Whether a model can be measured on samples: their classes, and one label or several."""

from __future__ import annotations

import pytest

from tlkit import DataError, Sample, SampleSet
from tlkit.evaluation.class_names import fitting_samples
from tlkit.runs.card import Card


def card(kind="single"):
    return Card(
        tlkit="0",
        name="x",
        task="classification",
        classes=("cat", "dog", "owl"),
        label_kind=kind,
        image_size=(8, 8),
        resize="stretch",
        colors=((0, 0, 0),) * 3,
        backbone={"name": "a", "options": {}},
        head={"name": "b", "options": {}},
    )


def samples(*labels, multi_label=True, classes=("cat", "dog")):
    rows = tuple(Sample(f"{row}", row, label=label) for row, label in enumerate(labels))
    return SampleSet(rows, classes, multi_label=multi_label)


def test_lists_of_one_label_are_single_labels_for_a_model_that_predicts_one():
    fitting = fitting_samples(samples((0,), (1,), (1,)), card())
    assert (fitting.multi_label, [each.label for each in fitting.samples]) == (False, [0, 1, 1])


@pytest.mark.parametrize("labels", [((0,), (0, 1)), ((0,), ())], ids=["two labels", "no label"])
def test_several_or_no_labels_are_refused(labels):
    with pytest.raises(DataError, match="several labels per image"):
        fitting_samples(samples(*labels), card())


def test_other_samples_stay_as_they_are():
    several = samples((0, 1), ())
    assert fitting_samples(several, card("multi")) is several
    single = samples(0, 1, multi_label=False)
    assert fitting_samples(single, card()) is single


def test_a_class_that_the_model_does_not_know_is_refused():
    with pytest.raises(DataError, match="the model has no class fox"):
        fitting_samples(samples((0,), classes=("fox",)), card())
