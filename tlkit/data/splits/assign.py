"""Assign samples to the train, validation and test splits, by the recipe's seed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from operator import le
from typing import cast

import numpy as np

from tlkit.contracts import Sample, Split
from tlkit.data.splits.group_numbers import NONE, numbered_groups
from tlkit.data.splits.hold_out import Held, Part, hold_out, hold_out_labels, hold_out_weighted, with_all_trained
from tlkit.data.splits.split_column import SplitColumn
from tlkit.data.splits.units import Strata
from tlkit.errors import DataError
from tlkit.recipe.input_table import InputTable
from tlkit.system.text import listed

_SPLITS: tuple[Split | None, ...] = (None, "train", "validation", "test")
"""Their places are their numbers here."""
_TRAIN = _SPLITS.index("train")


@dataclass(frozen=True)
class Splits:
    """The split of each sample.

    Args:
        splits: N of ``train``, ``validation``, ``test`` or ``left out``.
        notes: messages for the user.
    """

    splits: SplitColumn
    notes: tuple[str, ...] = ()


def groups_of(samples: Sequence[Sample], pattern: str | None) -> list[str | None]:
    """Return each sample's group: what the pattern's first parenthesis matches in its key, else its own group.

    Raises:
        DataError: the pattern matches no sample at all.
    """
    if pattern is None:
        return [sample.group for sample in samples]
    compiled = re.compile(pattern)
    matches = 0
    groups: list[str | None] = []
    names: dict[str, str] = {}  # a name is kept once
    for sample in samples:
        match = compiled.search(sample.key)
        matches += match is not None
        group = sample.group if match is None else match[1]
        groups.append(group if group is None else names.setdefault(group, group))
    if not matches:
        raise DataError(
            f'input.group_pattern: "{pattern}" matches none of {len(samples)} samples, such as "{samples[0].key}"'
        )
    return groups


def assign_splits(
    samples: Sequence[Sample],
    strata: Strata | Sequence[int] | None,
    table: InputTable,
    seed: int,
    files: Sequence[int] | np.ndarray | None = None,
) -> Splits:
    """Assign each sample to a split.

    Official splits of the data set stay as they are. The other samples are split by the seed, stratified by class, or
    by label where samples have several. Groups stay whole, and the classes are as balanced as that allows. Each class
    has a training image, as far as groups allow. ``input.validation`` and ``input.test`` have no effect where the data
    set has that split itself. A count is met exactly unless that would leave a class without a training image, or with
    groups as closely as whole groups allow. The result does not depend on the order of the samples.

    Args:
        samples: all usable samples.
        strata: the class of each sample, or its classes in a multi-label data set; None: don't stratify.
        table: the recipe's ``[input]``.
        seed: the recipe's seed.
        files: how many images each sample represents, which all follow it; groups are then ignored. None: one each.

    Raises:
        DataError: a split would be empty, or official splits divide a group.
    """
    classes = None if strata is None else _array_if_single(strata)
    order = _by_key(samples)
    splits = np.fromiter((_SPLITS.index(sample.split) for sample in samples), np.int8, len(samples))
    groups = numbered_groups(groups_of(samples, table.group_pattern))
    images = None if files is None else np.array(files, np.int64)
    notes: list[str] = []
    official = {_SPLITS[number] for number in np.unique(splits).tolist()} - {None}
    for part in (Part("test", table.test, seed), Part("validation", table.validation, seed)):
        rest = order[splits[order] <= _TRAIN]
        if part.name in official and part.size and part.name in table.model_fields_set:
            notes.append(f"input.{part.name} has no effect: the data set has a {part.name} split of its own")
        if part.name in official or part.size == 0 or not len(rest):
            continue
        several = images if images is not None and (images[rest] > 1).any() else None
        held = _held(part, rest, classes, groups if several is None else np.full_like(groups, NONE), several)
        notes += held.notes
        splits[held.places] = _SPLITS.index(cast(Split, part.name))
    np.maximum(splits, _TRAIN, out=splits)
    divided = _divides(groups, splits)
    final = SplitColumn.named(cast(tuple[str, ...], _SPLITS[_TRAIN:]), splits - _TRAIN)
    if not (final == "train").any():
        counts = listed([f"{count} {split}" for split, count in final.counts().items()])
        raise DataError(f"no sample is left to train on: {counts or 'there are none'}; lower input.validation")
    if divided:
        _check_groups(groups_of(samples, table.group_pattern), final)
    return Splits(final, tuple(notes))


def _array_if_single(strata: Strata | Sequence[int]) -> Strata:
    several = not isinstance(strata, np.ndarray) and len(strata) > 0 and isinstance(strata[0], tuple)
    return cast(Strata, strata) if several else np.asarray(strata, np.int32)


def _by_key(samples: Sequence[Sample]) -> np.ndarray:
    """Return the places of the samples in the order of their keys, int32 (N,)."""
    keys = [sample.key for sample in samples]
    if all(map(le, keys, islice(keys, 1, None))):
        return np.arange(len(keys), dtype=np.int32)
    return np.fromiter(sorted(range(len(keys)), key=keys.__getitem__), np.int32, len(keys))


def _divides(groups: np.ndarray, splits: np.ndarray) -> bool:
    """Return whether samples of the same group are in several splits."""
    split_of = np.zeros(int(groups.max(initial=0)) + 2, splits.dtype)  # the last is that of no group
    split_of[groups] = splits
    return bool(((split_of[groups] != splits) & (groups != NONE)).any())


def _held(part: Part, rest: np.ndarray, strata: Strata | None, groups: np.ndarray, files: np.ndarray | None) -> Held:
    if strata is not None and not isinstance(strata, np.ndarray):
        held = hold_out_labels(part, rest, strata, groups, files)
    elif files is not None:
        held = hold_out_weighted(part, rest, strata, files)
    else:
        held = hold_out(part, rest, strata, groups)
    return held if strata is None else with_all_trained(part, rest, held, strata, groups, files)


def _check_groups(groups: Sequence[str | None], splits: SplitColumn) -> None:
    split_of: dict[str, str] = {}
    divided: dict[str, set[str]] = {}
    for group, split in zip(groups, splits, strict=True):
        if group is not None and (first := split_of.setdefault(group, split)) != split:
            divided.setdefault(group, {first}).add(split)
    if divided:
        name = next(group for group in split_of if group in divided)
        raise DataError(
            f"the data set's own splits divide groups ({len(divided)}), such as "
            f'"{name}" in {" and ".join(sorted(divided[name]))}; correct the splits, or remove the groups'
        )
