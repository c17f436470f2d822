"""Splits, made by scikit-learn from the seed."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from tlkit.contracts import Sample, Split
from tlkit.data.splits.group_splits import hold_out_groups
from tlkit.errors import DataError
from tlkit.recipe.schema import InputTable


@dataclass(frozen=True)
class Splits:
    """Each sample's split, and what is worth telling about it."""

    splits: np.ndarray
    notes: tuple[str, ...] = ()


def groups_of(samples: Sequence[Sample], pattern: str | None) -> list[str | None]:
    """Each sample's group: its own, or what the pattern's first parenthesis matches in its key.

    Raises:
        DataError: the pattern matches no sample at all.
    """
    if pattern is None:
        return [sample.group for sample in samples]
    compiled = re.compile(pattern)
    matches = [compiled.search(sample.key) for sample in samples]
    if not any(matches):
        raise DataError(
            f'input.group_pattern: "{pattern}" matches none of {len(samples)} samples, such as "{samples[0].key}"'
        )
    return [match[1] if match else sample.group for match, sample in zip(matches, samples, strict=True)]


def assign_splits(
    samples: Sequence[Sample],
    strata: Sequence[int] | None,
    table: InputTable,
    seed: int,
    files: Sequence[int] | None = None,
) -> Splits:
    """Decide which samples train, validate and test.

    A sample's official split stands. The rest is split from the seed: stratified by class; where there are groups,
    whole groups stand on one side, and the classes are as balanced as that allows. A share or count is not used where
    the data set has such a split of its own. A count is met exactly, with groups as nearly as whole groups allow. The
    result does not depend on the order of the samples.

    Args:
        samples: all usable samples.
        strata: class of each, or None where there is none.
        table: the recipe's ``[input]``.
        seed: of the recipe.
        files: how many images each sample stands for, which follow it; None for one each. Not with groups.

    Raises:
        DataError: a split would be empty, or official splits tear a group apart.
    """
    order = sorted(range(len(samples)), key=lambda i: samples[i].key)
    splits: list[Split | None] = [sample.split for sample in samples]
    groups = groups_of(samples, table.group_pattern)
    notes: list[str] = []
    official = {split for split in splits if split is not None}
    for name, part in (("test", table.test), ("validation", table.validation)):
        rest = [i for i in order if splits[i] in (None, "train")]
        if name in official or part == 0 or not rest:
            continue
        if files is not None and any(files[i] > 1 for i in rest):
            held = _held_out_of_several(rest, part, strata, files, seed, name, notes)
        else:
            held = _held_out(rest, part, strata, groups, seed, name, notes)
        for i in held:
            splits[i] = cast(Split, name)
    final = np.array([split or "train" for split in splits])
    if not (final == "train").any():
        raise DataError(f"no sample is left to train on: {dict(Counter(final.tolist()))}; lower input.validation")
    _check_groups(groups, final)
    return Splits(final, tuple(notes))


def _held_out(
    rest: Sequence[int],
    part: int | float,
    strata: Sequence[int] | None,
    groups: Sequence[str | None],
    seed: int,
    name: str,
    notes: list[str],
) -> list[int]:
    """Which of ``rest`` the split gets: a share of them below 1, or so many."""
    _check_part(part, len(rest), name)
    if any(groups[i] is not None for i in rest):
        return _held_out_groups(rest, part, strata, groups, seed, name, notes)
    _check_share(part, len(rest), name)
    if strata is None:
        return _drawn(rest, part, seed)
    counts = Counter(strata[i] for i in rest)
    single = [i for i in rest if counts[strata[i]] < 2]
    several = [i for i in rest if counts[strata[i]] >= 2]
    classes = len({strata[i] for i in several})
    share = part if part >= 1 else len(several) * part
    if not several or min(round(share), len(several) - math.ceil(share)) < classes:
        notes.append(f"too few images to have each class in {name} and in train; split without strata")
        return _drawn(rest, part, seed)
    if single:
        notes.append(f"classes with a single image: {len(single)}; it trains, none is in {name}")
    return _drawn(several, part, seed, [strata[i] for i in several])


def _check_part(part: float, images: int, name: str) -> None:
    if part >= images:
        besides = " that are not test images" if name == "validation" else ""
        raise DataError(
            f"input.{name} = {part} leaves nothing to train on: there are {images} images{besides}; lower it"
        )


def _check_share(part: float, images: int, name: str) -> None:
    if part < 1 and (round(images * part) < 1 or images < 2):
        raise DataError(f"input.{name} = {part} of {images} images is less than one image; raise it, or set it to 0")


def _drawn(places: Sequence[int], part: float, seed: int, strata: Sequence[int] | None = None) -> list[int]:
    from sklearn.model_selection import train_test_split

    held = int(part) if part >= 1 else min(math.ceil(len(places) * part), len(places) - 1)
    return list(train_test_split(list(places), test_size=held, random_state=seed, stratify=strata)[1])


def _held_out_of_several(
    rest: Sequence[int],
    part: int | float,
    strata: Sequence[int] | None,
    files: Sequence[int],
    seed: int,
    name: str,
    notes: list[str],
) -> list[int]:
    """As ``_held_out``, where samples stand for several images: those of each class in a random order, while they fit.

    What then lacks is taken from any class, then the sample that comes nearest. A class keeps one sample to train on.
    """
    total = sum(files[i] for i in rest)
    _check_part(part, total, name)
    _check_share(part, total, name)
    wanted = int(part) if part >= 1 else min(math.ceil(total * part), total - 1)
    of = {i: 0 if strata is None else strata[i] for i in rest}
    if min(wanted, total - wanted) < len(set(of.values())):
        notes.append(f"too few images to have each class in {name} and in train; split without strata")
        of = dict.fromkeys(rest, 0)
    images, spare = Counter[int](), Counter(of.values())
    for i in rest:
        images[of[i]] += files[i]
    room = {each: math.floor(wanted * count / total) for each, count in images.items()}
    order = [rest[place] for place in np.random.default_rng(seed).permutation(len(rest))]
    lacking, held = wanted, set[int]()

    def take(i: int) -> None:
        nonlocal lacking
        held.add(i)
        spare[of[i]] -= 1
        room[of[i]] -= files[i]
        lacking -= files[i]

    for i in order:
        if files[i] <= room[of[i]] and spare[of[i]] > 1:
            take(i)
    for i in order:
        if i not in held and files[i] <= lacking and spare[of[i]] > 1:
            take(i)
    nearest_to = min((i for i in order if i not in held and spare[of[i]] > 1), key=lambda i: files[i], default=None)
    if nearest_to is not None and (not held or abs(lacking - files[nearest_to]) < lacking):
        take(nearest_to)
    if not held:
        raise DataError(f"all images of each class show one picture, so input.{name} = {part} can't be split off")
    if lacking:
        notes.append(
            f"input.{name} = {part}: {wanted - lacking} of {total} images, as near as it comes with files of the same "
            "picture on one side"
        )
    return sorted(held)


def _held_out_groups(
    rest: Sequence[int],
    part: float,
    strata: Sequence[int] | None,
    groups: Sequence[str | None],
    seed: int,
    name: str,
    notes: list[str],
) -> list[int]:
    # By its place in rest, not by i: a sample without a group must not be named after the order of the samples.
    own = [f"\0{place}" if (group := groups[i]) is None else group for place, i in enumerate(rest)]
    if len(set(own)) < 2:
        raise DataError(f"all samples are in one group, so input.{name} = {part} can't be split off")
    if part >= 1:
        return _whole_groups(rest, int(part), own, seed, name, notes)
    held = None
    if strata is not None:
        held, lone = hold_out_groups(own, part, [strata[i] for i in rest], seed)
        if held is None:
            notes.append(f"too few groups to have each class in {name}; whole groups are split without strata")
        elif lone:
            notes.append(f"classes within a single group: {lone}; that group trains, none of them is in {name}")
    if held is None:
        held, _ = hold_out_groups(own, part, [0] * len(own), seed)
    assert held is not None
    return [rest[place] for place in held]


def _whole_groups(
    rest: Sequence[int], count: int, groups: Sequence[str], seed: int, name: str, notes: list[str]
) -> list[int]:
    """Groups in a random order, each taken if it brings the number of images nearer to the count."""
    sizes = Counter(groups)
    names = list(sizes)
    order = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    chosen: set[str] = set()
    total = 0
    for group in order:
        nearer = abs(total + sizes[group] - count) < abs(total - count)
        if nearer and total + sizes[group] < len(rest):
            chosen.add(group)
            total += sizes[group]
    if not chosen:
        chosen = {min(order, key=lambda group: sizes[group])}
        total = sum(sizes[group] for group in chosen)
    if total != count:
        notes.append(f"input.{name} = {count}: {total} images, as near as whole groups come")
    return [i for i, group in zip(rest, groups, strict=True) if group in chosen]


def _check_groups(groups: Sequence[str | None], splits: np.ndarray) -> None:
    sides: dict[str, set[str]] = {}
    for group, split in zip(groups, splits.tolist(), strict=True):
        if group is not None:
            sides.setdefault(group, set()).add(split)
    torn = [group for group, found in sides.items() if len(found) > 1]
    if torn:
        raise DataError(
            f"the data set's own splits have groups on several sides ({len(torn)}), such as "
            f'"{torn[0]}" in {" and ".join(sorted(sides[torn[0]]))}; mend the splits, or leave the grouping away'
        )
