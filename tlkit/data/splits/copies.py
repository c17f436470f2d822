"""Name the copies that stand on several sides of a division, by the digests of the decoded images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from tlkit.contracts import Sample
from tlkit.system.text import listed

_SHOWN = 3


def divided_copies(
    samples: Sequence[Sample], sides: Sequence[object], digests: Sequence[str], pixels: Callable[[int], np.ndarray]
) -> str:
    """Return how many images stand with copies of the same bytes on several sides, and which; empty if none do.

    Images of one colour are often alike without being copies, and don't count.

    Args:
        samples: the samples.
        sides: the side of each sample, such as its split; None for those that don't count.
        digests: SHA-256 of the bytes of each image.
        pixels: place in ``samples`` → uint8 (H, W, 3).
    """
    # Most have no copy, and take 8 bytes each.
    hashes = np.fromiter((hash(digest) for digest in digests), np.int64, len(digests))
    kinds, counts = np.unique(hashes, return_counts=True)
    places: dict[str, list[int]] = defaultdict(list)
    for place in np.flatnonzero(np.isin(hashes, kinds[counts > 1])).tolist():
        if sides[place] is not None:
            places[digests[place]].append(place)
    divided = [
        each for each in places.values() if len({sides[place] for place in each}) > 1 and _is_picture(pixels(each[0]))
    ]
    if not divided:
        return ""
    shown = listed([" and ".join(samples[place].key for place in each[:_SHOWN]) for each in divided], _SHOWN)
    return f"{len(divided)} {'image' if len(divided) == 1 else 'images'}, such as {shown}"


def _is_picture(image: np.ndarray) -> bool:
    return bool((image != image[0, 0]).any())
