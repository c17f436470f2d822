"""Class names: one Unicode form for all of them, and names that can only mean the same class."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from tlkit.contracts import DrawnMask, MaskTable, Sample, SampleSet
from tlkit.errors import DataError
from tlkit.files import class_name


def with_composed_names(sample_set: SampleSet, dataset: str) -> SampleSet:
    """Return the sample set with its class names in the Unicode form NFC, in which equal names are one class.

    Args:
        sample_set: the sample set.
        dataset: the name of the data set, for messages.

    Raises:
        DataError: two names of classes of masks are equal in this form.
    """
    composed = [class_name(name) for name in sample_set.classes]
    if composed == list(sample_set.classes):
        return sample_set
    names = tuple(dict.fromkeys(composed))
    number = [names.index(name) for name in composed]
    if len(names) < len(composed) and any(isinstance(sample.mask, int | DrawnMask) for sample in sample_set.samples):
        repeated = next(name for name in names if composed.count(name) > 1)
        raise DataError(
            f'dataset "{dataset}": two classes are called {repeated}, written in two Unicode forms; write both the '
            "same way"
        )
    table = sample_set.mask_table
    if table is not None:
        default = table.default if table.default is None else _renumbered(table.default, number)
        table = MaskTable({key: _renumbered(value, number) for key, value in table.values.items()}, default)
    return replace(
        sample_set,
        samples=tuple(_relabelled(sample, number) for sample in sample_set.samples),
        classes=names,
        mask_table=table,
        colors={_renumbered(old, number): color for old, color in sample_set.colors.items()},
    )


def _renumbered(old: int, number: list[int]) -> int:
    return number[old] if old < len(number) else old


def _relabelled(sample: Sample, number: list[int]) -> Sample:
    if isinstance(sample.label, tuple):
        return replace(sample, label=tuple(sorted({number[each] for each in sample.label})))
    return sample if sample.label is None else replace(sample, label=number[sample.label])


def similar_names(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the names that differ only in case, in blanks, or in ``_``, ``-`` and a blank between words.

    Single letters are classes of their own: ``A`` and ``a`` in a data set of characters.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if len(name) > 1:
            groups[_folded(name)].append(name)
    return [tuple(sorted(group)) for group in groups.values() if len(group) > 1]


def difference(names: Iterable[str]) -> str:
    """Return what the names of one group of ``similar_names`` differ in."""
    names = list(names)
    if len({name.casefold() for name in names}) == 1:
        return "upper and lower case"
    if len({" ".join(name.split()) for name in names}) == 1:
        return "blanks"
    if len({_folded(name, case=True) for name in names}) == 1:
        return "blanks, _ and -"
    return "case, blanks, _ and -"


def _folded(name: str, *, case: bool = False) -> str:
    text = " ".join(name.split())
    text = re.sub(r"(?<=[^\W_])[\s_-]+(?=[^\W_])", " ", text)
    return text if case else text.casefold()
