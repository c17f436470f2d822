"""From a recipe's ``[data]`` and ``[input]`` to samples that are decoded, labelled and split."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, zip_longest
from pathlib import Path

import numpy as np

from tlkit.contracts import Dataset, DatasetContext, LabelKind, Sample, SampleSet, SetAside, Split, Task
from tlkit.data.checks.check import Checked, check_samples
from tlkit.data.checks.findings import encodable
from tlkit.data.checks.policy import CheckSettings
from tlkit.data.checks.sample_checks import BAD_NAME, is_encodable
from tlkit.data.sample_set import check_sample_set
from tlkit.data.splits.assign import Splits, assign_splits, groups_of
from tlkit.data.splits.labels import classes_left, label_text, with_classes
from tlkit.data.splits.samples_csv import repeat_splits, within_samples_csv
from tlkit.data.store.store import Progress, Store, fill_store, listing
from tlkit.errors import DataError
from tlkit.recipe.check_table import CheckTable
from tlkit.recipe.schema import InputTable, Selection
from tlkit.system.disk import write_atomically


@dataclass(frozen=True)
class Data:
    """The data of a run.

    Args:
        samples: the usable ones, in the store's order.
        splits: str (N,): ``train``, ``validation``, ``test``, or ``left out``.
        labels: int32 (N,), or float32 (N, classes) multi-hot; None for segmentation.
        store: the images and masks.
        classes: class names.
        label_kind: ``binary`` for two classes of which an image has one.
        colors: class number → (red, green, blue), where the data set has any.
        set_aside: files that can't be used, and why.
        groups: of each sample.
        root: what the keys are relative to.
        notes: what is worth telling the user.
        checked: what the check of the files found; None if they were not checked.
    """

    samples: tuple[Sample, ...]
    splits: np.ndarray
    labels: np.ndarray | None
    store: Store
    classes: tuple[str, ...]
    label_kind: LabelKind
    colors: Mapping[int, tuple[int, int, int]]
    set_aside: tuple[SetAside, ...]
    groups: tuple[str | None, ...]
    root: Path | None
    notes: tuple[str, ...]
    checked: Checked | None = None

    def indices(self, split: Split) -> np.ndarray:
        """The rows of a split, int64, ascending."""
        return np.flatnonzero(self.splits == split).astype(np.int64)

    def class_counts(self, split: Split) -> np.ndarray:
        """How many images, or pixels, of each class a split has; float64 (classes,)."""
        rows = self.indices(split)
        count = len(self.classes)
        if self.labels is None:
            assert self.store.masks is not None
            totals = np.zeros(256, np.int64)
            for row in rows:
                totals += np.bincount(self.store.masks[row].reshape(-1), minlength=256)
            return totals[:count].astype(np.float64)
        if self.labels.ndim == 2:
            return np.asarray(self.labels[rows].sum(0), np.float64)
        return np.bincount(self.labels[rows], minlength=count).astype(np.float64)

    def channel_statistics(self, split: Split) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each channel over all pixels of a split, both float64 (3,), in 0-255."""
        counts = np.zeros((3, 256), np.int64)
        for row in self.indices(split):
            pixels = self.store.images[row].reshape(-1, 3)
            for channel in range(3):
                counts[channel] += np.bincount(pixels[:, channel], minlength=256)
        values, shares = np.arange(256.0), counts / counts.sum(1, keepdims=True)
        mean = shares @ values
        return mean, np.sqrt(shares @ values**2 - mean**2)

    def write_samples_csv(self, path: Path) -> None:
        """Write every file with its split, label and digest; ``samples_csv.read_samples_csv`` reads it back."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(
            [
                "key",
                "path",
                "mask",
                "split",
                "label",
                "group",
                "width",
                "height",
                "digest",
                "image_digest",
                "status",
                "reason",
            ]
        )
        for row, sample in enumerate(self.samples):
            split = str(self.splits[row])
            status = "used" if split != "left out" else "left out"
            height, width = self.store.sizes[row]
            writer.writerow(
                [
                    sample.key,
                    encodable(str(sample.image)) if isinstance(sample.image, Path) else "",
                    encodable(str(sample.mask)) if isinstance(sample.mask, Path) else "",
                    split if status == "used" else "",
                    label_text(sample, self.classes),
                    self.groups[row] or "",
                    width,
                    height,
                    f"sha256:{self.store.digests[row]}",
                    f"sha256:{image}" if (image := self._image_digest(row)) else "",
                    status,
                    "",
                ]
            )
        for each in self.set_aside:
            writer.writerow([each.key, "", "", "", "", "", "", "", "", "", "set aside", each.reason])
        write_atomically(path, text.getvalue())

    def _image_digest(self, row: int) -> str:
        return _image_digest(self.samples[row], self.store.digests[row], self.checked)


def _image_digest(sample: Sample, digest: str, checked: Checked | None) -> str:
    """SHA-256 of the image alone; empty where it is not known without its mask's."""
    if sample.mask is None:
        return digest
    if checked is not None:
        return checked.digests[sample.key]
    try:
        return hashlib.sha256(sample.image.read_bytes()).hexdigest() if isinstance(sample.image, Path) else ""
    except OSError:
        return ""


def open_data(
    dataset: Selection[Dataset],
    table: InputTable,
    *,
    task: Task,
    seed: int,
    folder: Path,
    progress: Progress | None = None,
    minimum_classes: int = 2,
    few: int | None = None,
    keep: bool = False,
    check: CheckTable | None = None,
    checking: Progress | None = None,
) -> Data:
    """Open a data set, decode it into a store and split it.

    Args:
        dataset: the recipe's choice.
        table: the recipe's ``[input]``.
        task: of the recipe.
        seed: of the recipe.
        folder: where the store is written; it must exist.
        progress: told (done, total) while images are decoded.
        minimum_classes: how many classes there must be; a model can be evaluated on one.
        few: decode so many training images alone, the classes in turn, and split nothing; for a look at the data.
        keep: whether decoded images are kept for later runs, and those of earlier runs used.
        check: the recipe's ``[check]``: files are checked before they are decoded; None: they are not.
        checking: told (done, total) while files are checked.

    Raises:
        DataError: the data can't be used, the check found errors, or more files than ``max_bad_share`` are bad.
        PluginError: the data set returned what its contract does not allow.
    """
    name = dataset.record.name
    found = dataset.record.open(DatasetContext(task, seed), dataset.options)
    check_sample_set(found, task, name, minimum_classes)
    if table.samples is not None and few is None:
        found = within_samples_csv(found, table.samples)
    if few is not None:
        found = replace(found, samples=_few(found.samples, few, seed))
        table = table.model_copy(
            update={"validation": 0.0, "test": 0.0, "samples": None, "group_pattern": None, "max_bad_share": 1.0}
        )
    checked, total = None, len(found.samples)
    if check is not None and few is None:
        settings = CheckSettings(table, check, task, seed, minimum_classes)
        checked = check_samples(f'dataset "{name}"', found, settings, progress=checking)
        _limit_bad(checked.set_aside, checked.bad, total, table.max_bad_share, bool(checked.samples))
        checked.raise_errors()
        left = checked.samples
    else:
        left = tuple(each for each in found.samples if few is not None or is_encodable(each, found.classes))
    store, samples, broken, notes = fill_store(
        replace(found, samples=left),
        table.image_size,
        table.resize,
        folder,
        progress,
        keep=keep,
        max_pixels=table.max_pixels,
    )
    if checked is None:
        named = {sample.key for sample in left}
        unnamed = [SetAside(each.key, BAD_NAME) for each in found.samples if each.key not in named]
        broken = (*unnamed, *broken)
    aside = (*(checked.set_aside if checked else ()), *broken)
    _limit_bad(aside, len(broken) + (checked.bad if checked else 0), total, table.max_bad_share, bool(samples))
    labels = _labels(samples, found, task)
    strata = None if labels is None or labels.ndim == 2 else [int(label) for label in labels]
    if table.samples is not None:
        split = repeat_splits(
            table.samples,
            samples,
            store.digests,
            image_digest=lambda row: _image_digest(samples[row], store.digests[row], checked),
            classes=found.classes,
            set_aside=(*found.set_aside, *aside),
        )
    elif checked is not None:
        split = Splits(np.array([checked.splits[sample.key] for sample in samples]), checked.notes)
    else:
        split = assign_splits(samples, strata, table, seed)
    groups = groups_of(samples, table.group_pattern)
    if few is None:
        found, samples = _with_classes_left(found, samples, split)
        labels = _labels(samples, found, task)
        _check_training_images(name, labels, split, found, minimum_classes)
    kind: LabelKind = "single"
    if task == "classification":
        kind = "multi" if found.multi_label else "binary" if len(found.classes) == 2 else "single"
    return Data(
        samples=samples,
        splits=split.splits,
        labels=labels,
        store=store,
        classes=found.classes,
        label_kind=kind,
        colors=found.colors,
        set_aside=tuple(SetAside(encodable(each.key), encodable(each.reason)) for each in (*found.set_aside, *aside)),
        groups=tuple(groups if checked is None else [checked.groups[sample.key] for sample in samples]),
        root=found.root,
        notes=(*notes, *split.notes, *_split_notes(split, labels, found.classes)),
        checked=checked,
    )


def check_data(
    dataset: Selection[Dataset],
    table: InputTable,
    check: CheckTable,
    *,
    task: Task,
    seed: int,
    progress: Progress | None = None,
) -> Checked:
    """Check a data set as ``open_data`` does, and decode nothing into a store.

    Args:
        dataset: the recipe's choice.
        table: the recipe's ``[input]``.
        check: the recipe's ``[check]``.
        task: of the recipe.
        seed: of the recipe.
        progress: told (done, total) files.

    Raises:
        DataError: the data set can't be opened, or the ``samples.csv`` of ``[input]`` can't be read.
        PluginError: the data set returned what its contract does not allow.
    """
    name = dataset.record.name
    found = dataset.record.open(DatasetContext(task, seed), dataset.options)
    if found.samples:
        check_sample_set(found, task, name, minimum_classes=0)
    if table.samples is not None:
        found = within_samples_csv(found, table.samples)
    return check_samples(f'dataset "{name}"', found, CheckSettings(table, check, task, seed), progress=progress)


def _with_classes_left(
    found: SampleSet, samples: Sequence[Sample], split: Splits
) -> tuple[SampleSet, tuple[Sample, ...]]:
    """Without the classes of which no image is left, numbered anew."""
    used = [sample for sample, side in zip(samples, split.splits, strict=True) if side != "left out"]
    left = with_classes(replace(found, samples=tuple(samples)), classes_left(found, used))
    return left, left.samples


def _check_training_images(
    name: str, labels: np.ndarray | None, split: Splits, found: SampleSet, minimum_classes: int
) -> None:
    """Raises DataError where nothing is left to train on, or one class alone."""
    if len(found.classes) < minimum_classes:
        raise DataError(f'dataset "{name}": only one class is left: {", ".join(found.classes)}')
    trained = split.splits == "train"
    if minimum_classes < 2:
        return
    if not trained.any():
        raise DataError(f'dataset "{name}": no image is left to train on')
    if labels is not None and labels.ndim == 1 and len(set(labels[trained].tolist())) < 2:
        only = found.classes[int(labels[trained][0])]
        raise DataError(f'dataset "{name}": all training images are of one class: {only}; at least two are needed')


def _limit_bad(aside: Sequence[SetAside], bad: int, total: int, most: float, any_left: bool) -> None:
    share = bad / total
    if bad and (share > most or not any_left):
        raise DataError(
            f"{bad} of {total} files ({share:.1%}) can't be used, more than input.max_bad_share = {most:.1%} allows:\n"
            f"{encodable(listing(aside))}"
        )


def _few(samples: Sequence[Sample], count: int, seed: int) -> tuple[Sample, ...]:
    by_label: dict[object, list[Sample]] = {}
    for sample in samples:
        if sample.split in (None, "train"):
            by_label.setdefault(sample.label, []).append(replace(sample, split=None, group=None))
    random = np.random.default_rng(seed)
    shuffled = [[each[row] for row in random.permutation(len(each))] for each in by_label.values()]
    turns = chain.from_iterable(zip_longest(*(shuffled[row] for row in random.permutation(len(shuffled)))))
    return tuple(islice((sample for sample in turns if sample is not None), count))


def _labels(samples: Sequence[Sample], found: SampleSet, task: Task) -> np.ndarray | None:
    if task == "segmentation":
        return None
    if found.multi_label:
        labels = np.zeros((len(samples), len(found.classes)), np.float32)
        for row, sample in enumerate(samples):
            labels[row, list(sample.label)] = 1  # type: ignore[arg-type]
        return labels
    return np.array([sample.label for sample in samples], np.int32)


def _split_notes(split: Splits, labels: np.ndarray | None, classes: Sequence[str]) -> list[str]:
    if labels is None:
        return []
    numbers = labels.argmax(1) if labels.ndim == 2 else labels
    trained = set(numbers[split.splits == "train"].tolist())
    lacking = [name for number, name in enumerate(classes) if number not in trained]
    return [f"no training image of {', '.join(lacking[:8])}"] if lacking else []
