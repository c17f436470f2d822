"""The checks for authors of plugins refuse records that break their contract."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

import tlkit
import tlkit.testing
from tlkit.registry import KINDS
from tlkit.testing import check_augmentation, check_dataset, check_schedule

PIXELS = np.zeros((2, 8, 6, 3), np.uint8)
LABELS = tlkit.SampleSet(
    samples=(tlkit.Sample("a/0", 0, label=0), tlkit.Sample("b/1", 1, label=1)), classes=("a", "b"), images=PIXELS
)
MASKS = tlkit.SampleSet(
    samples=(tlkit.Sample("0", 0, mask=0), tlkit.Sample("1", 1, mask=1)),
    classes=("a", "b"),
    images=PIXELS,
    masks=np.ones((2, 8, 6), np.uint8),
)


def dataset(*opened: tlkit.SampleSet, task: tlkit.Task = "classification") -> tlkit.Dataset:
    """A data set that returns these one after the other, and the last of them from then on."""
    left = list(opened)

    def open_next(ctx: tlkit.DatasetContext, options: tlkit.Options) -> tlkit.SampleSet:
        return left.pop(0) if len(left) > 1 else left[0]

    return tlkit.Dataset(name="mine", summary="", options=tlkit.Options, open=open_next, tasks=(task,))


def with_sample(sample_set: tlkit.SampleSet, **changes: object) -> tlkit.SampleSet:
    first, *rest = sample_set.samples
    return dataclasses.replace(sample_set, samples=(dataclasses.replace(first, **changes), *rest))


def test_a_data_set_that_keeps_its_contract_is_returned_as_it_was_opened():
    assert check_dataset(dataset(LABELS)) is LABELS
    assert check_dataset(dataset(MASKS, task="segmentation")) is MASKS


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (with_sample(LABELS, key="/data/a/0"), "expected a key with / that is the same on every machine"),
        (with_sample(LABELS, key="a\\0"), "expected a key with / that is the same on every machine"),
        (with_sample(LABELS, label=1.0), r"a/0: expected int, received \(1.0,\)"),
        (with_sample(LABELS, label=True), r"a/0: expected int, received \(True,\)"),
        (with_sample(LABELS, split="training"), "a/0: expected a split or None, received 'training'"),
        (with_sample(LABELS, group=3), "a/0: expected a string or None as group"),
        (
            dataclasses.replace(LABELS, colors={2: (0, 0, 0)}),
            r"expected class numbers as keys of colors, received \[2\]",
        ),
        (
            dataclasses.replace(LABELS, images=np.zeros((2, 8, 6, 4), np.uint8)),
            r"a/0: expected \(H, W\[, 3\]\), not \(8, 6, 4\)",
        ),
    ],
)
def test_a_data_set_that_breaks_its_contract_is_refused(changed, reason):
    with pytest.raises(AssertionError, match=reason):
        check_dataset(dataset(changed))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (with_sample(LABELS, label=2), "sample a/0: label 2 is not in 0-1"),
        (with_sample(LABELS, image=2), "sample a/0: its image is row 2, but the sample set has 2 images"),
        (with_sample(LABELS, key="b/1"), "b/1"),
        ([], "expected open to return a SampleSet"),
    ],
)
def test_a_data_set_that_the_core_would_refuse_is_refused_as_the_core_does(changed, reason):
    with pytest.raises(tlkit.PluginError, match=reason):
        check_dataset(dataset(changed))


@pytest.mark.parametrize(
    "again",
    [
        dataclasses.replace(LABELS, samples=LABELS.samples[::-1]),
        dataclasses.replace(LABELS, images=PIXELS + 1),
        dataclasses.replace(LABELS, classes=("b", "a")),
    ],
)
def test_a_data_set_that_differs_when_opened_again_is_refused(again):
    with pytest.raises(AssertionError, match="differs when the data set is opened again"):
        check_dataset(dataset(LABELS, again))


def test_masks_are_decoded_and_compared_with_their_images_and_the_classes(tmp_path):
    Image.new("RGB", (6, 8)).save(tmp_path / "image.png")
    Image.new("L", (6, 8), 7).save(tmp_path / "mask.png")
    Image.new("L", (8, 6), 7).save(tmp_path / "turned.png")
    sample = tlkit.Sample("image.png", tmp_path / "image.png", mask=tmp_path / "mask.png")
    found = tlkit.SampleSet(samples=(sample,), classes=("a", "b"), mask_table=tlkit.MaskTable({7: 1}))
    check_dataset(dataset(found, task="segmentation"))
    for changes, reason in (
        ({"mask_table": tlkit.MaskTable({7: 2})}, r"expected class numbers and 255 in the mask table, received \[2\]"),
        ({"mask_table": tlkit.MaskTable({7: 1}, default=5)}, "in the mask table"),
        (
            {"samples": (dataclasses.replace(sample, mask=tmp_path / "turned.png"),)},
            r"image.png: mask \(6, 8\) and image \(8, 6\) differ in size",
        ),
    ):
        with pytest.raises(AssertionError, match=reason):
            check_dataset(dataset(dataclasses.replace(found, **changes), task="segmentation"))
    with pytest.raises(tlkit.DataError, match=r"mask\.png"):
        check_dataset(dataset(dataclasses.replace(found, mask_table=tlkit.MaskTable({0: 1})), task="segmentation"))


def test_an_image_that_cannot_be_decoded_is_an_error(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(tlkit.DataError, match=r"a\.png"):
        check_dataset(dataset(with_sample(LABELS, image=tmp_path / "a.png")))


def test_a_task_that_the_data_set_does_not_have_is_refused():
    with pytest.raises(AssertionError, match=r"expected a task among \('classification',\), received 'segmentation'"):
        check_dataset(dataset(LABELS), task="segmentation")


@pytest.mark.parametrize(
    ("phases", "reason"),
    [
        ((), "expected at least one phase"),
        (("head",), "expected Phases"),
        ((tlkit.Phase(name="a", epochs=1),) * 2, "phases have the same name"),
        ((tlkit.Phase(name="a", epochs=1, blocks=("stem",)),), r"phase a names unknown blocks: \('stem',\)"),
        ((tlkit.Phase(name="a", epochs=0),), "phase a has 0 epochs"),
    ],
)
def test_a_schedule_that_breaks_its_contract_is_refused(phases, reason):
    record = tlkit.Schedule(name="mine", summary="", options=tlkit.Options, plan=lambda outline, options: phases)
    with pytest.raises(AssertionError, match=reason):
        check_schedule(record)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda batch, seed: {"images": batch["images"]}, "expected the entries"),
        (lambda batch, seed: {**batch, "images": batch["images"][:1]}, "images: shape"),
        (lambda batch, seed: {key: value + 7 for key, value in batch.items()}, "expected masks of 0, 1, 2 and 255"),
    ],
)
def test_an_augmentation_that_breaks_its_contract_is_refused(change, reason):
    record = tlkit.Augmentation(
        name="mine", summary="", options=tlkit.Options, build=lambda ctx, options: change, tasks=("segmentation",)
    )
    with pytest.raises(AssertionError, match=reason):
        check_augmentation(record)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.title)
def test_there_is_a_check_for_each_kind_of_record(kind):
    assert callable(getattr(tlkit.testing, f"check_{kind.title}"))
