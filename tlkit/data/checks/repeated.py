"""Count different texts among millions, of which few are repeated, in 8 bytes for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np


def repeated_hashes(texts: Iterable[str | None]) -> set[int]:
    """Return the hashes that several of the texts have."""
    ordered = np.fromiter(map(hash, texts), np.int64)
    ordered.sort()
    return set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())


def different(texts: Callable[[], Iterable[str]]) -> int:
    """Return how many different texts there are.

    Args:
        texts: returns the texts, each time the same.
    """
    repeated = repeated_hashes(texts())
    count, several = 0, set[str]()
    for text in texts():
        if repeated and hash(text) in repeated:
            several.add(text)
        else:
            count += 1
    return count + len(several)
