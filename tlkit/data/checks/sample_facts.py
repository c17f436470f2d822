"""Read the facts of every sample's image and mask."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlkit.contracts import SampleSet
from tlkit.data.checks.facts_cache import FactsCache
from tlkit.data.checks.file_facts import Facts, Reading, read_facts
from tlkit.data.store.store import Progress


@dataclass(frozen=True)
class SampleFacts:
    """The facts of all samples.

    Args:
        images: sample key → facts of its image.
        masks: sample key → facts of its mask, for masks that are files.
        read: the number of files that were read; the facts of the others come from an earlier check.
    """

    images: Mapping[str, Facts]
    masks: Mapping[str, Facts]
    read: int


def read_sample_facts(
    found: SampleSet, max_pixels: int, facts_cache: FactsCache, progress: Progress | None
) -> SampleFacts:
    """Read images and masks, each file once.

    Args:
        found: the sample set.
        max_pixels: images with more pixels than this, by their header, are not decoded.
        facts_cache: facts from earlier checks; new ones are added.
        progress: called with (done, total) files.
    """
    samples = found.samples
    wanted = dict.fromkeys((each.image, False) for each in samples if isinstance(each.image, Path))
    wanted |= dict.fromkeys((each.mask, True) for each in samples if isinstance(each.mask, Path))
    facts, read = read_facts(list(wanted), Reading(max_pixels, found.mask_table), facts_cache, progress)
    of_file = dict(zip(wanted, facts, strict=True))
    return SampleFacts(
        images={
            each.key: of_file[each.image, False] if isinstance(each.image, Path) else _row_facts(found, each.image)
            for each in samples
        },
        masks={each.key: of_file[each.mask, True] for each in samples if isinstance(each.mask, Path)},
        read=read,
    )


def _row_facts(found: SampleSet, row: int) -> Facts:
    assert found.images is not None
    pixels = np.ascontiguousarray(found.images[row])
    height, width = pixels.shape[:2]
    return Facts(
        digest=hashlib.sha256(pixels.tobytes()).hexdigest(),
        mode="RGB",
        width=width,
        height=height,
        constant=not (pixels != pixels[0, 0]).any(),
    )
