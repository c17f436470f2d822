"""Choose the samples whose masks the page of a check shows over their images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from tlkit.contracts import Sample, SampleSet, Split
from tlkit.data.checks.facts import Facts
from tlkit.data.images.reading import Reading
from tlkit.data.images.source import AnnotatedMask, FileImage, FileMask, RowImage, RowMask, image_of, mask_of

_PER_CLASS = 2
_PER_SPLIT = 4
_MOST = 24
"""Maximum number of samples."""


@dataclass(frozen=True)
class MaskPreview:
    """A sample to show.

    Args:
        key: the key of the sample.
        split: its split; empty where the split can't be made.
        image: its image.
        mask: its mask.
        size: (height, width) of the image in pixels.
    """

    key: str
    split: str
    image: FileImage | RowImage
    mask: FileMask | RowMask | AnnotatedMask
    size: tuple[int, int]


@dataclass(frozen=True)
class MaskPreviews:
    """The samples to show.

    Args:
        samples: the samples; of each class those with most of its pixels, and some of each split.
        classes: class names.
        colors: class number → (red, green, blue); other classes get a colour from tlkit's palette.
    """

    samples: tuple[MaskPreview, ...]
    classes: tuple[str, ...]
    colors: Mapping[int, tuple[int, int, int]]


def mask_previews(
    sample_set: SampleSet,
    samples: Sequence[Sample],
    splits: Mapping[str, str],
    images: Mapping[str, Facts],
    masks: Mapping[str, Facts],
    reading: Reading,
) -> MaskPreviews | None:
    """Choose samples of each class and split; no file is read. None where there are no masks.

    Args:
        sample_set: the sample set.
        samples: the samples that are left.
        splits: sample key → split; empty where the split can't be made.
        images: sample key → facts of its image.
        masks: sample key → facts of its mask.
        reading: how files are read.
    """
    chosen = [each for each in _choose(sample_set, samples, splits, masks) if each.mask is not None]
    if not chosen:
        return None
    previews = []
    for sample in chosen:
        mask = mask_of(sample, sample_set, reading)
        assert mask is not None
        size = images[sample.key].height, images[sample.key].width
        image = image_of(sample, sample_set, reading)
        previews.append(MaskPreview(sample.key, splits.get(sample.key, ""), image, mask, size))
    order = [*get_args(Split), ""]
    previews.sort(key=lambda each: order.index(each.split) if each.split in order else len(order))
    return MaskPreviews(tuple(previews), sample_set.classes, sample_set.colors)


def _choose(
    sample_set: SampleSet, samples: Sequence[Sample], splits: Mapping[str, str], masks: Mapping[str, Facts]
) -> list[Sample]:
    """Return some samples of each split, and of each class those with most of its pixels."""
    largest: dict[int, list[tuple[float, Sample]]] = defaultdict(list)
    of_split: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        in_split = of_split[splits.get(sample.key, "")]
        if len(in_split) < _PER_SPLIT:
            in_split.append(sample)
        counts = masks[sample.key].classes if sample.key in masks else {}
        total = max(sum(counts.values()), 1)
        for number, count in counts.items():
            best = largest[int(number)]
            best.append((count / total, sample))
            best.sort(key=lambda each: -each[0])
            del best[_PER_CLASS:]
    by_class = [largest[number] for number in range(len(sample_set.classes))]
    first, second = ([each[place][1] for each in by_class if len(each) > place] for place in range(_PER_CLASS))
    some = [each for group in of_split.values() for each in group]
    # At least a third of the places is for the splits, whatever the number of classes.
    order = [*first[: _MOST * 2 // 3], *some, *second]
    return list({each.key: each for each in order}.values())[:_MOST]
