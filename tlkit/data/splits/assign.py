"""Assign samples to the train, validation and test splits, by the recipe's seed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from tlkit.contracts import Sample, Split
from tlkit.data.splits.hold_out import Held, Part, hold_out, hold_out_labels, hold_out_weighted, with_all_trained
from tlkit.data.splits.units import Strata, is_multi_label
from tlkit.errors import DataError
from tlkit.recipe.input_table import InputTable
from tlkit.system.text import listed

_CHUNK = 10_000


@dataclass(frozen=True)
class Splits:
    """The split of each sample.

    Args:
        splits: str (N,): ``train``, ``validation``, ``test`` or ``left out``.
        notes: messages for the user.
    """

    splits: np.ndarray
    notes: tuple[str, ...] = ()


def texts_of(splits: np.ndarray) -> Iterator[str]:
    """Yield the splits of samples one by one: a list of them would take eight times the memory of the array."""
    for first in range(0, len(splits), _CHUNK):
        yield from splits[first : first + _CHUNK].tolist()


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
    strata: Strata | None,
    table: InputTable,
    seed: int,
    files: Sequence[int] | None = None,
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
    order = sorted(range(len(samples)), key=lambda i: samples[i].key)
    splits: list[Split | None] = [sample.split for sample in samples]
    groups = groups_of(samples, table.group_pattern)
    notes: list[str] = []
    official = {split for split in splits if split is not None}
    for part in (Part("test", table.test, seed), Part("validation", table.validation, seed)):
        rest = [i for i in order if splits[i] in (None, "train")]
        if part.name in official and part.size and part.name in table.model_fields_set:
            notes.append(f"input.{part.name} has no effect: the data set has a {part.name} split of its own")
        if part.name in official or part.size == 0 or not rest:
            continue
        several = files if files is not None and any(files[i] > 1 for i in rest) else None
        held = _held(part, rest, strata, [None] * len(samples) if several else groups, several)
        notes += held.notes
        for i in held.places:
            splits[i] = cast(Split, part.name)
    final = np.array([split or "train" for split in splits])
    if not (final == "train").any():
        counts = listed([f"{count} {split}" for split, count in Counter(final.tolist()).items()])
        raise DataError(f"no sample is left to train on: {counts or 'there are none'}; lower input.validation")
    _check_groups(groups, final)
    return Splits(final, tuple(notes))


def _held(
    part: Part, rest: Sequence[int], strata: Strata | None, groups: Sequence[str | None], files: Sequence[int] | None
) -> Held:
    classes = cast("Sequence[int] | None", strata)
    if strata is not None and is_multi_label(strata):
        held = hold_out_labels(part, rest, strata, groups, files)
    elif files is not None:
        held = hold_out_weighted(part, rest, classes, files)
    else:
        held = hold_out(part, rest, classes, groups)
    return held if strata is None else with_all_trained(part, rest, held, strata, groups, files)


def _check_groups(groups: Sequence[str | None], splits: np.ndarray) -> None:
    split_of: dict[str, str] = {}
    divided: dict[str, set[str]] = {}
    for group, split in zip(groups, texts_of(splits), strict=True):
        if group is not None and (first := split_of.setdefault(group, split)) != split:
            divided.setdefault(group, {first}).add(split)
    if divided:
        name = next(group for group in split_of if group in divided)
        raise DataError(
            f"the data set's own splits divide groups ({len(divided)}), such as "
            f'"{name}" in {" and ".join(sorted(divided[name]))}; correct the splits, or remove the groups'
        )
