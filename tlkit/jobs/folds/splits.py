"""The splits of a cross-validation: every image that is not a test image validates in exactly one fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tlkit.data.splits.copies import divided_copies
from tlkit.data.splits.iterative import deal_folds
from tlkit.errors import DataError
from tlkit.system.text import listed

if TYPE_CHECKING:
    import numpy as np

    from tlkit.data.run_data import Data


def fold_splits(data: Data, count: int, seed: int) -> list[np.ndarray]:
    """Return the splits of each fold.

    Args:
        data: the images; those of the training and validation splits are divided among the folds.
        count: the number of folds, at least 2.
        seed: the seed of the recipe.

    Returns:
        for each fold, str (N,), as ``Data.splits``.

    Raises:
        DataError: there are fewer images, groups, or images of a class than folds, or a fold would have no training
            image of a class.
    """
    import numpy as np

    rows = np.flatnonzero(np.isin(data.splits, ("train", "validation")))
    rows = rows[np.argsort([data.samples[row].key for row in rows], kind="stable")]
    # An image without a group is a group of its own.
    groups = [data.groups[row] or f"\0{data.samples[row].key}" for row in rows]
    grouped = len(set(groups)) < len(groups)
    if len(set(groups)) < count:
        raise DataError(f"--folds {count}: there are only {len(set(groups))} {'groups' if grouped else 'images'}")
    labels = None if data.labels is None or data.labels.ndim == 2 else data.labels[rows]
    if labels is not None:
        _check_classes(data.classes, labels, groups, count)
    if data.labels is not None and data.labels.ndim == 2:
        strata = [tuple(np.flatnonzero(row).tolist()) for row in data.labels[rows]]
        parts = [np.array(part, np.int64) for part in deal_folds(strata, groups, count, seed)]
    else:
        splitter = _splitter(count, seed, stratified=labels is not None, grouped=grouped)
        parts = [held_out for _, held_out in splitter.split(rows, labels, groups if grouped else None)]
    folds = []
    for held_out in parts:
        splits = data.splits.astype("U10")  # wide enough for "validation" also where all images train
        splits[rows] = "train"
        splits[rows[held_out]] = "validation"
        folds.append(splits)
    if labels is not None:
        for number, splits in enumerate(folds, 1):
            if missing := _missing_classes(data, splits, "train"):
                raise DataError(
                    f"--folds {count}: fold {number} would have no training image of {', '.join(missing[:8])}; use "
                    "another seed, fewer folds, or smaller groups"
                )
    return folds


def _splitter(count: int, seed: int, *, stratified: bool, grouped: bool) -> Any:
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    kinds = {
        (True, True): StratifiedGroupKFold,
        (True, False): StratifiedKFold,
        (False, True): GroupKFold,
        (False, False): KFold,
    }
    return kinds[stratified, grouped](n_splits=count, shuffle=True, random_state=seed)


def _check_classes(classes: Sequence[str], labels: np.ndarray, groups: Sequence[str], count: int) -> None:
    """Check that each class has enough images, and more than one group.

    Raises:
        DataError: a class has fewer images than there are folds, or all of them are in one group.
    """
    import numpy as np

    counts = np.bincount(labels, minlength=len(classes))
    few = [f"{name} ({number})" for name, number in zip(classes, counts, strict=True) if number < count]
    if few:
        raise DataError(
            f"--folds {count}: fewer images than folds of {', '.join(few[:8])}; expected {count} or more per class"
        )
    of_class = [{groups[place] for place in np.flatnonzero(labels == number).tolist()} for number in range(len(counts))]
    single = [name for name, members in zip(classes, of_class, strict=True) if len(members) < 2]
    if single:
        raise DataError(
            f"--folds {count}: all images of {', '.join(single[:8])} are in one group, so the fold that validates on "
            "it would not train the class; expected two groups or more per class. Files of the same picture form a "
            "group too"
        )


def fold_notes(data: Data, folds: Sequence[np.ndarray]) -> list[str]:
    """Return a note for each fold that lacks a class in training or in validation, and about copies in several folds.

    Args:
        data: the images that were divided.
        folds: as ``fold_splits`` returns them.
    """
    notes = []
    for split, verb in (("train", "trains no"), ("validation", "validates on no")):
        for number, splits in enumerate(folds, 1):
            if missing := _missing_classes(data, splits, split):
                notes.append(f"fold {number} {verb} image of {listed(missing)}")
    validates: list[int | None] = [None] * len(data.samples)
    for number, splits in enumerate(folds):
        for row in (splits == "validation").nonzero()[0].tolist():
            validates[row] = number
    digests = [data.store.read[each.key].image for each in data.samples]
    if copies := divided_copies(data.samples, validates, digests, lambda row: data.store.images[row]):
        notes.append(f"copies in several folds, which makes metrics too good: {copies}")
    return notes


def _missing_classes(data: Data, splits: np.ndarray, split: str) -> list[str]:
    """Return the classes that have images, but none in a split."""
    if data.labels is None:
        return []
    import numpy as np

    hot = data.labels if data.labels.ndim == 2 else np.eye(len(data.classes))[data.labels]
    in_split, in_all = hot[splits == split].sum(0), hot[np.isin(splits, ("train", "validation"))].sum(0)
    return [name for name, here, all_ in zip(data.classes, in_split, in_all, strict=True) if all_ and not here]
