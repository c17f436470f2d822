"""Read the facts of every sample's image and mask."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from tlkit.contracts import SampleSet
from tlkit.data.checks.drawn_facts import read_drawn_facts
from tlkit.data.checks.facts import Facts
from tlkit.data.checks.facts_cache import FactsCache
from tlkit.data.checks.file_facts import FactsReading, read_facts
from tlkit.data.images.reading import Reading
from tlkit.data.images.source import FileImage, RowImage, file_of, image_of
from tlkit.data.store.store import Early, Progress


@dataclass(frozen=True)
class SampleFacts:
    """The facts of all samples.

    Args:
        images: sample key → facts of its image.
        masks: sample key → facts of its mask, for masks that are files or are drawn.
        read: the number of files that were read.
        kept: the number of files whose facts come from an earlier check.
        fresh: sample key → SHA-256 of its image, of the images whose files were read now.
    """

    images: Mapping[str, Facts]
    masks: Mapping[str, Facts]
    read: int
    kept: int
    fresh: Mapping[str, str] = field(default_factory=dict)


def read_sample_facts(
    sample_set: SampleSet,
    reading: Reading,
    facts_cache: FactsCache,
    progress: Progress | None,
    *,
    with_masks: bool = True,
    early: Early | None = None,
) -> SampleFacts:
    """Read images and masks, each file once.

    Args:
        sample_set: the sample set.
        reading: how files are read.
        facts_cache: facts from earlier checks; new ones are added.
        progress: called with (done, total) files.
        with_masks: whether to read the masks, too.
        early: where to keep images that are decoded to the model's size meanwhile; None: they are not.
    """
    images = {each.key: image_of(each, sample_set) for each in sample_set.samples}
    masks = {each.key: file for each in sample_set.samples if with_masks and (file := file_of(each.mask)) is not None}
    wanted = dict.fromkeys((image.path, False) for image in images.values() if isinstance(image, FileImage))
    wanted |= dict.fromkeys((file, True) for file in masks.values())
    drawn = read_drawn_facts(sample_set, facts_cache, progress) if with_masks else {}
    facts, read = read_facts(list(wanted), FactsReading(reading, sample_set.mask_table), facts_cache, progress, early)
    of_file = dict(zip(wanted, facts, strict=True))
    return SampleFacts(
        images={
            key: of_file[image.path, False] if isinstance(image, FileImage) else _row_facts(image)
            for key, image in images.items()
        },
        masks={key: of_file[file, True] for key, file in masks.items()} | dict(drawn),
        read=len(read),
        kept=len(wanted) - len(read),
        fresh={
            key: of_file[image.path, False].digest
            for key, image in images.items()
            if isinstance(image, FileImage) and (image.path, False) in read
        },
    )


def _row_facts(image: RowImage) -> Facts:
    pixels = image.pixels
    height, width = pixels.shape[:2]
    return Facts(
        digest=hashlib.sha256(image.read()).hexdigest(),
        mode="RGB",
        width=width,
        height=height,
        constant=not (pixels != pixels[0, 0]).any(),
    )
