"""Repeat the splits of an earlier run's ``samples.csv``, and compare that file with today's data."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tlkit.contracts import Sample, SampleSet, SetAside
from tlkit.data.splits.assign import Splits
from tlkit.data.splits.labels import classes_left, label_text, numbers_of, with_classes
from tlkit.data.splits.split_column import SplitColumn
from tlkit.errors import DataError
from tlkit.files import class_name
from tlkit.runs.samples import SampleRow, SamplesFile
from tlkit.system.text import listed


def repeat_splits(
    file: Path,
    samples: Sequence[Sample],
    digests: Sequence[str],
    *,
    image_digest: Callable[[int], str] | None = None,
    classes: Sequence[str] = (),
    set_aside: Sequence[SetAside] = (),
) -> Splits:
    """Give each sample the split that ``samples.csv`` records; the notes name the files whose bytes changed.

    Args:
        file: the ``samples.csv``.
        samples: all usable samples.
        digests: SHA-256 of each sample's bytes, its mask's included; empty where it is not known.
        image_digest: place in ``samples`` → SHA-256 of the image alone, for samples with masks; empty if not known.
        classes: class names to compare the recorded labels with; empty: don't compare labels.
        set_aside: the files that can't be used, with the reason.

    Raises:
        DataError: the file can't be read, names samples that can't be used, has other labels, or a training file now
            holds what it records as a validation or test image.
    """
    recorded = SamplesFile(file).read_used()
    _check_all_usable(file, recorded, samples, set_aside)
    _check_labels(file, recorded, samples, classes)
    new = [sample.key for sample in samples if sample.key not in recorded]
    notes = [f"left out, because {file} does not have them: {listed(new)}"] if new else []
    held_out = [row for row in recorded.values() if row.split != "train"]
    held_digests = {row.digest for row in held_out} | {row.image_digest for row in held_out}
    changed, leaked = [], []
    for place, (sample, digest) in enumerate(zip(samples, digests, strict=True)):
        row = recorded.get(sample.key)
        if row is None or (digest and row.digest == f"sha256:{digest}"):
            continue
        image = image_digest(place) if image_digest is not None else ""
        other = [
            f"sha256:{now}"
            for before, now in ((row.digest, digest), (row.image_digest, image))
            if before and now and before != f"sha256:{now}"
        ]
        if other:
            changed.append(sample.key)
        if row.split == "train" and held_digests.intersection(other):
            leaked.append(sample.key)
    if leaked:
        raise DataError(
            f"input.samples: images that {file} records as validation or test images have become training images: "
            f"{listed(leaked)}. Metrics on them would be worthless; restore the files"
        )
    if changed:
        notes.append(f"changed since {file} was written: {listed(changed)}")
    splits = (recorded[sample.key].split if sample.key in recorded else "left out" for sample in samples)
    return Splits(SplitColumn.of(splits), tuple(notes))


def drawn_splits(file: Path, samples: Sequence[Sample], splits: SplitColumn) -> SplitColumn:
    """Return the splits with those that ``samples.csv`` records where tlkit draws them; another version draws others.

    Args:
        file: the ``samples.csv``.
        samples: all usable samples.
        splits: the split of each sample.

    Raises:
        DataError: the file can't be read.
    """
    recorded = SamplesFile(file).read_used()
    if {sample.key for sample in samples} != recorded.keys():
        return splits
    return SplitColumn.of(
        recorded[sample.key].split if sample.split in (None, "train") else split
        for sample, split in zip(samples, splits, strict=True)
    )


def _check_all_usable(
    file: Path, recorded: Collection[str], samples: Sequence[Sample], set_aside: Sequence[SetAside]
) -> None:
    usable = {sample.key for sample in samples}
    reasons = {each.key: each.reason for each in set_aside}
    lost = sorted(key for key in recorded if key not in usable)
    missing = [key for key in lost if key not in reasons]
    aside = [f"{key} ({reasons[key]})" for key in lost if key in reasons]
    problems = []
    if missing:
        problems.append(
            f"names samples that are not there ({len(missing)}): {listed(missing)}. Restore them, or delete their lines"
        )
    if aside:
        problems.append(
            f"names samples that are set aside ({len(aside)}): {listed(aside)}. Repair them, or delete their lines"
        )
    if problems:
        raise DataError(f"input.samples: {file} {'; it '.join(problems)}")


def _check_labels(
    file: Path, recorded: Mapping[str, SampleRow], samples: Sequence[Sample], classes: Sequence[str]
) -> None:
    changed = []
    for sample in samples if classes else ():
        now = label_text(sample, classes)
        before = recorded[sample.key].label if sample.key in recorded else ""
        if before and now and class_name(before) != class_name(now):
            changed.append(f"{sample.key} (recorded as {before}, now {now})")
    if changed:
        raise DataError(
            f"input.samples: samples have other labels than in {file} ({len(changed)}): {listed(changed)}. Restore the "
            "labels in the data; or, where the new ones are right, correct them in the file"
        )


def within_samples_csv(sample_set: SampleSet, file: Path) -> SampleSet:
    """Return the sample set without the classes of which ``samples.csv`` has no image, and without their samples.

    A new class would change the numbers of the others, though none of its images is used.

    Raises:
        DataError: the file can't be read.
    """
    recorded = SamplesFile(file).read_used()
    known = [sample for sample in sample_set.samples if sample.key in recorded]
    classes = classes_left(sample_set, known)
    if not known or len(classes) == len(sample_set.classes):
        return sample_set
    new = [
        sample
        for sample in sample_set.samples
        if sample.key not in recorded and not classes.issuperset(numbers_of(sample))
    ]
    new_keys = {sample.key for sample in new}
    samples = tuple(sample for sample in sample_set.samples if sample.key not in new_keys)
    aside = [SetAside(each.key, f"{file} has no image of {label_text(each, sample_set.classes)}") for each in new]
    return with_classes(replace(sample_set, samples=samples, set_aside=(*sample_set.set_aside, *aside)), classes)
