"""Split samples so that files of the same picture stay in one split."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tlkit.contracts import Sample, Split
from tlkit.data.splits.assign import Splits, assign_splits, groups_of
from tlkit.data.splits.units import Strata
from tlkit.errors import DataError
from tlkit.recipe.input_table import InputTable


def assign_with_pictures(
    samples: Sequence[Sample],
    strata: Strata | None,
    table: InputTable,
    seed: int,
    pictures: Mapping[str, int],
) -> tuple[Splits, list[str | None]]:
    """Assign splits as ``assign_splits`` does, and keep files of the same picture together.

    Official splits of the data set stay as they are; other files of the same picture follow them. Without groups, one
    file of each picture is drawn and the others follow it: so the classes stay as balanced as without duplicates, and
    a share or count is still one of files. With groups, the groups that share a picture become one. Data that can't be
    split this way is split without regard to pictures, and the notes say so.

    Args:
        samples: all usable samples.
        strata: the class of each sample, or its classes in a multi-label data set; None: don't stratify.
        table: the recipe's ``[input]``.
        seed: the recipe's seed.
        pictures: key → number of its picture, for samples that share a picture with another.

    Returns:
        the splits, and each sample's group.

    Raises:
        DataError: a split would be empty, or official splits divide a group.
    """
    groups = groups_of(samples, table.group_pattern)
    if not pictures:
        return assign_splits(samples, strata, table, seed), groups
    try:
        return _together(samples, strata, table, seed, pictures, groups)
    except DataError as error:
        plain = assign_splits(samples, strata, table, seed)
        note = f"files of the same picture could not be kept in one split: {error}"
        return Splits(plain.splits, (*plain.notes, note)), groups


def _together(
    samples: Sequence[Sample],
    strata: Strata | None,
    table: InputTable,
    seed: int,
    pictures: Mapping[str, int],
    groups: list[str | None],
) -> tuple[Splits, list[str | None]]:
    official = _official(samples, pictures)
    if any(group is not None for group in groups):
        merged = _merged(samples, groups, pictures)
        grouped = [
            replace(_placed(each, official, pictures), group=group) for each, group in zip(samples, merged, strict=True)
        ]
        plain = table.model_copy(update={"group_pattern": None})
        return assign_splits(grouped, strata, plain, seed), merged
    shared = [place for place, sample in enumerate(samples) if sample.key in pictures]
    free = [place for place in shared if _placed(samples[place], official, pictures).split in (None, "train")]
    leader: dict[int, int] = {}
    for place in sorted(free, key=lambda each: samples[each].key):
        leader.setdefault(pictures[samples[place].key], place)
    led = {place: leader[pictures[samples[place].key]] for place in free}
    leads = np.ones(len(samples), bool)
    leads[[place for place in free if led[place] != place]] = False
    rows = np.flatnonzero(leads)
    files = np.ones(len(samples), np.int64)
    for place, count in Counter(led.values()).items():
        files[place] = count
    leaders = assign_splits(
        [_placed(samples[place], official, pictures) for place in rows.tolist()],
        strata[rows] if isinstance(strata, np.ndarray) else strata and [strata[place] for place in rows.tolist()],
        table,
        seed,
        files[rows],
    )
    row_of = np.cumsum(leads) - 1
    followed = np.arange(len(samples))
    followed[list(led)] = list(led.values())
    splits = leaders.splits[row_of[followed]]
    if not (splits == "train").any():
        raise DataError("no sample is left to train on")
    names: list[str | None] = [None] * len(samples)
    for place, first in led.items():
        names[place] = f"picture of {samples[first].key}"
    return Splits(splits, leaders.notes), names


def _placed(sample: Sample, official: Mapping[int, Split], pictures: Mapping[str, int]) -> Sample:
    """Return a sample with the official split that the files of its picture follow."""
    split = None if sample.split is not None else official.get(pictures.get(sample.key, -1))
    return sample if split is None else replace(sample, split=split)


def _official(samples: Sequence[Sample], pictures: Mapping[str, int]) -> dict[int, Split]:
    """Return picture → the split that its files without an official split follow; test wins over validation."""
    splits: dict[int, Split] = {}
    for split in ("validation", "test"):
        splits |= {pictures[each.key]: each.split for each in samples if each.split == split and each.key in pictures}
    return splits


def _merged(samples: Sequence[Sample], groups: Sequence[str | None], pictures: Mapping[str, int]) -> list[str | None]:
    """Return each sample's group after joining groups, and files without one, that share a picture.

    A joined group has the name of its first group. Samples of an official validation or test split join nothing by
    their pictures.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    of_group: dict[str, int] = {}
    of_picture: dict[int, int] = {}
    ones, others = array("i"), array("i")
    for place, (sample, group) in enumerate(zip(samples, groups, strict=True)):
        if group is not None and (first := of_group.setdefault(group, place)) != place:
            ones.append(place)
            others.append(first)
        if sample.key in pictures and sample.split not in ("validation", "test"):
            first = of_picture.setdefault(pictures[sample.key], place)
            if first != place:
                ones.append(place)
                others.append(first)
    graph = coo_matrix((np.ones(len(ones), bool), (ones, others)), (len(samples), len(samples)))
    numbers = connected_components(graph, directed=False)[1]
    names: dict[int, str] = {}
    for place in sorted(
        range(len(samples)), key=lambda each: (groups[each] is None, groups[each] or samples[each].key)
    ):
        names.setdefault(int(numbers[place]), groups[place] or f"picture of {samples[place].key}")
    sizes = np.bincount(numbers)
    return [
        names[int(number)] if groups[place] is not None or sizes[number] > 1 else None
        for place, number in enumerate(numbers)
    ]
