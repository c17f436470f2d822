"""Compare the sizes of photos that EXIF turns with those of their masks, to see on which pixels these were drawn."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from tlkit.contracts import Sample
from tlkit.data.images.image_file import SWAPPED, BadImageError
from tlkit.data.images.picture import Picture
from tlkit.data.images.source import file_of
from tlkit.data.init.sample_files import Headers, evenly

_MAX_PAIRS = 100


def with_turned(headers: Headers, samples: Sequence[Sample]) -> Headers:
    """Add the number of pairs whose mask fits only the stored image, and of those whose sizes decide nothing."""
    stored = undecided = 0
    for sample in evenly(samples, _MAX_PAIRS):
        image, mask = file_of(sample.image), file_of(sample.mask)
        if image is None or mask is None:
            continue
        with suppress(BadImageError), Picture(image) as photo:
            if photo.orientation == 1:
                continue
            with Picture(mask) as drawn:
                if drawn.orientation != 1:
                    continue
                same, as_stored = drawn.size == photo.size, drawn.size == photo.stored_size
            stored += as_stored and not same
            undecided += same and (as_stored or photo.orientation not in SWAPPED)
    return replace(headers, stored=stored, undecided=undecided)
