"""Decide whether caching the features of a phase's frozen part pays off."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tlkit.recipe.schema import TrainTable
from tlkit.system.text import size_text
from tlkit.train.feature_set import FeatureSet
from tlkit.train.frozen_part import FrozenPart

_OPERATIONS_PER_BYTE = 100
"""A core does about ten billion operations per second; a disk delivers about a hundred million bytes per second. Two
cores do 20 to 50 billion, and copy 0.3 billion from the file cache: also about a hundred."""


@dataclass(frozen=True)
class CachePlan:
    """The decision whether to cache features.

    Args:
        use: keep features on disk.
        reason: the message that explains the decision.
    """

    use: bool
    reason: str


def make_plan(
    part: FrozenPart, sets: Sequence[FeatureSet], folder: Path, table: TrainTable, *, epochs: int, augmented: bool
) -> CachePlan:
    """Decide whether to cache features.

    The decision must not depend on the speed of the machine, nor on what earlier runs left: the last bits may differ
    with cached features, and cached views are drawn differently from fresh ones. So it compares operations with bytes.

    Args:
        part: the frozen part.
        sets: the sets of features to cache.
        folder: a folder on the disk that would hold them; it is created.
        table: the recipe's ``[train]``, with ``cache`` other than ``off``.
        epochs: the largest number of epochs of the phase.
        augmented: whether images are augmented.

    Raises:
        OSError: the folder can't be used.
    """
    views = table.views if augmented else 1
    size = part.bytes_per_image * sum(len(each.rows) for each in sets)
    if table.cache == "auto":
        if epochs <= views:
            return _no(f"{epochs} epochs would each see different images" if augmented else "there is only one epoch")
        if not worth_reading(part):
            return _no("reading them is hardly faster than computing them")
    budget = table.cache_budget * 1e9
    if size > budget:
        return _no(f"they take {size_text(size)}, but train.cache_budget allows {size_text(budget)}")
    folder.mkdir(parents=True, exist_ok=True)
    missing = sum(each.missing for each in sets)
    needed, free = part.bytes_per_image * missing, 0.9 * shutil.disk_usage(folder).free
    if needed > free:
        return _no(f"they take {size_text(needed)}, but {size_text(free)} are free below {folder}")
    if not missing:
        return CachePlan(True, f"features are cached: an earlier run left them all, {size_text(size)}")
    done = sum(len(each.rows) for each in sets) - missing
    left = f"; an earlier run left {done:,} images" if done else ""
    passes = "1 pass" if views == 1 else f"{views} passes"
    details = f"{passes} through the frozen part instead of {epochs}, {size_text(size)}{left}"
    return CachePlan(True, f"features are cached: {details}")


def worth_reading(part: FrozenPart) -> bool:
    """Return whether reading features takes clearly less time than computing them."""
    return part.operations_per_image >= _OPERATIONS_PER_BYTE * part.bytes_per_image


def _no(reason: str) -> CachePlan:
    return CachePlan(False, f"features are not cached: {reason}")
