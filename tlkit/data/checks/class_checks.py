"""Count the images or pixels of each class, and find classes that have too few."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

import numpy as np

from tlkit.contracts import Sample, SampleSet, Split, Task
from tlkit.data.checks.facts import Facts
from tlkit.data.checks.policy import CheckSettings, Observation
from tlkit.data.class_names import difference, similar_names
from tlkit.data.images.source import RowMask, mask_of
from tlkit.data.splits.labels import classes_left, numbers_of
from tlkit.system.text import counted, listed, nearest

_SPLITS = get_args(Split)
_TOGETHER = 5
"""Where more classes than this lack a split, those that lack the same ones are one finding."""


def remaining_classes(sample_set: SampleSet, samples: Sequence[Sample], splits: Mapping[str, str]) -> set[int]:
    """Return the numbers of the classes that have an image in a split; all classes where there are no splits."""
    if not splits:
        return set(range(len(sample_set.classes)))
    return classes_left(sample_set, [each for each in samples if splits.get(each.key) in _SPLITS])


def class_observations(
    sample_set: SampleSet,
    samples: Sequence[Sample],
    splits: Mapping[str, str],
    masks: Mapping[str, Facts],
    settings: CheckSettings,
) -> Iterator[Observation]:
    """Yield the classes that have no image or pixel, that a split lacks, or that differ much in size.

    Args:
        sample_set: the sample set.
        samples: the samples that are left.
        splits: sample key → split; empty where the split can't be made.
        masks: sample key → facts of its mask.
        settings: the recipe's settings.
    """
    counts = _image_counts(sample_set.classes, samples, splits)
    alike = {name for group in similar_names(sample_set.classes) for name in group}
    yield from _similar_classes(sample_set.classes, counts)
    if settings.task == "classification" and splits:
        remaining = remaining_classes(sample_set, samples, splits)
        lost = [name for number, name in enumerate(sample_set.classes) if number not in remaining]
        for name in lost if len(remaining) >= settings.minimum_classes else ():
            yield Observation("lost_class", name, _why_lost(sample_set, name))
        untrained = [each for each in _untrained_classes(sample_set, samples, splits, counts) if each.key not in alike]
        yield from untrained
        known = {*lost, *(each.key for each in untrained), *alike}
        yield from _scarce_classes([name for name in sample_set.classes if name not in known], counts)
        yield from _imbalance(counts, settings.policy.imbalance_ratio)
    elif settings.task == "segmentation" and samples:
        pixels = _mask_pixels(sample_set, samples, splits, masks)
        present = [name for number, name in enumerate(sample_set.classes) if pixels[number]]
        if len(present) < 2 <= settings.minimum_classes:
            what = f"every labelled pixel is {present[0]}" if present else "every pixel is ignored"
            yield Observation("masks_one_class", f"{len(samples)} masks", what)
        trained = _mask_pixels(sample_set, [each for each in samples if splits.get(each.key) == "train"], splits, masks)
        for number, name in enumerate(sample_set.classes):
            if not pixels[number]:
                yield Observation("too_few", name, "no mask has a pixel of it")
            elif trained.any() and not trained[number]:
                yield Observation("too_few", name, "no training mask has a pixel of it")


def class_table(
    sample_set: SampleSet, samples: Sequence[Sample], splits: Mapping[str, str], masks: Mapping[str, Facts], task: Task
) -> dict[str, dict[str, float]]:
    """Return class → split → images; for segmentation class → "pixels" → share of the labelled pixels."""
    if task == "classification":
        counts = _image_counts(sample_set.classes, samples, splits)
        remaining = remaining_classes(sample_set, samples, splits)
        return {name: counts[name] for number, name in enumerate(sample_set.classes) if number in remaining}
    pixels = _mask_pixels(sample_set, samples, splits, masks)[: len(sample_set.classes)]
    total = max(int(pixels.sum()), 1)
    return {name: {"pixels": float(count / total)} for name, count in zip(sample_set.classes, pixels, strict=True)}


def _image_counts(
    classes: Sequence[str], samples: Sequence[Sample], splits: Mapping[str, str]
) -> dict[str, dict[str, float]]:
    """Return class → split → images."""
    counts: dict[str, dict[str, float]] = {name: {} for name in classes}
    for sample in samples:
        split = splits.get(sample.key, "left out")
        if split == "left out":
            continue
        for number in numbers_of(sample):
            of_class = counts[classes[number]]
            of_class[split] = of_class.get(split, 0) + 1
    return counts


def _why_lost(sample_set: SampleSet, name: str) -> str:
    number = sample_set.classes.index(name)
    total = sum(number in numbers_of(sample) for sample in sample_set.samples)
    return "its only image can't be used" if total == 1 else f"none of its {total} images can be used"


def _similar_classes(classes: Sequence[str], counts: Mapping[str, Mapping[str, float]]) -> Iterator[Observation]:
    for group in similar_names(classes):
        shown = [f'"{name}"{_counts_text(counts[name])}' for name in group]
        yield Observation("similar_classes", group[0], f"{' and '.join(shown)} differ only in {difference(group)}")


def _counts_text(counts: Mapping[str, float]) -> str:
    parts = [f"{counts[split]:g} {split}" for split in _SPLITS if counts.get(split)]
    return f" ({', '.join(parts)})" if parts else ""


def _untrained_classes(
    sample_set: SampleSet,
    samples: Sequence[Sample],
    splits: Mapping[str, str],
    counts: Mapping[str, Mapping[str, float]],
) -> list[Observation]:
    """Return the classes without a training image of which the data set itself puts images in another split."""
    trained = [name for name in sample_set.classes if counts[name].get("train")]
    if len(trained) < 2:
        return []
    found = []
    for number, name in enumerate(sample_set.classes):
        if counts[name].get("train"):
            continue
        of_class = [each for each in samples if number in numbers_of(each) and splits.get(each.key) in _SPLITS]
        if any(each.split in ("validation", "test") for each in of_class):
            near = nearest(name, trained)
            guess = f'; is it "{near}"?' if near else "; are these images without labels?"
            parts = " and ".join(f"{counts[name][split]:g} {split}" for split in _SPLITS if counts[name].get(split))
            several = "" if sum(counts[name].values()) == 1 else "s"
            detail = f"{parts} image{several}, such as {of_class[0].key}, but no training image{guess}"
            found.append(Observation("untrained_class", name, detail, affected=tuple(each.key for each in of_class)))
    return found


def _scarce_classes(classes: Sequence[str], counts: Mapping[str, Mapping[str, float]]) -> Iterator[Observation]:
    """Yield the classes that a split lacks; where many lack the same splits, yield them together."""
    splits = [split for split in _SPLITS if any(counts[name].get(split) for name in classes)]
    lacking: dict[str, list[str]] = {}
    for name in classes:
        if without := [split for split in splits if not counts[name].get(split)]:
            lacking.setdefault(" and ".join(without), []).append(name)
    many = sum(map(len, lacking.values())) > _TOGETHER
    for where, names in lacking.items():
        if many and len(names) > 1:
            yield Observation(
                "too_few", f"{len(names)} of {len(classes)} classes", f"none in {where}: {listed(names, 5)}"
            )
            continue
        for name in names:
            yield Observation("too_few", name, f"{counted(sum(counts[name].values()), 'image')}; none in {where}")


def _imbalance(counts: Mapping[str, Mapping[str, float]], ratio: float) -> Iterator[Observation]:
    """Yield the smallest class if the largest has more than ``ratio`` times as many training images."""
    trained = {name: splits["train"] for name, splits in counts.items() if splits.get("train")}
    if len(trained) > 1:
        largest, smallest = (choose(trained, key=lambda each: trained[each]) for choose in (max, min))
        if trained[largest] > ratio * trained[smallest]:
            detail = f"{trained[smallest]:g} training images, but {trained[largest]:g} of {largest}"
            yield Observation("imbalance", smallest, detail)


def _mask_pixels(
    sample_set: SampleSet, samples: Sequence[Sample], splits: Mapping[str, str], masks: Mapping[str, Facts]
) -> np.ndarray:
    """Return the pixels of each class number in the masks that are used, int64 (256,)."""
    pixels = np.zeros(256, np.int64)
    for sample in samples:
        if splits.get(sample.key) == "left out":
            continue
        if sample.key in masks:
            for number, count in masks[sample.key].classes.items():
                pixels[int(number)] += count
        elif isinstance(mask := mask_of(sample, sample_set), RowMask):
            pixels += np.bincount(mask.classes.reshape(-1), minlength=256)
    return pixels
