"""Class names in one Unicode form, and names that differ only in their spelling."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tlkit import DataError, DrawnMask, MaskTable, RunError, Sample, SampleSet
from tlkit.data.class_names import difference, similar_names, with_composed_names
from tlkit.recipe.check_table import CheckTable, for_resume
from tlkit.runs.samples import SampleRow, SamplesFile

NFC, NFD = (unicodedata.normalize(form, "Café") for form in ("NFC", "NFD"))


def samples(*labels):
    return tuple(Sample(str(number), Path(str(number)), label=label) for number, label in enumerate(labels))


def test_a_name_is_composed_and_nothing_else_changes():
    found = with_composed_names(SampleSet(samples(0, 1), (NFD, "dog")), "csv")
    assert found.classes == (NFC, "dog")
    assert [each.label for each in found.samples] == [0, 1]


def test_plain_names_stay_the_same_object():
    given = SampleSet(samples(0, 1), ("cat", "dog"))
    assert with_composed_names(given, "csv") is given


def test_two_forms_of_a_name_are_one_class():
    found = with_composed_names(
        SampleSet(samples(0, 1, 2, 1), (NFD, NFC, "dog"), colors={0: (1, 1, 1), 2: (2, 2, 2)}), "csv"
    )
    assert found.classes == (NFC, "dog")
    assert [each.label for each in found.samples] == [0, 0, 1, 0]
    assert found.colors == {0: (1, 1, 1), 1: (2, 2, 2)}


def test_two_forms_among_several_labels_are_one_label():
    found = with_composed_names(SampleSet(samples((0, 1), (1, 2)), (NFD, NFC, "dog"), multi_label=True), "csv")
    assert [each.label for each in found.samples] == [(0,), (0, 1)]


def test_two_forms_in_a_table_of_mask_values_are_one_class():
    sample = Sample("a", Path("a"), mask=Path("a.png"))
    table = MaskTable({0: 2, 1: 0, 2: 1, 3: 255}, default=1)
    found = with_composed_names(SampleSet((sample,), (NFD, NFC, "dog"), mask_table=table), "masks")
    assert found.classes == (NFC, "dog")
    assert found.mask_table == MaskTable({0: 1, 1: 0, 2: 0, 3: 255}, default=0)


@pytest.mark.parametrize("mask", [0, DrawnMask(Path("x.json"), bytes, lambda _: np.zeros((1, 1), np.uint8))])
def test_two_forms_in_masks_that_are_drawn_are_refused(mask):
    sample = Sample("a", Path("a"), mask=mask)
    masks = np.zeros((1, 1, 1), np.uint8)
    with pytest.raises(DataError, match=f"two classes are called {NFC}, written in two Unicode forms"):
        with_composed_names(SampleSet((sample,), (NFD, NFC), masks=masks), "coco")


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (("Cat", "cat"), "upper and lower case"),
        (("hot dog", "hot  dog", "hot dog "), "blanks"),
        (("hot dog", "hot_dog", "hot-dog"), "blanks, _ and -"),
        (("Hot dog", "hot_dog"), "case, blanks, _ and -"),
        (("STRASSE", "straße"), "upper and lower case"),
    ],
)
def test_names_that_differ_only_in_spelling_are_found(names, what):
    assert similar_names(("fox", *names)) == [tuple(sorted(names))]
    assert difference(names) == what


@pytest.mark.parametrize(
    "names", [("A", "a"), ("-1", "1"), ("1", "01"), ("c", "c++"), ("cat", "cats"), ("a1", "a_"), ("x", "_x")]
)
def test_other_names_are_different(names):
    assert similar_names(names) == []


def test_the_classes_of_other_data_are_those_of_the_model_in_any_form():
    from tlkit.evaluation.class_names import class_map

    card = SimpleNamespace(classes=("ant", NFD, "dog"))
    assert class_map(("dog", NFC), card).tolist() == [2, 1]


def test_a_run_that_recorded_another_form_can_be_resumed(tmp_path):
    SamplesFile(tmp_path / "samples.csv").write([SampleRow("a", split="train", label=NFD)])
    SamplesFile(tmp_path / "samples.csv").check_unchanged([SampleRow("a", split="train", label=NFC)])
    with pytest.raises(RunError, match="the data has changed"):
        SamplesFile(tmp_path / "samples.csv").check_unchanged([SampleRow("a", split="train", label="dog")])


def test_a_run_of_an_earlier_version_is_resumed_by_the_checks_that_it_passed():
    assert for_resume(CheckTable()).model_dump(include={"lost_class", "similar_classes", "empty"}) == {
        "lost_class": "keep",
        "similar_classes": "keep",
        "empty": "skip",
    }
    assert for_resume(CheckTable(lost_class="error")).lost_class == "error"
