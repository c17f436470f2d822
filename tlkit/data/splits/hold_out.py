"""Choose the samples that a validation or test split gets."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tlkit.data.splits.all_trained import leave_all_trained
from tlkit.data.splits.draw import draw
from tlkit.data.splits.group_splits import hold_out_groups
from tlkit.data.splits.iterative import deal
from tlkit.data.splits.units import Strata, lacking_classes, totals, units_of
from tlkit.errors import DataError

_NOT_STRATIFIED = "the split is not stratified"


@dataclass(frozen=True)
class Part:
    """A split to draw.

    Args:
        name: ``validation`` or ``test``.
        size: a share of the images below 1, or a whole number of them.
        seed: the recipe's seed.
    """

    name: str
    size: int | float
    seed: int

    @property
    def option(self) -> str:
        """The recipe's option, as messages show it."""
        return f"input.{self.name} = {self.size}"

    def check_leaves_some(self, images: int) -> None:
        """Check that some of the images are left to train on."""
        if self.size >= images:
            besides = " that are not test images" if self.name == "validation" else ""
            raise DataError(f"{self.option} leaves nothing to train on: there are {images} images{besides}; lower it")

    def check_is_an_image(self, images: int) -> None:
        """Check that a share amounts to at least one image."""
        if self.size < 1 and (round(images * self.size) < 1 or images < 2):
            raise DataError(f"{self.option} of {images} images is less than one image; raise it, or set it to 0")

    def images_of(self, total: int) -> int:
        """Return how many of the images the split gets; at least one is left to train on."""
        return int(self.size) if self.size >= 1 else min(math.ceil(total * self.size), total - 1)


class Held(NamedTuple):
    """The places of the samples that a split gets, and messages for the user."""

    places: list[int]
    notes: tuple[str, ...] = ()


def hold_out(part: Part, rest: Sequence[int], strata: Sequence[int] | None, groups: Sequence[str | None]) -> Held:
    """Choose samples for a split: stratified by class, and in whole groups where there are any.

    Args:
        part: the split to draw.
        rest: the places of the samples to choose from, in the order of their keys.
        strata: the class of each sample; None: don't stratify.
        groups: the group of each sample; None: in no group.

    Raises:
        DataError: too few images or groups for a split of that size.
    """
    part.check_leaves_some(len(rest))
    if any(groups[i] is not None for i in rest):
        return _whole_groups(part, rest, strata, groups)
    part.check_is_an_image(len(rest))
    if strata is None:
        return Held(_drawn(part, rest))
    counts = Counter(strata[i] for i in rest)
    single = [i for i in rest if counts[strata[i]] < 2]
    several = [i for i in rest if counts[strata[i]] >= 2]
    classes = len({strata[i] for i in several})
    share = part.size if part.size >= 1 else len(several) * part.size
    if not several or min(round(share), len(several) - math.ceil(share)) < classes:
        return Held(_drawn(part, rest), (_not_stratified(part),))
    notes = (f"classes with a single image: {len(single)}; their images are used for training only",)
    return Held(_drawn(part, several, [strata[i] for i in several]), notes if single else ())


def hold_out_labels(
    part: Part, rest: Sequence[int], strata: Strata, groups: Sequence[str | None], files: Sequence[int] | None = None
) -> Held:
    """Choose samples of a multi-label data set for a split, so that each label is split in proportion.

    Args:
        part: the split to draw.
        rest: the places of the samples to choose from, in the order of their keys.
        strata: the labels of each sample.
        groups: the group of each sample; None: in no group.
        files: how many images each sample represents; None: one each.

    Raises:
        DataError: too few images or groups for a split of that size.
    """
    units = units_of(rest, strata, groups, files)
    total, _, holders = totals(units)
    part.check_leaves_some(total)
    if len(units) < 2:
        raise DataError(f"{part.option}: nothing can be split off, because all samples are in one group")
    if len(units) == len(rest):
        part.check_is_an_image(total)
    wanted = part.images_of(total)
    subset = deal(units, (total - wanted, wanted), part.seed)
    held = {number for number in range(len(units)) if subset[number]}
    if not held or len(held) == len(units):
        smallest = min(range(len(units)), key=lambda number: units[number].images)
        held = held ^ {smallest}
    single = sum(count == 1 for count in holders.values())
    notes = (f"labels with a single image or group: {single}; they are used for training only",) if single else ()
    return Held(sorted(place for number in held for place in units[number].places), notes)


def with_all_trained(
    part: Part,
    rest: Sequence[int],
    held: Held,
    strata: Strata,
    groups: Sequence[str | None],
    files: Sequence[int] | None = None,
) -> Held:
    """Change a split where it would leave a class without a training image, and say so if it becomes smaller.

    The arguments are those of ``hold_out_labels``, with the samples that were chosen.
    """
    places = set(held.places)
    if not any(_NOT_STRATIFIED in note for note in held.notes) and not lacking_classes(strata, rest, places):
        return held
    units = units_of(rest, strata, groups, files)
    before = {number for number, unit in enumerate(units) if places.intersection(unit.places)}
    size = sum(units[number].images for number in before)
    after = leave_all_trained(units, before, size, part.seed)
    lacking = totals(units)[2].keys() - totals(units[number] for number in after)[2].keys()
    notes = held.notes
    if lacking and any(_NOT_STRATIFIED in note for note in notes):
        notes = (*notes, f"classes without a {part.name} image: {len(lacking)} of {len(totals(units)[2])}")
    if after == before:
        return Held(held.places, notes)
    left = sum(units[number].images for number in after)
    if left < size:
        what = "image" if left == 1 else "images"
        notes = (*notes, f"{part.option}: {left} {what}; more would leave a class without a training image")
    return Held(sorted(place for number in after for place in units[number].places), notes)


def _not_stratified(part: Part) -> str:
    return f"too few images for every class to be in both {part.name} and train; {_NOT_STRATIFIED}"


def _drawn(part: Part, places: Sequence[int], strata: Sequence[int] | None = None) -> list[int]:
    return [places[place] for place in draw(len(places), part.images_of(len(places)), part.seed, strata)]


def hold_out_weighted(part: Part, rest: Sequence[int], strata: Sequence[int] | None, files: Sequence[int]) -> Held:
    """Choose samples for a split where a sample may represent several images, which all follow it.

    Samples are drawn in a random order: per class while they fit the class's share, rounded by largest remainder; then
    from any class while they fit the rest, then the one that comes closest to the size. Each class keeps one sample to
    train on.

    Args:
        part: the split to draw.
        rest: the places of the samples to choose from, in the order of their keys.
        strata: the class of each sample; None: don't stratify.
        files: how many images each sample represents.

    Raises:
        DataError: too few images for a split of that size.
    """
    total = sum(files[i] for i in rest)
    part.check_leaves_some(total)
    part.check_is_an_image(total)
    wanted = part.images_of(total)
    notes: list[str] = []
    class_of = {i: 0 if strata is None else strata[i] for i in rest}
    if min(wanted, total - wanted) < len(set(class_of.values())):
        notes.append(_not_stratified(part))
        class_of = dict.fromkeys(rest, 0)
    images, spare = Counter[int](), Counter(class_of.values())
    for i in rest:
        images[class_of[i]] += files[i]
    order = [rest[place] for place in np.random.default_rng(part.seed).permutation(len(rest))]
    room = _shares(images, wanted, list(dict.fromkeys(class_of[i] for i in order)))
    lacking, held = wanted, set[int]()

    def take(i: int) -> None:
        nonlocal lacking
        held.add(i)
        spare[class_of[i]] -= 1
        room[class_of[i]] -= files[i]
        lacking -= files[i]

    for i in order:
        if files[i] <= room[class_of[i]] and spare[class_of[i]] > 1:
            take(i)
    for i in order:
        if i not in held and files[i] <= lacking and spare[class_of[i]] > 1:
            take(i)
    closest = min((i for i in order if i not in held and spare[class_of[i]] > 1), key=lambda i: files[i], default=None)
    if closest is not None and (not held or abs(lacking - files[closest]) < lacking):
        take(closest)
    if not held:
        raise DataError(
            f"{part.option}: nothing can be split off, because all images of each class show the same picture"
        )
    if lacking:
        notes.append(
            f"{part.option}: {wanted - lacking} of {total} images, the closest possible with files of the same "
            "picture in one split"
        )
    return Held(sorted(held), tuple(notes))


def _shares(images: Mapping[int, int], wanted: int, order: Sequence[int]) -> dict[int, int]:
    """Divide a number of images among classes in proportion, rounded by largest remainder.

    Args:
        images: class → how many images it has.
        wanted: how many to divide.
        order: the classes, in the order in which those of equal remainders get one more.
    """
    exact = {each: wanted * images[each] / sum(images.values()) for each in order}
    shares = {each: math.floor(share) for each, share in exact.items()}
    by_remainder = sorted(order, key=lambda each: shares[each] - exact[each])
    for each in by_remainder[: wanted - sum(shares.values())]:
        shares[each] += 1
    return shares


def _whole_groups(part: Part, rest: Sequence[int], strata: Sequence[int] | None, groups: Sequence[str | None]) -> Held:
    # A sample without a group is named by its place in rest: a name that depended on i would depend on the order of
    # the samples.
    own = [f"\0{place}" if (group := groups[i]) is None else group for place, i in enumerate(rest)]
    if len(set(own)) < 2:
        raise DataError(f"{part.option}: nothing can be split off, because all samples are in one group")
    if part.size >= 1:
        return _counted_groups(part, rest, own)
    notes: tuple[str, ...] = ()
    held = None
    if strata is not None:
        held, lone = hold_out_groups(own, part.size, [strata[i] for i in rest], part.seed)
        if held is None:
            notes = (f"too few groups for every class to be in {part.name}; {_NOT_STRATIFIED}",)
        elif lone:
            notes = (f"classes within a single group: {lone}; their groups are used for training only",)
    if held is None:
        held, _ = hold_out_groups(own, part.size, [0] * len(own), part.seed)
    assert held is not None
    return Held([rest[place] for place in held], notes)


def _counted_groups(part: Part, rest: Sequence[int], groups: Sequence[str]) -> Held:
    """Draw groups in a random order, and take each that brings the number of images closer to the size."""
    sizes = Counter(groups)
    names = list(sizes)
    order = [names[i] for i in np.random.default_rng(part.seed).permutation(len(names))]
    count = int(part.size)
    chosen: set[str] = set()
    total = 0
    for group in order:
        closer = abs(total + sizes[group] - count) < abs(total - count)
        if closer and total + sizes[group] < len(rest):
            chosen.add(group)
            total += sizes[group]
    if not chosen:
        chosen = {min(order, key=lambda group: sizes[group])}
        total = sum(sizes[group] for group in chosen)
    notes = (f"{part.option}: {total} images, the closest that whole groups allow",) if total != count else ()
    return Held([i for i, group in zip(rest, groups, strict=True) if group in chosen], notes)
