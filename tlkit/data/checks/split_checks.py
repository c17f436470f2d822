"""Split the samples as a run would, and check that enough is left to train on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tlkit.contracts import Sample, SampleSet, SetAside
from tlkit.data.checks.class_checks import remaining_classes
from tlkit.data.checks.facts import Facts
from tlkit.data.checks.policy import CheckSettings, Observation, Tally
from tlkit.data.images.source import RowMask, file_of, mask_of
from tlkit.data.splits.assign import groups_of
from tlkit.data.splits.labels import label_text, strata_of
from tlkit.data.splits.picture_splits import assign_with_pictures
from tlkit.data.splits.repeat import repeat_splits
from tlkit.data.splits.split_column import SplitColumn
from tlkit.errors import DataError
from tlkit.runs.samples import SampleRow, SamplesFile
from tlkit.system.columns import Places
from tlkit.system.keyed import Keyed

LEFT_OUT = "left out"


@dataclass(frozen=True)
class Assignment:
    """The split and the group of each sample; empty where the split can't be made.

    Args:
        splits: sample key → split, or ``LEFT_OUT`` for samples that the earlier run's ``samples.csv`` lacks.
        groups: sample key → group.
        notes: what the user should know about the split.
    """

    splits: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str | None] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_written(file: Path | None, sample_set: SampleSet) -> tuple[Mapping[str, SampleRow] | None, list[Observation]]:
    """Read the ``samples.csv`` of an earlier run; None where the recipe names none, or it can't be read."""
    if file is None:
        return None, []
    try:
        return SamplesFile(file).read_used(), []
    except DataError as error:
        return None, [_split_error(sample_set, str(error))]


def split_samples(
    sample_set: SampleSet,
    samples: Sequence[Sample],
    settings: CheckSettings,
    written: Mapping[str, SampleRow] | None,
    pictures: Mapping[str, int],
) -> tuple[Assignment, list[Observation]]:
    """Assign each sample to a split, as a run would.

    Args:
        sample_set: the sample set.
        samples: the samples that are left.
        settings: the recipe's settings.
        written: the earlier run's ``samples.csv``, if the recipe names one that can be read.
        pictures: sample key → number of its picture, for the samples that share one with another.
    """
    if not samples:
        return Assignment(), []
    keys = Places(each.key for each in samples)
    try:
        if settings.input.samples is not None:
            known = written or {}
            groups = groups_of(samples, settings.input.group_pattern)
            splits = SplitColumn.of(known[key].split if key in known else LEFT_OUT for key in keys)
            notes: tuple[str, ...] = ()
        else:
            strata = strata_of(sample_set, samples) if settings.task == "classification" else None
            together = {
                each.key: pictures[each.key]
                for each in samples
                if each.key in pictures and file_of(each.image) is not None
            }
            made, groups = assign_with_pictures(
                samples, strata, settings.input, settings.seed, together if settings.policy.group_duplicates else {}
            )
            splits, notes = made.splits, made.notes
    except DataError as error:
        return Assignment(), [_split_error(sample_set, str(error))]
    return Assignment(Keyed(keys, splits), Keyed(keys, groups), notes), []


def compare_with_written(
    sample_set: SampleSet, tally: Tally, file: Path, images: Mapping[str, Facts]
) -> tuple[tuple[str, ...], list[Observation]]:
    """Compare the samples that are left with the earlier run's ``samples.csv``; return notes, or what is wrong.

    Args:
        sample_set: the sample set.
        tally: the findings so far.
        file: the ``samples.csv``.
        images: sample key → facts of its image.
    """
    left = tally.left
    excluded = [SetAside(key, reason) for key, reason in tally.excluded.items()]
    try:
        repeated = repeat_splits(
            file,
            left,
            [_digest(each, sample_set, images) for each in left],
            image_digest=lambda place: images[left[place].key].digest,
            classes=sample_set.classes,
            set_aside=[*sample_set.set_aside, *excluded],
        )
    except DataError as error:
        return (), [_split_error(sample_set, str(error))]
    return repeated.notes, []


def remainder_observations(
    sample_set: SampleSet, tally: Tally, splits: Mapping[str, str], settings: CheckSettings
) -> Iterator[Observation]:
    """Yield why the samples that are left can't be trained on.

    Args:
        sample_set: the sample set.
        tally: the findings so far.
        splits: sample key → split; empty where the split can't be made.
        settings: the recipe's settings.
    """
    root, total, bad, left = _root(sample_set), len(sample_set.samples), tally.unusable, tally.left
    if bad and bad > settings.input.max_bad_share * total:
        limit = f"input.max_bad_share = {settings.input.max_bad_share:.1%}"
        yield Observation("bad_share", root, f"{bad} of {total} files ({bad / total:.1%}), more than {limit} allows")
    if not left:
        first = next(iter(tally.excluded.items()), None)
        example = f"none of {total} images can be used, such as {first[0]}: {first[1]}" if first else ""
        yield Observation("no_images", root, example)
        return
    remaining = remaining_classes(sample_set, left, splits)
    if len(remaining) < settings.minimum_classes:
        lost = [name for number, name in enumerate(sample_set.classes) if number not in remaining]
        detail = ", ".join(sample_set.classes[number] for number in sorted(remaining))
        yield Observation(
            "one_class", root, detail + (f"; no image of {', '.join(lost[:8])} can be used" if lost else "")
        )
    elif splits and settings.minimum_classes > 1:
        yield from _training_observations(sample_set, [each for each in left if splits[each.key] == "train"], settings)


def _training_observations(
    sample_set: SampleSet, trained: Sequence[Sample], settings: CheckSettings
) -> Iterator[Observation]:
    if not trained:
        yield _split_error(sample_set, "no image is left to train on")
    elif settings.task == "classification" and not sample_set.multi_label and len({each.label for each in trained}) < 2:
        yield Observation(
            "one_class", _root(sample_set), f"all training images are of {label_text(trained[0], sample_set.classes)}"
        )


def _digest(sample: Sample, sample_set: SampleSet, images: Mapping[str, Facts]) -> str:
    """Return the digest that ``Store.digests`` has for a sample; empty for masks in arrays."""
    if sample.mask is None:
        return images[sample.key].digest
    image, mask = file_of(sample.image), mask_of(sample, sample_set)
    if image is None or isinstance(mask, RowMask | None):
        return ""
    try:
        return hashlib.sha256(image.read_bytes() + mask.read()).hexdigest()
    except (OSError, DataError):
        return ""


def _split_error(sample_set: SampleSet, message: str) -> Observation:
    return Observation("split", _root(sample_set), message)


def _root(sample_set: SampleSet) -> str:
    return str(sample_set.root or "the data set")
