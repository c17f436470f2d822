"""The checks for authors of plugins refuse records that break their contract."""

from __future__ import annotations

import dataclasses
import itertools

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


class Text(str):
    """A key that says that it equals any other."""

    def __eq__(self, other):
        return True

    __hash__ = str.__hash__


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
    for found, again in (
        (LABELS, check_dataset(dataset(LABELS))),
        (MASKS, check_dataset(dataset(MASKS, task="segmentation"))),
    ):
        assert again.samples == found.samples
        assert again.images is found.images


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (with_sample(LABELS, key="/data/a/0"), "expected a key with / that is the same on every machine"),
        (with_sample(LABELS, key="a\\0"), "expected a key with / that is the same on every machine"),
        (with_sample(LABELS, label=np.int64(1)), r"a/0: expected int, received \(np.int64\(1\),\)"),
        (
            dataclasses.replace(LABELS, colors={2: (0, 0, 0)}),
            r"expected class numbers as keys of colors, received \[2\]",
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
        (with_sample(LABELS, key=Text("a/0")), "expected a key that is a string"),
        (with_sample(LABELS, label=1.0), "'a/0': expected a class number, received 1.0"),
        (with_sample(LABELS, label=True), "'a/0': expected a class number, received True"),
        (with_sample(LABELS, label="a"), "'a/0': expected a class number, received 'a'"),
        (with_sample(LABELS, image="a.png"), "'a/0': expected a path or a row as image, received 'a.png'"),
        (with_sample(LABELS, split="training"), "expected train, validation, test or None as split"),
        (with_sample(LABELS, group=3), "'a/0': expected a string or None as group, received 3"),
        (dataclasses.replace(LABELS, samples=iter(LABELS.samples)), "expected a tuple of samples, received"),
        (dataclasses.replace(LABELS, samples=("a/0",)), "expected a Sample, received 'a/0'"),
        (dataclasses.replace(LABELS, classes=("a", 1)), r"tlkit.SampleSet.classes\[1\]: .*valid string"),
        (dataclasses.replace(LABELS, classes=("a", Text("b"))), "expected class names that are strings"),
        (dataclasses.replace(LABELS, root="photos"), "tlkit.SampleSet.root: .*Path"),
        (dataclasses.replace(LABELS, set_aside=("a.png",)), r"tlkit.SampleSet.set_aside\[0\]"),
        (
            dataclasses.replace(LABELS, images=np.zeros((2, 8, 6, 4), np.uint8)),
            r"\(N, H, W\[, 3\]\), received \(2, 8, 6, 4\)",
        ),
        (dataclasses.replace(LABELS, images=[1, 2]), r"expected images \(N, H, W\[, 3\]\), received \[1, 2\]"),
        (dataclasses.replace(MASKS, masks=np.ones((2, 8, 6, 1), np.uint8)), "expected masks"),
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
        with pytest.raises((AssertionError, tlkit.PluginError), match=reason):
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
        ((tlkit.Phase(name="a", epochs=1, blocks=("stem",)),), "phase 'a': no block stem; the backbone has block1"),
        ((tlkit.Phase(name="a", epochs=1, block_factors={"stem": 0.1}),), "phase 'a': no block stem"),
        ((tlkit.Phase(name="a", epochs=1, block_factors={"block1": -0.1}),), "expected factors of at least 0"),
        ((tlkit.Phase(name="a", epochs=0),), "phase 'a': expected at least 1 epoch, received 0"),
        ((tlkit.Phase(name="a", epochs=1.0),), "phase 'a': tlkit.Phase.epochs: .*valid integer, received 1.0"),
        ((tlkit.Phase(name="a", epochs=True),), "phase 'a': tlkit.Phase.epochs: .*valid integer, received True"),
        ((tlkit.Phase(name="a", epochs=1, learning_rate=-0.1),), "expected a learning rate of at least 0"),
        ((tlkit.Phase(name="a", epochs=1, learning_rate=float("nan")),), "learning_rate: .*finite number"),
        ((tlkit.Phase(name="a", epochs=1, learning_rate=float("inf")),), "learning_rate: .*finite number"),
        ((tlkit.Phase(name="a", epochs=1, batch_norm="off"),), "batch_norm: .*'statistics'"),
        ((tlkit.Phase(name="a", epochs=1, optimizer="adam"),), "tlkit.Phase.optimizer"),
        ((tlkit.Phase(name="a", epochs=1, curve="cosine"),), "tlkit.Phase.curve"),
        ((tlkit.Phase(name="../a", epochs=1),), "expected a name that can be a part of a file's name"),
        ((tlkit.Phase(name="a\x1b[2J", epochs=1),), "expected a name that can be a part of a file's name"),
        ((tlkit.Phase(name="a" * 101, epochs=1),), "expected a name of at most 100 bytes"),
        ((tlkit.Phase(name=1, epochs=1),), "phase 1: tlkit.Phase.name: .*valid string"),
    ],
)
def test_a_schedule_that_breaks_its_contract_is_refused(phases, reason):
    record = tlkit.Schedule(name="mine", summary="", options=tlkit.Options, plan=lambda outline, options: phases)
    with pytest.raises(AssertionError, match=reason):
        check_schedule(record)


def test_phases_without_end_are_refused():
    phases = (tlkit.Phase(name=str(number), epochs=1) for number in itertools.count())
    record = tlkit.Schedule(name="mine", summary="", options=tlkit.Options, plan=lambda outline, options: phases)
    with pytest.raises(tlkit.PluginError, match=r'Schedule\.plan of "mine": returned more than 10,000 items'):
        check_schedule(record)


def test_lists_of_a_plugin_become_tuples_that_it_can_not_change_later():
    blocks, factors = ["block1"], {"block1": 0.5}
    phase = tlkit.Phase(name="a", epochs=1, blocks=blocks, block_factors=factors)
    record = tlkit.Schedule(name="mine", summary="", options=tlkit.Options, plan=lambda outline, options: [phase])
    (planned,) = check_schedule(record)
    blocks.append("block2")
    factors["block1"] = 2.0
    assert (planned.blocks, planned.block_factors) == (("block1",), {"block1": 0.5})


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
