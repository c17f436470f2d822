"""Decide whether caching the features of a phase's frozen part pays off."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlkit.recipe.schema import TrainTable
from tlkit.system.text import size_text
from tlkit.train.feature_set import FeatureSet
from tlkit.train.frozen_part import FrozenPart

_OPERATIONS_PER_BYTE = 100
"""A core does about ten billion operations per second; a disk delivers about a hundred million bytes per second."""


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
    part: FrozenPart,
    sets: Sequence[FeatureSet],
    folder: Path,
    table: TrainTable,
    *,
    images: int,
    epochs: int,
    augmented: bool,
) -> CachePlan:
    """Decide whether to cache features, after a trial of a few batches and of the disk.

    Args:
        part: the frozen part.
        sets: the sets of features to cache; features that earlier runs cached are not computed again.
        folder: a folder on the disk that would hold them; it is created.
        table: the recipe's ``[train]``, with ``cache`` other than ``off``.
        images: the number of images that an epoch reads, validation included.
        epochs: the largest number of epochs of the phase.
        augmented: whether images are augmented. Cached views are drawn differently from fresh ones, so the decision
            must not depend on the speed of the machine or on what earlier runs left: it compares operations with bytes
            instead of times.

    Raises:
        OSError: the folder can't be used.
    """
    views = table.views if augmented else 1
    if epochs <= views and table.cache == "auto":
        return _no(f"{epochs} epochs would each see different images")
    size = part.bytes_per_image * sum(len(each.rows) for each in sets)
    missing = sum(each.missing for each in sets)
    folder.mkdir(parents=True, exist_ok=True)
    budget = table.cache_budget * 1e9
    if size > budget:
        return _no(f"they take {size_text(size)}, but train.cache_budget allows {size_text(budget)}")
    needed, free = part.bytes_per_image * missing, 0.9 * shutil.disk_usage(folder).free
    if needed > free:
        return _no(f"they take {size_text(needed)}, but {size_text(free)} are free below {folder}")
    slow_to_compute = part.operations_per_image >= _OPERATIONS_PER_BYTE * part.bytes_per_image
    if augmented and table.cache == "auto" and not slow_to_compute:
        return _no("reading them is hardly faster than computing them")
    if not missing:
        return CachePlan(True, f"features are cached: an earlier run left them all, {size_text(size)}")
    computing, reading = _try(next(each for each in sets if each.missing), folder)
    without = computing * images * epochs
    within = computing * missing + reading * images * epochs
    passes = "1 pass" if views == 1 else f"{views} passes"
    done = sum(len(each.rows) for each in sets) - missing
    details = (
        f"{passes} through the frozen part instead of {epochs}, {size_text(size)}; "
        f"about {_time_text(within)} instead of {_time_text(without)} for that part"
    )
    if done:
        details += f"; an earlier run left {done:,} images"
    if not augmented and table.cache == "auto" and within > 0.9 * without:
        return _no(f"reading them is hardly faster than computing them ({details})")
    return CachePlan(True, f"features are cached: {details}")


def _no(reason: str) -> CachePlan:
    return CachePlan(False, f"features are not cached: {reason}")


def _try(feature_set: FeatureSet, folder: Path) -> tuple[float, float]:
    """Return the seconds per image to compute features and to read them back."""
    computing, features = feature_set.try_some()
    with tempfile.TemporaryDirectory(dir=folder, prefix=".tried-") as temporary:
        reading = 0.0
        for number, each in enumerate(features):
            file = Path(temporary) / f"{number}.npy"
            np.save(file, each)
            began = time.perf_counter()
            np.array(np.load(file, mmap_mode="r"))
            reading += time.perf_counter() - began
    return computing, reading / len(features[0])


def _time_text(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{max(seconds, 1):.0f} s"
