"""Leave each class something to train on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from tlkit.data.splits.units import Unit, shuffled, totals


def leave_all_trained(units: Sequence[Unit], held: Collection[int], wanted: int, seed: int) -> set[int]:
    """Return the units to hold out, changed only where a class would have no training image.

    For each such class, one of its units goes back to the training images. Others are held out instead: first of
    classes of which less than their share is held out, and never the last of a class. One unit at least stays held
    out, even if it has the only images of its class.

    Args:
        units: the units that are held out or trained.
        held: the numbers of those that are held out.
        wanted: how many images to hold out.
        seed: the seed of the order in which others are chosen.
    """
    trained: Counter[int] = totals(unit for number, unit in enumerate(units) if number not in held)[2]
    images, _, holders = totals(units)
    if all(trained[label] for label in holders):
        return set(held)
    rank = {number: place for place, number in enumerate(shuffled(units, seed))}
    untrained = {label for label in holders if not trained[label]}
    back = _needed({number: units[number] for number in sorted(held)}, untrained, rank)
    chosen = set(held) - back
    trained.update(label for number in back for label in units[number].labels)
    lacking = wanted - sum(units[number].images for number in chosen)
    share = wanted / images

    def spare(least: dict[int, float]) -> Iterator[int]:
        for number in sorted(rank, key=rank.__getitem__):
            free = number not in chosen and number not in back
            if free and all(trained[label] - 1 >= least[label] for label in units[number].labels):
                yield number

    for least in (
        {label: max(1.0, count * (1 - share)) for label, count in holders.items()},
        dict.fromkeys(holders, 1.0),
    ):
        for number in spare(least):
            if units[number].images <= lacking:
                chosen.add(number)
                trained.subtract(units[number].labels.keys())
                lacking -= units[number].images
    if not chosen:
        others = list(spare(dict.fromkeys(holders, 1.0))) or list(held)
        return {min(others, key=lambda each: (units[each].images, rank[each]))}
    return chosen


def _needed(held: Mapping[int, Unit], untrained: Collection[int], rank: Mapping[int, int]) -> set[int]:
    """Return held units that together have every untrained class: of each, the one with most of the others."""
    of_class: dict[int, list[int]] = {label: [] for label in sorted(untrained)}
    for number, unit in held.items():
        for label in unit.labels.keys() & of_class.keys():
            of_class[label].append(number)
    needed, missing = set[int](), set(untrained)
    for label, numbers in of_class.items():
        if label in missing:
            best = min(
                numbers,
                key=lambda each: (-len(missing & held[each].labels.keys()), held[each].images, rank[each]),
            )
            needed.add(best)
            missing -= held[best].labels.keys()
    return needed
