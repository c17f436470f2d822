"""Check every file of a data set before training: which can't be used, which are odd, which show the same picture."""

from __future__ import annotations

import time
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, get_args

from tlkit.contracts import Sample, SampleSet, SetAside, Split, image_text
from tlkit.data.checks.class_checks import class_observations, class_table
from tlkit.data.checks.facts_cache import FactsCache
from tlkit.data.checks.findings import Report, in_order
from tlkit.data.checks.folder_check import FileCounts, FolderCheck
from tlkit.data.checks.format_checks import lone_formats
from tlkit.data.checks.frames import frame_observations, frame_runs
from tlkit.data.checks.mask_previews import MaskPreviews, mask_previews
from tlkit.data.checks.palette_checks import palette_observations
from tlkit.data.checks.picture_checks import by_picture, conflicts, leaks, repeats, shared_pictures
from tlkit.data.checks.policy import CheckSettings, Tally
from tlkit.data.checks.sample_checks import mask_observations, sample_observations
from tlkit.data.checks.sample_facts import SampleFacts, read_sample_facts
from tlkit.data.checks.split_checks import (
    LEFT_OUT,
    Assignment,
    compare_with_written,
    read_written,
    remainder_observations,
    split_samples,
)
from tlkit.data.checks.spread_facts import SpreadFacts
from tlkit.data.checks.value_range import ValueRange, range_note, range_observations, range_of
from tlkit.data.splits.assign import groups_of
from tlkit.data.store.store import Early, Progress
from tlkit.errors import DataError
from tlkit.system.columns import Places
from tlkit.system.keyed import Keyed, Mapped

_LISTED = 20


@dataclass(frozen=True)
class Checked:
    """A sample set after its check.

    Args:
        report: what was found.
        samples: the samples to use, in the sample set's order.
        set_aside: the samples that the check sets aside, with the reason.
        bad: the number of samples set aside that no policy allows, such as damaged images.
        splits: sample key → split, of the samples to use; empty where an earlier run's ``samples.csv`` decides.
        groups: sample key → group, of the samples to use.
        digests: sample key → SHA-256 of the image's bytes, in hexadecimal, of all samples; empty if it can't be read.
        mask_digests: the same for masks that are files or are drawn.
        kept: the number of files that were not read, because an earlier check had read them.
        fresh: sample key → SHA-256 of its image, of the images whose files this check read.
        notes: what the user should know about the split, and about the range of values.
        value_range: the range that the training images use; None if none has more than 8 bits per channel.
    """

    report: Report
    samples: tuple[Sample, ...]
    set_aside: tuple[SetAside, ...]
    bad: int
    splits: Mapping[str, str]
    groups: Mapping[str, str | None]
    digests: Mapping[str, str]
    mask_digests: Mapping[str, str]
    kept: int
    fresh: Mapping[str, str]
    notes: tuple[str, ...]
    value_range: ValueRange | None = None

    def raise_errors(self) -> None:
        """Raise an error if the policy calls any finding an error.

        Raises:
            DataError: there are such findings; the message lists them.
        """
        errors = self.report.of("error")
        if errors:
            lines = replace(self.report, findings=tuple(errors)).lines(_LISTED)
            raise DataError("\n".join([f"{self.report.name}: the check of the data found errors:", *lines]))


@dataclass(frozen=True)
class _Outcome:
    """What the stages of a check returned."""

    facts: SampleFacts
    tally: Tally
    assignment: Assignment
    files: FileCounts
    classes: Mapping[str, Mapping[str, float]]
    notes: tuple[str, ...]


def check_samples(
    name: str,
    sample_set: SampleSet,
    settings: CheckSettings,
    *,
    facts_cache: FactsCache | None = None,
    progress: Progress | None = None,
    early: Early | None = None,
    spread: SpreadFacts | None = None,
) -> Checked:
    """Check a sample set by the recipe's policy. No file is moved, changed or deleted.

    Args:
        name: the name of the data, for the report.
        sample_set: the sample set.
        settings: the recipe's settings.
        facts_cache: the facts from earlier checks; None for those in the user's cache folder.
        progress: called with (done, total) files.
        early: where to keep images that are decoded to the model's size meanwhile; None: they are not.
        spread: the workers of a cluster that read the files; None: this process does, and its own.
    """
    began = time.monotonic()
    table, policy = settings.input, settings.policy
    folder = FolderCheck(sample_set, settings.task)
    cached = facts_cache or FactsCache.of_user()
    facts = read_sample_facts(sample_set, settings.reading, cached, progress, early=early, spread=spread)
    tally = _of_files(sample_set, facts, folder, settings)
    written, errors = read_written(table.samples, sample_set)
    tally = tally.add(errors)
    # Samples that the earlier run lacks are left out, so they can't be copies of others.
    compared = [each for each in tally.left if written is None or each.key in written]
    pictures = shared_pictures(compared, facts.images, policy.near)
    tally = tally.add(conflicts(by_picture(compared, pictures), facts.images, sample_set, settings.reading))

    assignment, errors = split_samples(sample_set, tally.left, settings, written, pictures)
    tally, splits = tally.add(errors), assignment.splits
    tally = tally.add(leaks(by_picture(tally.left, pictures), facts.images, splits))
    tally = _add_repeats(tally, by_picture(tally.left, pictures), facts, splits, table.group_pattern)
    tally = tally.add(class_observations(sample_set, tally.left, splits, facts.masks, settings))

    notes = assignment.notes
    if table.samples is not None and written is not None and tally.left:
        notes, errors = compare_with_written(sample_set, tally, table.samples, facts.images)
        tally = tally.add(errors)
    tally = tally.add(remainder_observations(sample_set, tally, splits, settings))

    tally = tally.add(range_observations(tally.left, facts.images, table.value_range))
    training = (each.key for each in tally.left if splits.get(each.key) == "train")
    used_values = [values for key in training if (values := facts.images.kind(key).values)]
    value_range = range_of(used_values)
    notes += range_note(table.value_range, value_range, used_values)
    classes = class_table(sample_set, tally.left, splits, facts.masks, settings.task)
    outcome = _Outcome(facts, tally, assignment, folder.count(tally.excluded), classes, notes)
    chosen = value_range if table.value_range == "auto" else table.value_range
    reading = replace(settings.reading, value_range=chosen)
    shown = mask_previews(sample_set, tally.left, splits, facts.images, facts.masks, reading)
    checked = _checked(name, outcome, shown, repeated=table.samples is not None, seconds=time.monotonic() - began)
    report = replace(checked.report, reading=reading)
    return replace(checked, report=report, value_range=value_range)


def _of_files(sample_set: SampleSet, facts: SampleFacts, folder: FolderCheck, settings: CheckSettings) -> Tally:
    """Return what is found by looking at each file alone."""
    policy = settings.policy
    reads_exif = settings.input.orientation == "exif"
    tally = Tally(sample_set.samples, policy)
    tally = tally.add(sample_observations(sample_set, facts, policy.tiny_side, reads_exif=reads_exif))
    tally = tally.add(palette_observations(sample_set, facts.masks))
    tally = tally.add(lone_formats(sample_set.samples, facts.images))
    tally = tally.add(folder.observations())
    return tally.add(mask_observations(sample_set)) if settings.task == "classification" else tally


def _add_repeats(
    tally: Tally,
    shared: Sequence[Sequence[Sample]],
    facts: SampleFacts,
    splits: Mapping[str, str],
    group_pattern: str | None,
) -> Tally:
    """Add the pictures that occur several times in one class and split, and the sequences of near-copies.

    Frames of a video are not duplicates to leave out, unless the policy has something done about duplicates.
    """
    samples = tally.left
    runs = frame_runs(shared, samples, facts.images)
    if tally.policy.duplicate == "keep":
        tally = tally.add(repeats([each for n, each in enumerate(shared) if n not in runs], facts.images, splits))
    else:
        tally = tally.add(repeats(shared, facts.images, splits))
    groups: dict[str, str | None] = {}
    with suppress(DataError):  # a pattern that matches nothing is a finding of its own
        groups = dict(zip((each.key for each in samples), groups_of(samples, group_pattern), strict=True))
    return tally.add(frame_observations([run for each in runs.values() for run in each], samples, groups))


def _checked(name: str, outcome: _Outcome, shown: MaskPreviews | None, *, repeated: bool, seconds: float) -> Checked:
    tally, files, assignment = outcome.tally, outcome.files, outcome.assignment
    left = tally.left
    sides = Counter(assignment.splits.get(each.key, LEFT_OUT) for each in left)
    report = Report(
        name=name,
        findings=in_order(tally.findings),
        found=files.used + len(files.set_aside) + files.left_out,
        used=files.used,
        set_aside=files.set_aside,
        left_out=files.left_out,
        splits={side: sides[side] for side in (*get_args(Split), LEFT_OUT) if side in sides},
        classes=outcome.classes,
        read=outcome.facts.read,
        seconds=seconds,
        files=_image_files(tally.samples, outcome.facts.images.places),
        masks=shown,
    )
    return Checked(
        report=report,
        samples=tuple(left),
        set_aside=tuple(SetAside(key, reason) for key, reason in tally.excluded.items()),
        bad=tally.unusable,
        splits={} if repeated or not assignment.splits else _of_these(left, assignment.splits),
        groups=_of_these(left, assignment.groups),
        digests=outcome.facts.images.digests(),
        mask_digests=outcome.facts.masks.digests(),
        kept=outcome.facts.kept,
        fresh=outcome.facts.fresh,
        notes=outcome.notes,
    )


def _of_these(samples: Sequence[Sample], values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return key → value of some of the keys; of the others None."""
    if len(samples) == len(values):
        return values
    keys = Places(each.key for each in samples)
    return Keyed(keys, [values.get(key) for key in keys])


def _image_files(samples: Sequence[Sample], keys: Places) -> Mapping[str, str]:
    """Return sample key → path of its image, of the images that are files."""
    rows = array("q", (row if image_text(each) is not None else -1 for row, each in enumerate(samples)))
    return Keyed(keys, Mapped(_image_file, samples), rows if -1 in rows else None)


def _image_file(sample: Sample) -> str:
    return image_text(sample) or ""
