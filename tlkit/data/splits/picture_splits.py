"""Splits in which files of the same picture stay on one side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tlkit.contracts import Sample, Split
from tlkit.data.splits.assign import Splits, assign_splits, groups_of
from tlkit.errors import DataError
from tlkit.recipe.schema import InputTable


def assign_with_pictures(
    samples: Sequence[Sample],
    strata: Sequence[int] | None,
    table: InputTable,
    seed: int,
    pictures: Mapping[str, int],
) -> tuple[Splits, list[str | None]]:
    """As ``assign_splits``; files of the same picture form a group, or join the groups that they have.

    A split that the data set prescribes stands, and the picture's files without one follow it. Where a picture's files
    have no groups, one of them is split for all, and the others follow: so the classes stay as balanced as without
    them, and a share or count is one of files. What can't be split with the pictures kept together is split without,
    and the notes say so.

    Args:
        samples: all usable samples.
        strata: as for ``assign_splits``.
        table: the recipe's ``[input]``.
        seed: of the recipe.
        pictures: key → number of its picture, of the samples that share one with another.

    Returns:
        the splits, and each sample's group.

    Raises:
        DataError: as ``assign_splits``.
    """
    groups = groups_of(samples, table.group_pattern)
    if not pictures:
        return assign_splits(samples, strata, table, seed), groups
    try:
        return _together(samples, strata, table, seed, pictures, groups)
    except DataError as error:
        plain = assign_splits(samples, strata, table, seed)
        note = f"files of the same picture could not be kept on one side of the split: {error}"
        return Splits(plain.splits, (*plain.notes, note)), groups


def _together(
    samples: Sequence[Sample],
    strata: Sequence[int] | None,
    table: InputTable,
    seed: int,
    pictures: Mapping[str, int],
    groups: list[str | None],
) -> tuple[Splits, list[str | None]]:
    official = _official(samples, pictures)
    held = [sample.split in ("validation", "test") for sample in samples]
    placed = [
        replace(sample, split=official.get(pictures.get(sample.key, -1), sample.split))
        if sample.split is None
        else sample
        for sample in samples
    ]
    free = [place for place, sample in enumerate(placed) if sample.split in (None, "train")]
    if any(group is not None for group in groups):
        merged = _merged(samples, groups, pictures, {place for place, each in enumerate(held) if each})
        named = [replace(sample, group=group) for sample, group in zip(placed, merged, strict=True)]
        plain = table.model_copy(update={"group_pattern": None})
        return assign_splits(named, strata, plain, seed), merged
    leader: dict[int, int] = {}
    for place in sorted(free, key=lambda each: samples[each].key):
        if samples[place].key in pictures:
            leader.setdefault(pictures[samples[place].key], place)
    led = {place: leader[number] for place in free if (number := pictures.get(samples[place].key)) is not None}
    rows = [place for place in range(len(samples)) if led.get(place, place) == place]
    files = Counter(led.values())
    few = assign_splits(
        [placed[place] for place in rows],
        None if strata is None else [strata[place] for place in rows],
        table,
        seed,
        [files.get(place, 1) for place in rows],
    )
    row_of = {place: row for row, place in enumerate(rows)}
    splits = np.array([few.splits[row_of[led.get(place, place)]] for place in range(len(samples))])
    if not (splits == "train").any():
        raise DataError("no sample is left to train on")
    names = [f"picture of {samples[led[place]].key}" if place in led else None for place in range(len(samples))]
    return Splits(splits, few.notes), names


def _official(samples: Sequence[Sample], pictures: Mapping[str, int]) -> dict[int, Split]:
    """Picture → the split that its files without one of their own go to."""
    found: dict[int, Split] = {}
    for split in ("validation", "test"):
        found |= {pictures[each.key]: each.split for each in samples if each.split == split and each.key in pictures}
    return found


def _merged(
    samples: Sequence[Sample], groups: Sequence[str | None], pictures: Mapping[str, int], held: set[int]
) -> list[str | None]:
    """Groups that share a picture become one, named after the first of them; so do files without a group."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    first: dict[tuple[str, object], int] = {}
    edges = []
    for place, (sample, group) in enumerate(zip(samples, groups, strict=True)):
        edges.append((place, place))
        if group is not None:
            edges.append((place, first.setdefault(("group", group), place)))
        if sample.key in pictures and place not in held:
            edges.append((place, first.setdefault(("picture", pictures[sample.key]), place)))
    pairs = np.array(edges)
    graph = coo_matrix((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (len(samples), len(samples)))
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
