"""Read the facts of every sample's image and mask."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tlkit.contracts import Sample, SampleSet, image_text
from tlkit.data.checks.drawn_facts import read_drawn_facts
from tlkit.data.checks.facts import Facts
from tlkit.data.checks.facts_cache import FactsCache
from tlkit.data.checks.facts_column import FactsColumn
from tlkit.data.checks.file_facts import WantedFile, read_facts
from tlkit.data.checks.one_file import FactsReading
from tlkit.data.checks.repeated import repeated_hashes
from tlkit.data.checks.spread_facts import SpreadFacts
from tlkit.data.images.reading import Reading
from tlkit.data.images.source import RowImage, file_of, image_of
from tlkit.data.store.store import Early, Progress
from tlkit.system.columns import Made, Places
from tlkit.system.keyed import Keyed


class KeyedFacts(Keyed[Facts]):
    """Sample key → facts, which are made when they are asked for.

    Args:
        places: the place of each key.
        facts: the facts of files.
        rows: the file of each place, or -1.
    """

    def __init__(self, places: Places, facts: FactsColumn, rows: array[int]) -> None:
        super().__init__(places, facts, rows)
        self.places, self.facts = places, facts

    def digests(self) -> Mapping[str, str]:
        """Return sample key → digest."""
        return Keyed(self.places, self.facts.digests, self._rows)

    def kind(self, key: str) -> Facts:
        """Return the facts that a file shares with others, which is quicker: without its digests and its size."""
        return self.facts.kind(self._row(key))

    def rows_of(self, keys: Iterator[str]) -> np.ndarray:
        """Return where ``facts`` has those of some keys, int64."""
        return np.fromiter(map(self._row, keys), np.int64)


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

    images: KeyedFacts
    masks: KeyedFacts
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
    images, of_images = _places(lambda: map(image_text, samples))
    files = (file_of(each.mask) for each in samples if with_masks)
    texts = [None if file is None else str(file) for file in files]
    masks, of_masks = _places(lambda: iter(texts))
    drawn = read_drawn_facts(sample_set, facts_cache, progress) if with_masks else {}
    how = FactsReading(reading, sample_set.mask_table)
    facts, is_read = read_facts(_Wanted(samples, of_images, of_masks), how, facts_cache, progress, early, spread)
    fresh = array("q", (place if place >= 0 and is_read[place] else -1 for place in images))
    masks = array("q", (place if place < 0 else place + len(of_images) for place in masks))
    keys = Places(each.key for each in samples)
    for row, place in enumerate(images):
        if place < 0:
            images[row] = facts.append(_row_facts(samples[row], sample_set))
    masks.extend([-1] * (len(samples) - len(masks)))
    for key, each in drawn.items():
        masks[keys[key]] = facts.append(each)
    return SampleFacts(
        images=KeyedFacts(keys, facts, images),
        masks=KeyedFacts(keys, facts, masks),
        read=sum(is_read),
        kept=len(is_read) - sum(is_read),
        fresh=Keyed(keys, facts.digests, fresh),
    )


class _Wanted(Made[WantedFile]):
    """The files of samples, each once: first the images, then the masks; a path is made when it is asked for.

    Args:
        samples: the samples.
        images: the samples to take the images of.
        masks: the samples to take the masks of.
    """

    def __init__(self, samples: Sequence[Sample], images: Sequence[int], masks: Sequence[int]) -> None:
        self._samples, self._images, self._masks = samples, images, masks

    def __len__(self) -> int:
        return len(self._images) + len(self._masks)

    def _at(self, place: int) -> WantedFile:
        masks = place - len(self._images)
        if masks >= 0:
            return file_of(self._samples[self._masks[masks]].mask) or Path(), True
        return Path(image_text(self._samples[self._images[place]]) or ""), False


def _places(files: Callable[[], Iterator[str | None]]) -> tuple[array[int], array[int]]:
    """Number files, each once, in their order.

    Args:
        files: returns the file of each sample; None where there is none.

    Returns:
        the number of the file of each sample, -1 for none; and the first sample that has each file.
    """
    repeated = repeated_hashes(files())
    first: dict[str, int] = {}
    places, rows = array("q"), array("q")
    for row, file in enumerate(files()):
        if file is None:
            places.append(-1)
            continue
        place = len(rows)
        if repeated and hash(file) in repeated:
            place = first.setdefault(file, place)
        if place == len(rows):
            rows.append(row)
        places.append(place)
    return places, rows


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
