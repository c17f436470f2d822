"""Open, check, decode and split the data that a recipe names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, zip_longest
from pathlib import Path

import numpy as np

from tlkit.contracts import Dataset, DatasetContext, LabelKind, Sample, SampleSet, SetAside, Task
from tlkit.data.checks.check import Checked, check_samples
from tlkit.data.checks.findings import encodable
from tlkit.data.checks.policy import CheckSettings
from tlkit.data.checks.sample_checks import BAD_NAME, is_encodable
from tlkit.data.run_data import Data, image_digest
from tlkit.data.sample_set import check_sample_set, set_aside_lines
from tlkit.data.splits.assign import Splits, assign_splits, groups_of
from tlkit.data.splits.labels import classes_left, with_classes
from tlkit.data.splits.repeat import repeat_splits, within_samples_csv
from tlkit.data.store.decoding import Decoding
from tlkit.data.store.store import Filled, Progress, fill_store
from tlkit.errors import DataError
from tlkit.recipe.check_table import CheckTable
from tlkit.recipe.schema import InputTable, Selection
from tlkit.system.text import listed


@dataclass(frozen=True)
class DataSettings:
    """What a recipe says about its data.

    Args:
        dataset: the data set and its options.
        input: the recipe's ``[input]``.
        task: the recipe's task.
        seed: the recipe's seed.
        check: the recipe's ``[check]``; None: don't check the files before they are decoded.
        minimum_classes: how many classes the data must have; a model can be evaluated on one.
    """

    dataset: Selection[Dataset]
    input: InputTable
    task: Task
    seed: int
    check: CheckTable | None = None
    minimum_classes: int = 2

    @property
    def title(self) -> str:
        """The data set as messages name it."""
        return f'dataset "{self.dataset.record.name}"'

    @property
    def decoding(self) -> Decoding:
        """How images come to the model's size."""
        return Decoding(self.input.image_size, self.input.resize, self.input.max_pixels)


def open_data(
    settings: DataSettings,
    folder: Path,
    *,
    cache: bool = False,
    progress: Progress | None = None,
    checking: Progress | None = None,
) -> Data:
    """Open a data set, check its files, decode them into a store and split them.

    Args:
        settings: what the recipe says about its data.
        folder: where to write the store; it must exist.
        cache: cache decoded images for later runs, and use those that earlier runs cached.
        progress: called with (done, total) while images are decoded.
        checking: called with (done, total) while files are checked.

    Raises:
        DataError: the data can't be used, the check found errors, or more files than ``input.max_bad_share`` are bad.
        PluginError: the data set broke its contract.
    """
    sample_set = _open_samples(settings)
    usable = _check(settings, sample_set, checking)
    filled = _fill(settings, sample_set, usable, folder, cache, progress)
    return _split(settings, sample_set, filled, usable.checked)


def open_few(settings: DataSettings, count: int, folder: Path, progress: Progress | None = None) -> Data:
    """Decode a few training images for a look at the data, taking the classes in turn. Nothing is checked or split.

    Args:
        settings: what the recipe says about its data.
        count: how many images to decode.
        folder: where to write the store; it must exist.
        progress: called with (done, total) while images are decoded.

    Raises:
        DataError: none of the images can be decoded.
        PluginError: the data set broke its contract.
    """
    found = _open(settings)
    few = replace(found, samples=_in_turn(found.samples, count, settings.seed))
    filled = fill_store(few, settings.decoding, folder, progress=progress)
    if not filled.samples:
        problems = f":\n{set_aside_lines(filled.set_aside)}" if filled.set_aside else ""
        raise DataError(f"{settings.title}: no training image can be used{problems}")
    splits = Splits(np.full(len(filled.samples), "train"))
    return _data(settings, replace(few, samples=filled.samples), filled, splits, [None] * len(filled.samples))


def check_data(settings: DataSettings, progress: Progress | None = None) -> Checked:
    """Check a data set as ``open_data`` does, without decoding it into a store.

    Args:
        settings: what the recipe says about its data, with a ``[check]``.
        progress: called with (done, total) files.

    Raises:
        DataError: the data set can't be opened, or ``input.samples`` can't be read.
        PluginError: the data set broke its contract.
    """
    return _checked(settings, _open_samples(replace(settings, minimum_classes=0)), progress)


@dataclass(frozen=True)
class _Usable:
    """The samples that may be decoded.

    Args:
        samples: the samples, in the sample set's order.
        set_aside: the others, with the reason.
        bad: how many of those count against ``input.max_bad_share``.
        checked: the result of the check of the files; None if they were not checked.
    """

    samples: tuple[Sample, ...]
    set_aside: tuple[SetAside, ...]
    bad: int
    checked: Checked | None = None


def _open(settings: DataSettings) -> SampleSet:
    dataset = settings.dataset
    found = dataset.record.open(DatasetContext(settings.task, settings.seed), dataset.options)
    check_sample_set(found, settings.task, dataset.record.name, settings.minimum_classes)
    return found


def _open_samples(settings: DataSettings) -> SampleSet:
    """Open a data set, without the classes that the ``samples.csv`` of ``input.samples`` does not have."""
    found = _open(settings)
    return found if settings.input.samples is None else within_samples_csv(found, settings.input.samples)


def _check(settings: DataSettings, found: SampleSet, progress: Progress | None) -> _Usable:
    if settings.check is None:
        usable = tuple(each for each in found.samples if is_encodable(each, found.classes))
        keys = {sample.key for sample in usable}
        unnamed = tuple(SetAside(each.key, BAD_NAME) for each in found.samples if each.key not in keys)
        return _Usable(usable, unnamed, len(unnamed))
    checked = _checked(settings, found, progress)
    _limit_bad(settings, found, checked.set_aside, checked.bad, any_left=bool(checked.samples))
    checked.raise_errors()
    return _Usable(checked.samples, checked.set_aside, checked.bad, checked)


def _checked(settings: DataSettings, found: SampleSet, progress: Progress | None) -> Checked:
    assert settings.check is not None
    check = CheckSettings(settings.input, settings.check, settings.task, settings.seed, settings.minimum_classes)
    return check_samples(settings.title, found, check, progress=progress)


def _fill(
    settings: DataSettings, found: SampleSet, usable: _Usable, folder: Path, cache: bool, progress: Progress | None
) -> Filled:
    """Decode the usable samples; the result's ``set_aside`` also has those that were set aside before."""
    filled = fill_store(
        replace(found, samples=usable.samples), settings.decoding, folder, cache=cache, progress=progress
    )
    set_aside = (*usable.set_aside, *filled.set_aside)
    bad = usable.bad + len(filled.set_aside)
    _limit_bad(settings, found, set_aside, bad, any_left=bool(filled.samples))
    return filled._replace(set_aside=set_aside)


def _split(settings: DataSettings, found: SampleSet, filled: Filled, checked: Checked | None) -> Data:
    table, samples, digests = settings.input, filled.samples, filled.store.digests
    decoded = replace(found, samples=samples)
    if table.samples is not None:
        splits = repeat_splits(
            table.samples,
            samples,
            digests,
            image_digest=lambda row: image_digest(samples[row], digests[row], checked),
            classes=found.classes,
            set_aside=(*found.set_aside, *filled.set_aside),
        )
    elif checked is not None:
        splits = Splits(np.array([checked.splits[sample.key] for sample in samples]), checked.notes)
    else:
        labels = _labels(decoded, settings.task)
        strata = None if labels is None or labels.ndim == 2 else labels.tolist()
        splits = assign_splits(samples, strata, table, settings.seed)
    if checked is None:
        groups = groups_of(samples, table.group_pattern)
    else:
        groups = [checked.groups[sample.key] for sample in samples]
    used = [sample for sample, split in zip(samples, splits.splits, strict=True) if split != "left out"]
    data = _data(settings, with_classes(decoded, classes_left(found, used)), filled, splits, groups, checked)
    _check_training_images(settings, data)
    return data


def _data(
    settings: DataSettings,
    found: SampleSet,
    filled: Filled,
    splits: Splits,
    groups: Sequence[str | None],
    checked: Checked | None = None,
) -> Data:
    """Put the data of a run together; ``found`` has the decoded samples alone, in the store's order."""
    kind: LabelKind = "single"
    if settings.task == "classification":
        kind = "multi" if found.multi_label else "binary" if len(found.classes) == 2 else "single"
    labels = _labels(found, settings.task)
    set_aside = (*found.set_aside, *filled.set_aside)
    return Data(
        samples=found.samples,
        splits=splits.splits,
        labels=labels,
        store=filled.store,
        classes=found.classes,
        label_kind=kind,
        colors=found.colors,
        set_aside=tuple(SetAside(encodable(each.key), encodable(each.reason)) for each in set_aside),
        groups=tuple(groups),
        root=found.root,
        notes=(*filled.notes, *splits.notes, *_untrained_classes(splits, labels, found.classes)),
        checked=checked,
    )


def _labels(found: SampleSet, task: Task) -> np.ndarray | None:
    if task == "segmentation":
        return None
    if found.multi_label:
        labels = np.zeros((len(found.samples), len(found.classes)), np.float32)
        for row, sample in enumerate(found.samples):
            labels[row, list(sample.label)] = 1  # type: ignore[arg-type]
        return labels
    return np.array([sample.label for sample in found.samples], np.int32)


def _untrained_classes(splits: Splits, labels: np.ndarray | None, classes: Sequence[str]) -> list[str]:
    """Return a note that names the classes without a training image, if there are any."""
    if labels is None:
        return []
    numbers = labels.argmax(1) if labels.ndim == 2 else labels
    trained = set(numbers[splits.splits == "train"].tolist())
    untrained = [name for number, name in enumerate(classes) if number not in trained]
    return [f"no training image of {listed(untrained)}"] if untrained else []


def _check_training_images(settings: DataSettings, data: Data) -> None:
    """Check that enough is left to train on.

    Raises:
        DataError: no training image is left, or all are of one class.
    """
    if len(data.classes) < settings.minimum_classes:
        raise DataError(f"{settings.title}: only one class is left: {', '.join(data.classes)}")
    if settings.minimum_classes < 2:
        return
    trained = data.splits == "train"
    if not trained.any():
        raise DataError(f"{settings.title}: no image is left to train on")
    if data.labels is not None and data.labels.ndim == 1 and len(set(data.labels[trained].tolist())) < 2:
        only = data.classes[int(data.labels[trained][0])]
        raise DataError(f"{settings.title}: all training images are of one class: {only}; at least two are needed")


def _limit_bad(
    settings: DataSettings, found: SampleSet, set_aside: Sequence[SetAside], bad: int, *, any_left: bool
) -> None:
    """Check that some samples are left, and that no more are bad than ``input.max_bad_share`` allows."""
    total, limit = len(found.samples), settings.input.max_bad_share
    lines = encodable(set_aside_lines(set_aside))
    if bad and bad / total > limit:
        share = f"{bad} of {total} files ({bad / total:.1%})"
        raise DataError(f"{share} can't be used, more than input.max_bad_share = {limit:.1%} allows:\n{lines}")
    if bad and not any_left:
        raise DataError(f"{settings.title}: none of {total} samples can be used:\n{lines}")


def _in_turn(samples: Sequence[Sample], count: int, seed: int) -> tuple[Sample, ...]:
    """Draw training samples from all classes in turn, at most ``count``."""
    by_label: dict[object, list[Sample]] = {}
    for sample in samples:
        if sample.split in (None, "train"):
            by_label.setdefault(sample.label, []).append(replace(sample, split=None, group=None))
    random = np.random.default_rng(seed)
    shuffled = [[each[row] for row in random.permutation(len(each))] for each in by_label.values()]
    turns = chain.from_iterable(zip_longest(*(shuffled[row] for row in random.permutation(len(shuffled)))))
    return tuple(islice((sample for sample in turns if sample is not None), count))
