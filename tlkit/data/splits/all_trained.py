"""Leave each class something to train on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tlkit.data.splits.units import Units, shuffled


def leave_all_trained(units: Units, held: np.ndarray, wanted: int, seed: int) -> np.ndarray:
    """Return which units to hold out, bool (U,), changed only where a class would have no training image.

    For each such class, one of its units goes back to the training images. Others are held out instead: first of
    classes of which less than their share is held out, and never the last of a class. One unit at least stays held
    out, even if it has the only images of its class.

    Args:
        units: the units that are held out or trained.
        held: which of them are held out, bool (U,).
        wanted: how many images to hold out.
        seed: the seed of the order in which others are chosen.
    """
    holders = units.holders()
    untrained = np.flatnonzero((holders > 0) & (units.holders(~held) == 0))
    if not len(untrained):
        return held
    rank = shuffled(units, seed)
    back = np.zeros(len(units), bool)
    back[_needed(units, held, untrained, rank)] = True
    chosen = held & ~back
    trained: list[int] = units.holders(~chosen).tolist()
    lacking = wanted - int(units.images[chosen].sum())
    share = wanted / int(units.images.sum())

    def spare(least: Sequence[float]) -> Iterator[int]:
        for number in np.argsort(rank).tolist():
            free = not chosen[number] and not back[number]
            if free and all(trained[label] - 1 >= least[label] for label in units.labels[number].tolist()):
                yield number

    last = [1.0] * len(holders)
    for least in ([max(1.0, count * (1 - share)) for count in holders.tolist()], last):
        for number in spare(least) if lacking > 0 else ():
            images = int(units.images[number])
            if images <= lacking:
                chosen[number] = True
                for label in units.labels[number].tolist():
                    trained[label] -= 1
                lacking -= images
                if not lacking:
                    break
    if not chosen.any():
        others = np.array(list(spare(last)) or np.flatnonzero(held), np.int64)
        chosen[others[np.lexsort((rank[others], units.images[others]))[0]]] = True
    return chosen


def _needed(units: Units, held: np.ndarray, untrained: np.ndarray, rank: np.ndarray) -> list[int]:
    """Return held units that together have every untrained class: of each, the one with most of the others."""
    owners = units.labels.owners()
    entries = np.flatnonzero(held[owners] & np.isin(units.labels.numbers, untrained))
    of_class: dict[int, list[int]] = {label: [] for label in untrained.tolist()}
    labels_of: dict[int, set[int]] = {}
    for number, label in zip(owners[entries].tolist(), units.labels.numbers[entries].tolist(), strict=True):
        of_class[label].append(number)
        labels_of.setdefault(number, set()).add(label)
    needed, missing = list[int](), set(of_class)
    for label, numbers in of_class.items():
        if label in missing:
            best = min(
                numbers,
                key=lambda each: (-len(missing & labels_of[each]), units.images[each], rank[each]),
            )
            needed.append(best)
            missing -= labels_of[best]
    return needed
