"""Choose the samples whose masks the page of a check shows over their images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from tlkit.contracts import Sample, SampleSet, Split
from tlkit.data.checks.file_facts import Facts
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
) -> MaskPreviews | None:
    """Choose samples of each class and split; no file is read. None where there are no masks.

    Args:
        sample_set: the sample set.
        samples: the samples that are left.
        splits: sample key → split; empty where the split can't be made.
        images: sample key → facts of its image.
        masks: sample key → facts of its mask.
    """
    chosen = [each for each in _choose(sample_set, samples, splits, masks) if each.mask is not None]
    if not chosen:
        return None
    previews = []
    for sample in chosen:
        mask = mask_of(sample, sample_set)
        assert mask is not None
        size = images[sample.key].height, images[sample.key].width
        previews.append(MaskPreview(sample.key, splits.get(sample.key, ""), image_of(sample, sample_set), mask, size))
    order = [*get_args(Split), ""]
    previews.sort(key=lambda each: order.index(each.split) if each.split in order else len(order))
    return MaskPreviews(tuple(previews), sample_set.classes, sample_set.colors)


def _choose(
    sample_set: SampleSet, samples: Sequence[Sample], splits: Mapping[str, str], masks: Mapping[str, Facts]
) -> list[Sample]:
    chosen: dict[str, Sample] = {}
    for number in range(len(sample_set.classes)):
        shares = [(_share(masks[each.key], number), each) for each in samples if each.key in masks]
        largest = sorted((each for each in shares if each[0]), key=lambda each: -each[0])[:_PER_CLASS]
        chosen |= {sample.key: sample for _, sample in largest}
    for split in dict.fromkeys(splits.get(each.key, "") for each in samples):
        chosen |= {
            each.key: each for each in [each for each in samples if splits.get(each.key, "") == split][:_PER_SPLIT]
        }
    return list(chosen.values())[:_MOST]


def _share(facts: Facts, number: int) -> float:
    """Return the share of a mask's pixels that have a class."""
    return facts.classes.get(str(number), 0) / max(sum(facts.classes.values()), 1)
