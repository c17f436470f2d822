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
from tlkit.data.splits.group_numbers import NONE, with_own_groups
from tlkit.data.splits.group_splits import hold_out_groups
from tlkit.data.splits.iterative import deal
from tlkit.data.splits.units import Strata, lacking_classes, units_of
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
    """The places of the samples that a split gets, int (n,), and messages for the user."""

    places: np.ndarray
    notes: tuple[str, ...] = ()


def hold_out(part: Part, rest: np.ndarray, strata: np.ndarray | None, groups: np.ndarray) -> Held:
    """Choose samples for a split: stratified by class, and in whole groups where there are any.

    Args:
        part: the split to draw.
        rest: the places of the samples to choose from, in the order of their keys.
        strata: the class of each sample; None: don't stratify.
        groups: the group of each sample, as ``numbered_groups`` returns them.

    Raises:
        DataError: too few images or groups for a split of that size.
    """
    part.check_leaves_some(len(rest))
    if (groups[rest] != NONE).any():
        return _whole_groups(part, rest, strata, groups)
    part.check_is_an_image(len(rest))
    if strata is None:
        return Held(_drawn(part, rest))
    counts = np.bincount(strata[rest])
    several = rest[counts[strata[rest]] >= 2]
    single, classes = len(rest) - len(several), int((counts >= 2).sum())
    share = part.size if part.size >= 1 else len(several) * part.size
    if not len(several) or min(round(share), len(several) - math.ceil(share)) < classes:
        return Held(_drawn(part, rest), (_not_stratified(part),))
    notes = (f"classes with a single image: {single}; their images are used for training only",)
    return Held(_drawn(part, several, strata[several]), notes if single else ())


def hold_out_labels(
    part: Part, rest: np.ndarray, strata: Strata, groups: np.ndarray, files: np.ndarray | None = None
) -> Held:
    """Choose samples of a multi-label data set for a split, so that each label is split in proportion.

    Args:
        part: the split to draw.
        rest: the places of the samples to choose from, in the order of their keys.
        strata: the labels of each sample.
        groups: the group of each sample, as ``numbered_groups`` returns them.
        files: how many images each sample represents; None: one each.

    Raises:
        DataError: too few images or groups for a split of that size.
    """
    units = units_of(rest, strata, groups, files)
    total = int(units.images.sum())
    part.check_leaves_some(total)
    if len(units) < 2:
        raise DataError(f"{part.option}: nothing can be split off, because all samples are in one group")
    if len(units) == len(rest):
        part.check_is_an_image(total)
    wanted = part.images_of(total)
    subset = deal(units, (total - wanted, wanted), part.seed)
    held = subset == 1
    if not held.any() or held.all():
        held[units.images.argmin()] ^= True
    single = int((units.holders() == 1).sum())
    notes = (f"labels with a single image or group: {single}; they are used for training only",) if single else ()
    return Held(units.places_of(held), notes)


def with_all_trained(
    part: Part,
    rest: np.ndarray,
    held: Held,
    strata: Strata,
    groups: np.ndarray,
    files: np.ndarray | None = None,
) -> Held:
    """Change a split where it would leave a class without a training image, and say so if it becomes smaller.

    The arguments are those of ``hold_out_labels``, with the samples that were chosen.
    """
    if not any(_NOT_STRATIFIED in note for note in held.notes) and not lacking_classes(strata, rest, held.places):
        return held
    units = units_of(rest, strata, groups, files)
    before = np.zeros(len(units), bool)
    before[units.places.owners()[np.isin(units.places.numbers, held.places)]] = True
    size = int(units.images[before].sum())
    after = leave_all_trained(units, before, size, part.seed)
    holders = units.holders() > 0
    lacking = int((holders & (units.holders(after) == 0)).sum())
    notes = held.notes
    if lacking and any(_NOT_STRATIFIED in note for note in notes):
        notes = (*notes, f"classes without a {part.name} image: {lacking} of {int(holders.sum())}")
    if (after == before).all():
        return Held(held.places, notes)
    left = int(units.images[after].sum())
    if left < size:
        what = "image" if left == 1 else "images"
        notes = (*notes, f"{part.option}: {left} {what}; more would leave a class without a training image")
    return Held(units.places_of(after), notes)


def _not_stratified(part: Part) -> str:
    return f"too few images for every class to be in both {part.name} and train; {_NOT_STRATIFIED}"


def _drawn(part: Part, places: np.ndarray, strata: np.ndarray | None = None) -> np.ndarray:
    drawn: np.ndarray = places[draw(len(places), part.images_of(len(places)), part.seed, strata)]
    return drawn


def hold_out_weighted(part: Part, rest: np.ndarray, strata: np.ndarray | None, files: np.ndarray) -> Held:
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
    of_rest = dict(zip(rest.tolist(), files[rest].tolist(), strict=True))
    total = sum(of_rest.values())
    part.check_leaves_some(total)
    part.check_is_an_image(total)
    wanted = part.images_of(total)
    notes: list[str] = []
    class_of = dict.fromkeys(of_rest, 0) if strata is None else dict(zip(of_rest, strata[rest].tolist(), strict=True))
    if min(wanted, total - wanted) < len(set(class_of.values())):
        notes.append(_not_stratified(part))
        class_of = dict.fromkeys(of_rest, 0)
    images, spare = Counter[int](), Counter(class_of.values())
    for i, count in of_rest.items():
        images[class_of[i]] += count
    order = rest[np.random.default_rng(part.seed).permutation(len(rest))].tolist()
    room = _shares(images, wanted, list(dict.fromkeys(class_of[i] for i in order)))
    lacking, held = wanted, set[int]()

    def take(i: int) -> None:
        nonlocal lacking
        held.add(i)
        spare[class_of[i]] -= 1
        room[class_of[i]] -= of_rest[i]
        lacking -= of_rest[i]

    for i in order:
        if of_rest[i] <= room[class_of[i]] and spare[class_of[i]] > 1:
            take(i)
    for i in order:
        if i not in held and of_rest[i] <= lacking and spare[class_of[i]] > 1:
            take(i)
    closest = min((i for i in order if i not in held and spare[class_of[i]] > 1), key=of_rest.__getitem__, default=None)
    if closest is not None and (not held or abs(lacking - of_rest[closest]) < lacking):
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
    return Held(np.array(sorted(held), np.int64), tuple(notes))


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


def _whole_groups(part: Part, rest: np.ndarray, strata: np.ndarray | None, groups: np.ndarray) -> Held:
    # A sample without a group has one by its place in rest: another number would depend on the order of the samples.
    own = with_own_groups(groups[rest], by_digits=True)
    if own.max() < 1:
        raise DataError(f"{part.option}: nothing can be split off, because all samples are in one group")
    if part.size >= 1:
        return _counted_groups(part, rest, own)
    notes: tuple[str, ...] = ()
    held = None
    if strata is not None:
        held, lone = hold_out_groups(own, part.size, strata[rest], part.seed)
        if held is None:
            notes = (f"too few groups for every class to be in {part.name}; {_NOT_STRATIFIED}",)
        elif lone:
            notes = (f"classes within a single group: {lone}; their groups are used for training only",)
    if held is None:
        held, _ = hold_out_groups(own, part.size, np.zeros(len(own), np.int32), part.seed)
    assert held is not None
    return Held(rest[held], notes)


def _counted_groups(part: Part, rest: np.ndarray, groups: np.ndarray) -> Held:
    """Draw groups in a random order, and take each that brings the number of images closer to the size."""
    sizes = np.bincount(groups)
    first = np.empty(len(sizes), np.int32)
    first[groups[::-1]] = np.arange(len(groups) - 1, -1, -1, dtype=np.int32)
    order = np.argsort(first)[np.random.default_rng(part.seed).permutation(len(first))]
    count = int(part.size)
    chosen = np.zeros(len(sizes), bool)
    total = 0
    for group, size in zip(order.tolist(), sizes[order].tolist(), strict=True):
        closer = abs(total + size - count) < abs(total - count)
        if closer and total + size < len(rest):
            chosen[group] = True
            total += size
    if not total:
        smallest = order[np.argmin(sizes[order])]
        chosen[smallest] = True
        total = int(sizes[smallest])
    notes = (f"{part.option}: {total} images, the closest that whole groups allow",) if total != count else ()
    return Held(rest[chosen[groups]], notes)
