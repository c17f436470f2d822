"""Open, check, decode and split the data that a recipe names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import chain, islice, repeat, zip_longest
from pathlib import Path

import numpy as np

from tlkit.contracts import DatasetContext, Sample, SampleSet, SetAside
from tlkit.data.checks.changed_files import changed_samples
from tlkit.data.checks.check import Checked, check_samples
from tlkit.data.checks.facts_cache import FactsCache
from tlkit.data.checks.findings import encodable
from tlkit.data.checks.policy import CheckSettings
from tlkit.data.checks.sample_checks import BAD_NAME, is_encodable
from tlkit.data.checks.spread_facts import SpreadFacts
from tlkit.data.class_names import with_composed_names
from tlkit.data.full_size import FullSize
from tlkit.data.images.reading import Reading
from tlkit.data.outside import with_outside_note
from tlkit.data.recipe_range import with_range
from tlkit.data.remote_options import with_local_paths
from tlkit.data.run_data import Data
from tlkit.data.sample_set import check_sample_set, set_aside_lines
from tlkit.data.settings import DataSettings
from tlkit.data.split_data import make_data, split_data
from tlkit.data.splits.assign import Splits
from tlkit.data.splits.repeat import within_samples_csv
from tlkit.data.splits.split_column import SplitColumn
from tlkit.data.store.store import Early, Filled, Progress, fill_store, open_early
from tlkit.errors import DataError
from tlkit.runs.samples import SamplesFile
from tlkit.system.remote_names import naming_remote_files
from tlkit.system.text import listed

_ATTEMPTS = 3
"""Checks of the files, where some change between their check and their decoding."""
_LOOKED_AT = 200
"""Images that give the range of values for a look at the data."""


def open_data(
    settings: DataSettings,
    folder: Path,
    *,
    cache: bool = False,
    progress: Progress | None = None,
    checking: Progress | None = None,
    sample_set: SampleSet | None = None,
) -> Data:
    """Open a data set, check its files, decode them into a store and split them.

    Args:
        settings: what the recipe says about its data.
        folder: where to write the store; it must exist.
        cache: cache decoded images for later runs, and use those that earlier runs cached.
        progress: called with (done, total) while images are decoded.
        checking: called with (done, total) while files are checked.
        sample_set: the samples to use, if they were opened before with ``open_samples``.

    Raises:
        DataError: the data can't be used, the check found errors, or more files than ``input.max_bad_share`` are bad.
        PluginError: the data set broke its contract.
    """
    sample_set = open_samples(settings) if sample_set is None else sample_set
    notes: list[str] = []
    for _ in range(_ATTEMPTS):
        with _early(settings, sample_set, folder, cache) as early:
            usable = _check(settings, sample_set, checking, reread=bool(notes), early=early)
            ranged, range_notes = with_range(settings, sample_set, usable.samples, usable.checked)
            filled = _fill(ranged, sample_set, usable, folder, cache, progress, early)
        changed = (
            changed_samples(sample_set, usable.checked, filled.store.read, ranged.reading) if usable.checked else []
        )
        if not changed:
            break
        notes = [f"all files were checked again, because these were not those that had been checked: {listed(changed)}"]
    else:
        raise DataError(f"{settings.title}: files change while they are read: {listed(changed)}. Wait until they stay")
    data = split_data(ranged, sample_set, filled, usable.checked)
    if not any(note.startswith("input.value_range") for note in data.notes):
        notes += range_notes
    return replace(data, notes=(*data.notes, *notes))


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
    sample_set = _open(settings)
    few = replace(sample_set, samples=_in_turn(sample_set.samples, count, settings.seed))
    looked_at = _in_turn(sample_set.samples, max(count, _LOOKED_AT), settings.seed)
    settings, _ = with_range(settings, sample_set, looked_at)
    filled = fill_store(few, settings.decoding, folder, progress=progress)
    if not filled.samples:
        problems = f":\n{set_aside_lines(filled.set_aside)}" if filled.set_aside else ""
        raise DataError(f"{settings.title}: no training image can be used{problems}")
    splits = Splits(SplitColumn.of(repeat("train", len(filled.samples))))
    return make_data(settings, replace(few, samples=filled.samples), filled, splits, (None,) * len(filled.samples))


def open_full_size(settings: DataSettings, progress: Progress | None = None) -> FullSize:
    """Open a data set, and split it by ``input.samples`` or as a check of its files does; nothing is decoded.

    Args:
        settings: what the recipe says about its data, with a ``[check]``.
        progress: called with (done, total) files that are checked.

    Raises:
        DataError: the data set can't be opened, ``input.samples`` can't be read, or the check found errors.
        PluginError: the data set broke its contract.
    """
    sample_set = open_samples(replace(settings, minimum_classes=0))
    splits: Mapping[str, str]
    digests: Mapping[str, str] = {}
    if settings.input.samples is not None:
        rows = SamplesFile(settings.input.samples).read_used()
        splits, digests = ({key: getattr(row, name) for key, row in rows.items()} for name in ("split", "digest"))
        usable, aside = sample_set.samples, sample_set.set_aside
    else:
        checked = _checked(settings, sample_set, progress, reread=True)  # Nothing compares the files afterwards.
        checked.raise_errors()
        splits, usable = checked.splits, checked.samples
        aside = (*sample_set.set_aside, *checked.set_aside)
    samples = tuple(each for each in usable if splits.get(each.key, "left out") != "left out")
    return FullSize(replace(sample_set, samples=samples), splits, aside, Reading.without_range(settings.input), digests)


def check_data(settings: DataSettings, progress: Progress | None = None, spread: SpreadFacts | None = None) -> Checked:
    """Check a data set as ``open_data`` does, without decoding it into a store.

    Args:
        settings: what the recipe says about its data, with a ``[check]``.
        progress: called with (done, total) files.
        spread: the workers of a cluster that read the files; None: this process does, and its own.

    Raises:
        DataError: the data set can't be opened, or ``input.samples`` can't be read.
        PluginError: the data set broke its contract.
    """
    sample_set = open_samples(replace(settings, minimum_classes=0))
    checked = _checked(settings, sample_set, progress, spread=spread)
    return replace(checked, notes=(*sample_set.notes, *checked.notes))


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
    with naming_remote_files():
        options = with_local_paths(dataset.options)
        sample_set = dataset.record.open(DatasetContext(settings.task, settings.seed), options)
    check_sample_set(sample_set, settings.task, dataset.record.name, settings.minimum_classes)
    return with_outside_note(with_composed_names(sample_set, dataset.record.name))


def open_samples(settings: DataSettings) -> SampleSet:
    """Open a data set, without the classes that the ``samples.csv`` of ``input.samples`` does not have.

    Args:
        settings: what the recipe says about its data.

    Raises:
        DataError: the data can't be used.
        PluginError: the data set broke its contract.
    """
    sample_set = _open(settings)
    return sample_set if settings.input.samples is None else within_samples_csv(sample_set, settings.input.samples)


def _early(
    settings: DataSettings, sample_set: SampleSet, folder: Path, cache: bool
) -> Early | AbstractContextManager[None]:
    """Return where to keep images that are decoded while they are checked; None where the check must come first.

    It must where it finds the range of values, and where a table names the samples to use.
    """
    if settings.check is None or settings.input.value_range == "auto" or settings.input.samples is not None:
        return nullcontext()
    return open_early(sample_set, settings.decoding, folder, cache=cache) or nullcontext()


def _check(
    settings: DataSettings,
    sample_set: SampleSet,
    progress: Progress | None,
    *,
    reread: bool = False,
    early: Early | None = None,
) -> _Usable:
    """Check the files, and set those aside that can't be used.

    Args:
        settings: what the recipe says about its data.
        sample_set: the samples of the data set.
        progress: called with (done, total) files.
        reread: whether to read files even if they seem unchanged since an earlier check.
        early: where to keep the images that are decoded meanwhile.
    """
    if settings.check is None:
        usable = tuple(each for each in sample_set.samples if is_encodable(each, sample_set.classes))
        if len(usable) == len(sample_set.samples):
            return _Usable(sample_set.samples, (), 0)
        keys = {sample.key for sample in usable}
        unnamed = tuple(SetAside(each.key, BAD_NAME) for each in sample_set.samples if each.key not in keys)
        return _Usable(usable, unnamed, len(unnamed))
    checked = _checked(settings, sample_set, progress, reread=reread, early=early)
    try:
        _limit_bad(settings, sample_set, checked.set_aside, checked.bad, any_left=bool(checked.samples))
        checked.raise_errors()
    except DataError:
        if reread or not checked.kept:
            raise
        # The errors may be those of files that were replaced since an earlier check.
        return _check(settings, sample_set, progress, reread=True, early=early)
    return _Usable(checked.samples, checked.set_aside, checked.bad, checked)


def _checked(
    settings: DataSettings,
    sample_set: SampleSet,
    progress: Progress | None,
    *,
    reread: bool = False,
    early: Early | None = None,
    spread: SpreadFacts | None = None,
) -> Checked:
    assert settings.check is not None
    check = CheckSettings(settings.input, settings.check, settings.task, settings.seed, settings.minimum_classes)
    facts_cache = FactsCache.of_user(reread=reread)
    return check_samples(
        settings.title, sample_set, check, facts_cache=facts_cache, progress=progress, early=early, spread=spread
    )


def _fill(
    settings: DataSettings,
    sample_set: SampleSet,
    usable: _Usable,
    folder: Path,
    cache: bool,
    progress: Progress | None,
    early: Early | None,
) -> Filled:
    """Decode the usable samples; the result's ``set_aside`` also has those that were set aside before."""
    if early is not None and usable.checked is not None:
        early.use(usable.checked.fresh)
    usable_set = replace(sample_set, samples=usable.samples)
    filled = fill_store(usable_set, settings.decoding, folder, cache=cache, progress=progress, early=early)
    set_aside = (*usable.set_aside, *filled.set_aside)
    bad = usable.bad + len(filled.set_aside)
    _limit_bad(settings, sample_set, set_aside, bad, any_left=bool(filled.samples))
    return filled._replace(set_aside=set_aside)


def _limit_bad(
    settings: DataSettings, sample_set: SampleSet, set_aside: Sequence[SetAside], bad: int, *, any_left: bool
) -> None:
    """Check that some samples are left, and that no more are bad than ``input.max_bad_share`` allows."""
    total, limit = len(sample_set.samples), settings.input.max_bad_share
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
