"""The splits of a cross-validation: every image that is not a test image validates in exactly one fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from tlkit.data.splits.copies import divided_copies
from tlkit.data.splits.group_folds import deal_groups
from tlkit.data.splits.group_numbers import numbered_groups, with_own_groups, without_gaps
from tlkit.data.splits.iterative import deal_folds
from tlkit.data.store.read_digests import image_digests
from tlkit.errors import DataError
from tlkit.system.text import counted, listed

if TYPE_CHECKING:
    import numpy as np

    from tlkit.data.run_data import Data
    from tlkit.data.splits.split_column import SplitColumn


class Folds(Sequence["SplitColumn"]):
    """The splits of each fold, as ``Data.splits``, which are made when they are asked for.

    Args:
        splits: the splits of the data.
        fold_of: the fold that each sample validates, int (N,); -1: none, and its split stays.
        count: the number of folds.
    """

    def __init__(self, splits: SplitColumn, fold_of: np.ndarray, count: int) -> None:
        self.splits, self.fold_of, self._count = splits, fold_of, count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, fold: int) -> SplitColumn: ...
    @overload
    def __getitem__(self, fold: slice) -> Sequence[SplitColumn]: ...
    def __getitem__(self, fold: int | slice) -> SplitColumn | Sequence[SplitColumn]:
        if isinstance(fold, slice):
            return [self[each] for each in range(self._count)[fold]]
        validated = self.fold_of == range(self._count)[fold]
        return self.splits.changed((self.fold_of >= 0, "train"), (validated, "validation"))


def _what_is_dealt(different: int, *, grouped: bool) -> str:
    what = counted(different, "image")
    if grouped:
        what = f"{counted(different, 'group')}: copies, near-copies and images of one group stay together in a fold"
    return f"{what}; expected at most {different} folds" if different > 1 else f"{what}; expected more"


def fold_splits(data: Data, count: int, seed: int) -> Folds:
    """Return the splits of each fold.

    Args:
        data: the images; those of the training and validation splits are divided among the folds.
        count: the number of folds, at least 2.
        seed: the seed of the recipe.

    Raises:
        DataError: there are fewer images, groups, or images of a class than folds, or a fold would have no training
            image of a class.
    """
    import numpy as np

    rows = np.flatnonzero(data.splits.among(("train", "validation")))
    rows = np.array(sorted(rows.tolist(), key=lambda row: data.samples[row].key), np.int64)
    # An image without a group is a group of its own.
    groups = with_own_groups(numbered_groups([data.groups[row] or None for row in rows.tolist()]))
    different = int(groups.max(initial=-1)) + 1
    grouped = different < len(groups)
    if different < count:
        raise DataError(f"--folds {count}: there are only {_what_is_dealt(different, grouped=grouped)}")
    labels = None if data.labels is None or data.labels.ndim == 2 else data.labels[rows]
    if labels is not None:
        _check_classes(data.classes, labels, groups, count)
    if data.labels is not None and data.labels.ndim == 2:
        strata = [tuple(np.flatnonzero(row).tolist()) for row in data.labels[rows]]
        dealt = np.empty(len(rows), np.int64)
        for number, part in enumerate(deal_folds(strata, groups, count, seed)):
            dealt[part] = number
    elif labels is not None and grouped:
        dealt = deal_groups(groups, without_gaps(labels), count, seed)
    else:
        dealt = np.empty(len(rows), np.int64)
        splitter = _splitter(count, seed, stratified=labels is not None, grouped=grouped)
        for number, (_, held_out) in enumerate(splitter.split(rows, labels, groups if grouped else None)):
            dealt[held_out] = number
    fold_of = np.full(len(data.splits), -1, np.int32)
    fold_of[rows] = dealt
    folds = Folds(data.splits, fold_of, count)
    if labels is not None:
        for number in range(1, count + 1):
            if missing := _missing_classes(data, folds[number - 1], "train"):
                raise DataError(
                    f"--folds {count}: fold {number} would have no training image of {', '.join(missing[:8])}; use "
                    "another seed, fewer folds, or smaller groups"
                )
    return folds


def _splitter(count: int, seed: int, *, stratified: bool, grouped: bool) -> Any:
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

    kind = StratifiedKFold if stratified else GroupKFold if grouped else KFold
    return kind(n_splits=count, shuffle=True, random_state=seed)


def _check_classes(classes: Sequence[str], labels: np.ndarray, groups: np.ndarray, count: int) -> None:
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
    pairs = np.unique(groups.astype(np.int64) * len(counts) + labels)
    of_class = np.bincount(pairs % len(counts), minlength=len(counts))
    single = [name for name, number in zip(classes, of_class, strict=True) if number < 2]
    if single:
        raise DataError(
            f"--folds {count}: all images of {', '.join(single[:8])} are in one group, so the fold that validates on "
            "it would not train the class; expected two groups or more per class. Files of the same picture form a "
            "group too"
        )


def fold_notes(data: Data, folds: Folds) -> list[str]:
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
    digests = image_digests(data.store.read, (each.key for each in data.samples))
    if copies := divided_copies(data.samples, folds.fold_of, digests, lambda row: data.store.images[row]):
        notes.append(f"copies in several folds, which makes metrics too good: {copies}")
    return notes


def _missing_classes(data: Data, splits: SplitColumn, split: str) -> list[str]:
    """Return the classes that have images, but none in a split."""
    if data.labels is None:
        return []
    import numpy as np

    labels, count = data.labels, len(data.classes)
    in_split, in_all = (
        labels[rows].sum(0) if labels.ndim == 2 else np.bincount(labels[rows], minlength=count)
        for rows in (splits == split, splits.among(("train", "validation")))
    )
    return [name for name, here, all_ in zip(data.classes, in_split, in_all, strict=True) if all_ and not here]
