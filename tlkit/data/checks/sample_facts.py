"""Read the facts of every sample's image and mask."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tlkit.contracts import Sample, SampleSet
from tlkit.data.checks.drawn_facts import read_drawn_facts
from tlkit.data.checks.facts import Facts
from tlkit.data.checks.facts_cache import FactsCache
from tlkit.data.checks.file_facts import WantedFile, read_facts
from tlkit.data.checks.one_file import FactsReading
from tlkit.data.checks.spread_facts import SpreadFacts
from tlkit.data.images.reading import Reading
from tlkit.data.images.source import RowImage, file_of, image_of
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
    spread: SpreadFacts | None = None,
) -> SampleFacts:
    """Read images and masks, each file once.

    Args:
        sample_set: the sample set.
        reading: how files are read.
        facts_cache: facts from earlier checks; new ones are added.
        progress: called with (done, total) files.
        with_masks: whether to read the masks, too.
        early: where to keep images that are decoded to the model's size meanwhile; None: they are not.
        spread: the workers of a cluster that read the files; None: this process does, and its own.
    """
    samples = sample_set.samples
    wanted: list[WantedFile] = []
    images = _places(wanted, [file_of(each.image) for each in samples], is_mask=False)
    masks = _places(wanted, [file_of(each.mask) for each in samples] if with_masks else [], is_mask=True)
    drawn = read_drawn_facts(sample_set, facts_cache, progress) if with_masks else {}
    how = FactsReading(reading, sample_set.mask_table)
    facts, read = read_facts(wanted, how, facts_cache, progress, early, spread)
    of_images = {
        each.key: _row_facts(each, sample_set) if place is None else facts[place]
        for each, place in zip(samples, images, strict=True)
    }
    with_mask_file = {each.key: place for each, place in zip(samples, masks, strict=False) if place is not None}
    return SampleFacts(
        images=of_images,
        masks={key: facts[place] for key, place in with_mask_file.items()} | dict(drawn),
        read=sum(read),
        kept=len(read) - sum(read),
        fresh={
            each.key: facts[place].digest
            for each, place in zip(samples, images, strict=True)
            if place is not None and read[place]
        },
    )


def _places(wanted: list[WantedFile], files: Sequence[Path | None], *, is_mask: bool) -> list[int | None]:
    """Add files to those that are wanted, each once, and return the place there of each; None where there is none."""
    places: dict[str, int] = {}
    found: list[int | None] = []
    for file in files:
        if file is None:
            found.append(None)
            continue
        place = places.setdefault(str(file), len(wanted))
        if place == len(wanted):
            wanted.append((file, is_mask))
        found.append(place)
    return found


def _row_facts(sample: Sample, sample_set: SampleSet) -> Facts:
    image = image_of(sample, sample_set)
    assert isinstance(image, RowImage)
    pixels = image.pixels
    height, width = pixels.shape[:2]
    return Facts(
        digest=hashlib.sha256(image.read()).hexdigest(),
        mode="RGB",
        width=width,
        height=height,
        constant=not (pixels != pixels[0, 0]).any(),
    )
