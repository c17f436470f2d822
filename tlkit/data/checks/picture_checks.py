"""What is found between files and between classes: the same picture twice, leaks, classes of uneven size."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np

from tlkit.contracts import Sample
from tlkit.data.checks.file_facts import Facts

_SPLITS = ("train", "validation", "test")
Group = tuple[str, str, tuple[str, ...]]
"""Key of a file, what is known of it, and the keys of the others that show the same picture."""


def shared_pictures(samples: Sequence[Sample], numbers: np.ndarray) -> dict[str, int]:
    """Key → number of its picture, of the samples that share one with another."""
    counts = np.bincount(numbers, minlength=1)
    return {each.key: int(number) for each, number in zip(samples, numbers, strict=True) if counts[number] > 1}


def by_picture(samples: Sequence[Sample], pictures: Mapping[str, int]) -> list[list[Sample]]:
    """The samples that share a picture, by picture, each in the order of the keys."""
    groups: dict[int, list[Sample]] = {}
    for sample in sorted(samples, key=lambda each: each.key):
        if sample.key in pictures:
            groups.setdefault(pictures[sample.key], []).append(sample)
    return [group for group in groups.values() if len(group) > 1]


def conflicts(
    groups: Sequence[Sequence[Sample]], facts: Mapping[str, Facts], classes: Sequence[str]
) -> Iterator[tuple[list[str], Group]]:
    """Pictures with several labels: the keys of all their files, and the finding."""
    for group in groups:
        labels = {sample.label for sample in group}
        if len(labels) > 1:
            named = ", ".join(_label(each, classes) for each in sorted(labels, key=str))
            yield [each.key for each in group], _group(group, f"{_sameness(group, facts)} in {named}")


def mask_conflicts(
    groups: Sequence[Sequence[Sample]], facts: Mapping[str, Facts], mask: Callable[[Sample], np.ndarray | None]
) -> Iterator[tuple[list[str], Group]]:
    """Images of the same bytes with different masks: the keys of all of them, and the finding.

    Args:
        groups: samples that share a picture.
        facts: of each image.
        mask: gives the class numbers of a sample's pixels; None where there are none.
    """
    for group in groups:
        same: dict[str, list[Sample]] = {}
        for sample in group:
            if sample.mask is not None:
                same.setdefault(facts[sample.key].digest, []).append(sample)
        for each in same.values():
            masks = [found for sample in each for found in (mask(sample),) if found is not None]
            if any(not np.array_equal(masks[0], other) for other in masks[1:]):
                yield [sample.key for sample in each], _group(each, "the same bytes with different masks")


def leaks(
    groups: Sequence[Sequence[Sample]], facts: Mapping[str, Facts], splits: Mapping[str, str]
) -> Iterator[tuple[list[str], Group]]:
    """Pictures in several splits: the keys of the files that would have to go, and the finding."""
    for group in groups:
        inside = [each for each in group if splits.get(each.key) in _SPLITS]
        sides = sorted({splits[each.key] for each in inside}, key=_SPLITS.index)
        if len(sides) > 1:
            ordered = sorted(inside, key=lambda each: (_SPLITS.index(splits[each.key]), each.key))
            detail = f"{_sameness(inside, facts)} in {' and '.join(sides)}"
            yield [each.key for each in inside if splits[each.key] != sides[-1]], _group(ordered, detail)


def repeats(
    groups: Sequence[Sequence[Sample]], facts: Mapping[str, Facts], splits: Mapping[str, str]
) -> Iterator[tuple[list[str], Group]]:
    """Pictures that are several times in one class and split: the keys of all files but the first, and the finding."""
    for group in groups:
        alike: dict[object, list[Sample]] = {}
        for sample in group:
            alike.setdefault((sample.label, splits.get(sample.key)), []).append(sample)
        for each in alike.values():
            if len(each) > 1:
                yield [sample.key for sample in each[1:]], _group(each, _sameness(each, facts))


def class_findings(
    classes: Sequence[str], counts: Mapping[str, Mapping[str, float]], ratio: float, lost: Collection[str] = ()
) -> Iterator[tuple[str, str, str]]:
    """Kind, class and detail: classes that a split lacks, and classes of very different size.

    Args:
        classes: class names.
        counts: class → split → images.
        ratio: of the greatest class to the smallest, above which they differ much.
        lost: classes whose images are all set aside.
    """
    splits = [split for split in _SPLITS if any(counts[name].get(split) for name in classes)]
    for name in classes:
        if name in lost:
            yield "too_few", name, "none of its images can be used; the class is left out"
        elif lacking := [split for split in splits if not counts[name].get(split)]:
            have = sum(counts[name].values())
            yield "too_few", name, f"{have:g} images; none in {' and '.join(lacking)}"
    trained = {name: counts[name].get("train", 0) for name in classes if counts[name].get("train")}
    if len(trained) > 1:
        most, least = max(trained, key=lambda each: trained[each]), min(trained, key=lambda each: trained[each])
        if trained[most] > ratio * trained[least]:
            yield "imbalance", least, f"{trained[least]:g} training images, but {trained[most]:g} of {most}"


def _group(group: Sequence[Sample], detail: str) -> Group:
    return group[0].key, detail, tuple(each.key for each in group[1:])


def _sameness(group: Sequence[Sample], facts: Mapping[str, Facts]) -> str:
    digests = {facts[each.key].digest for each in group}
    return "the same bytes" if len(digests) == 1 else "the same picture"


def _label(label: int | tuple[int, ...] | None, classes: Sequence[str]) -> str:
    if label is None:
        return "no class"
    return "|".join(classes[number] for number in (label if isinstance(label, tuple) else (label,)))
