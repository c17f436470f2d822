"""Name the copies that stand on several sides of a division, by the digests of the decoded images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from tlkit.contracts import Sample
from tlkit.system.columns import Chosen, HexDigests
from tlkit.system.text import listed

_SHOWN = 3
_CHUNK = 1_000_000


def divided_copies(
    samples: Sequence[Sample], sides: np.ndarray, digests: Sequence[str], pixels: Callable[[int], np.ndarray]
) -> str:
    """Return how many images stand with copies of the same bytes on several sides, and which; empty if none do.

    Images of one colour are often alike without being copies, and don't count.

    Args:
        samples: the samples.
        sides: the number of the side of each sample, such as its split; -1 for those that don't count.
        digests: SHA-256 of the bytes of each image.
        pixels: place in ``samples`` → uint8 (H, W, 3).
    """
    places: dict[str, list[int]] = defaultdict(list)
    for place in _alike(digests).tolist():
        if sides[place] >= 0:
            places[digests[place]].append(place)
    divided = [each for each in places.values() if len(set(sides[each].tolist())) > 1 and _is_picture(pixels(each[0]))]
    if not divided:
        return ""
    shown = listed([" and ".join(samples[place].key for place in each[:_SHOWN]) for each in divided], _SHOWN)
    return f"{len(divided)} {'image' if len(divided) == 1 else 'images'}, such as {shown}"


def _alike(digests: Sequence[str]) -> np.ndarray:
    """Return the places of digests that may equal another, int64, ascending; most have no copy, and take 8 bytes."""
    if isinstance(digests, Chosen):
        starts = np.array(digests.column.starts())[np.frombuffer(digests.places, np.int32)]
    elif isinstance(digests, HexDigests):
        starts = np.array(digests.starts())
    else:
        starts = np.fromiter(map(hash, digests), np.int64, len(digests))
    ordered = np.sort(starts)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    del ordered
    found = [
        first + np.flatnonzero(np.isin(starts[first : first + _CHUNK], repeated))
        for first in range(0, len(starts) if len(repeated) else 0, _CHUNK)
    ]
    return np.concatenate([np.zeros(0, np.int64), *found])


def _is_picture(image: np.ndarray) -> bool:
    return bool((image != image[0, 0]).any())
