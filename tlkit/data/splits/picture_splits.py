"""Split samples so that files of the same picture stay in one split."""

from __future__ import annotations

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
    leaders = assign_splits(
        [placed[place] for place in rows],
        strata[rows] if isinstance(strata, np.ndarray) else strata and [strata[place] for place in rows],
        table,
        seed,
        [files.get(place, 1) for place in rows],
    )
    row_of = {place: row for row, place in enumerate(rows)}
    splits = np.array([leaders.splits[row_of[led.get(place, place)]] for place in range(len(samples))])
    if not (splits == "train").any():
        raise DataError("no sample is left to train on")
    names = [f"picture of {samples[led[place]].key}" if place in led else None for place in range(len(samples))]
    return Splits(splits, leaders.notes), names


def _official(samples: Sequence[Sample], pictures: Mapping[str, int]) -> dict[int, Split]:
    """Return picture → the split that its files without an official split follow; test wins over validation."""
    splits: dict[int, Split] = {}
    for split in ("validation", "test"):
        splits |= {pictures[each.key]: each.split for each in samples if each.split == split and each.key in pictures}
    return splits


def _merged(
    samples: Sequence[Sample], groups: Sequence[str | None], pictures: Mapping[str, int], held: set[int]
) -> list[str | None]:
    """Return each sample's group after joining groups, and files without one, that share a picture.

    A joined group has the name of its first group. The places in ``held`` join nothing by their pictures.
    """
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
