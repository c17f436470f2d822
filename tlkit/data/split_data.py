"""Split and label decoded samples: the last stage of opening data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import compress

import numpy as np

from tlkit.contracts import IGNORE, LabelKind, SampleSet, SetAside, Task
from tlkit.data.checks.check import Checked
from tlkit.data.checks.findings import encodable
from tlkit.data.run_data import Data, image_digest
from tlkit.data.settings import DataSettings
from tlkit.data.splits.assign import Splits, assign_splits, groups_of
from tlkit.data.splits.copies import divided_copies
from tlkit.data.splits.labels import classes_left, strata_of, with_classes
from tlkit.data.splits.repeat import repeat_splits
from tlkit.data.splits.split_column import SplitColumn
from tlkit.data.store.read_digests import image_digests
from tlkit.data.store.store import Filled
from tlkit.errors import DataError
from tlkit.system.text import listed


def split_data(settings: DataSettings, sample_set: SampleSet, filled: Filled, checked: Checked | None) -> Data:
    """Split decoded samples, and drop the classes of which no sample is left.

    Args:
        settings: what the recipe says about its data.
        sample_set: the samples of the data set, before decoding.
        filled: its decoded samples.
        checked: the result of the check of the files; None if they were not checked.

    Raises:
        DataError: the samples can't be split, or too little is left to train on.
    """
    table, samples, digests = settings.input, filled.samples, filled.store.digests
    decoded = replace(sample_set, samples=samples)
    if table.samples is not None:
        splits = repeat_splits(
            table.samples,
            samples,
            digests,
            image_digest=lambda row: image_digest(samples[row], filled.store, checked),
            classes=sample_set.classes,
            set_aside=(*sample_set.set_aside, *filled.set_aside),
        )
    elif checked is not None:
        splits = Splits(SplitColumn.of(checked.splits[sample.key] for sample in samples), checked.notes)
    else:
        strata = strata_of(decoded, samples) if settings.task == "classification" else None
        splits = assign_splits(samples, strata, table, settings.seed)
    if checked is None:
        groups = tuple(groups_of(samples, table.group_pattern))
    else:
        groups = tuple(checked.groups[sample.key] for sample in samples)
    used = compress(samples, splits.splits != "left out")
    if checked is None and table.samples is None and settings.minimum_classes > 1:
        splits = replace(splits, notes=(*splits.notes, *_copies_notes(filled, splits)))
    data = make_data(settings, with_classes(decoded, classes_left(sample_set, used)), filled, splits, groups, checked)
    _check_training_images(settings, data)
    return data


def make_data(
    settings: DataSettings,
    sample_set: SampleSet,
    filled: Filled,
    splits: Splits,
    groups: tuple[str | None, ...],
    checked: Checked | None = None,
) -> Data:
    """Label the decoded samples, and return them with their splits as the data of a run.

    Args:
        settings: what the recipe says about its data.
        sample_set: the decoded samples, in the store's order, with their classes.
        filled: the store.
        splits: the split of each sample.
        groups: the group of each sample; None: in no group.
        checked: the result of the check of the files; None if they were not checked.
    """
    kind: LabelKind = "single"
    if settings.task == "classification":
        kind = "multi" if sample_set.multi_label else "binary" if len(sample_set.classes) == 2 else "single"
    labels = _labels(sample_set, settings.task)
    set_aside = (*sample_set.set_aside, *filled.set_aside)
    return Data(
        samples=sample_set.samples,
        splits=splits.splits,
        labels=labels,
        store=filled.store,
        classes=sample_set.classes,
        label_kind=kind,
        colors=sample_set.colors,
        set_aside=tuple(SetAside(encodable(each.key), encodable(each.reason)) for each in set_aside),
        groups=groups,
        root=sample_set.root,
        notes=(
            *sample_set.notes,
            *filled.notes,
            *splits.notes,
            *_untrained_classes(splits, labels, sample_set.classes),
        ),
        checked=checked,
        value_range=settings.reading.value_range,
    )


def _labels(sample_set: SampleSet, task: Task) -> np.ndarray | None:
    if task == "segmentation":
        return None
    if sample_set.multi_label:
        labels = np.zeros((len(sample_set.samples), len(sample_set.classes)), np.float32)
        for row, sample in enumerate(sample_set.samples):
            labels[row, list(sample.label)] = 1  # type: ignore[arg-type]
        return labels
    numbers = (sample.label for sample in sample_set.samples)
    return np.fromiter(numbers, np.int32, len(sample_set.samples))


def _untrained_classes(splits: Splits, labels: np.ndarray | None, classes: Sequence[str]) -> list[str]:
    """Return a note that names the classes without a training image, if there are any."""
    if labels is None:
        return []
    of_training = labels[splits.splits == "train"]
    trained = of_training.any(0) if labels.ndim == 2 else np.bincount(of_training, minlength=len(classes)) > 0
    untrained = [name for name, has_image in zip(classes, trained, strict=True) if not has_image]
    return [f"no training image of {listed(untrained)}"] if untrained else []


def _copies_notes(filled: Filled, splits: Splits) -> list[str]:
    """Return notes about copies that no check has found."""
    samples, digests = filled.samples, image_digests(filled.store.read, (each.key for each in filled.samples))
    numbers: dict[object, int] = {}
    of_split, of_label = (
        np.fromiter((numbers.setdefault(each, len(numbers)) for each in every), np.int32, len(samples))
        for every in (splits.splits, (each.label for each in samples))
    )
    unused = splits.splits == "left out"
    of_split[unused] = of_label[unused] = -1
    notes = []
    for what, sides in (("splits, which makes metrics too good", of_split), ("classes", of_label)):
        copies = divided_copies(samples, sides, digests, lambda row: filled.store.images[row])
        if copies:
            notes.append(f"copies in several {what}: {copies}; tlkit check finds them")
    return notes


def _check_training_images(settings: DataSettings, data: Data) -> None:
    """Check that enough is left to train on.

    Raises:
        DataError: no training image is left, all are of one class, or every pixel of their masks is ignored.
    """
    if len(data.classes) < settings.minimum_classes:
        raise DataError(f"{settings.title}: only one class is left: {', '.join(data.classes)}")
    if settings.minimum_classes < 2:
        return
    trained = data.splits == "train"
    if not trained.any():
        raise DataError(f"{settings.title}: no image is left to train on")
    masks = data.store.masks
    if masks is not None and data.labels is None and all((masks[row] == IGNORE).all() for row in data.indices("train")):
        raise DataError(f"{settings.title}: every pixel of the training masks is ignored, so there is nothing to learn")
    if data.labels is not None and data.labels.ndim == 1 and len(set(data.labels[trained].tolist())) < 2:
        only = data.classes[int(data.labels[trained][0])]
        raise DataError(f"{settings.title}: all training images are of one class: {only}; at least two are needed")
