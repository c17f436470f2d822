"""Run lengths as COCO writes them."""

from __future__ import annotations

import numpy as np

import tlkit


def run_lengths(text: str | bytes) -> np.ndarray:
    """Return the run lengths of COCO's text, int64.

    Each is written in digits of five bits and a bit for "more follow", in the characters from "0"; from the fourth on
    as the difference to the last but one (``rleFrString`` in pycocotools' maskApi.c).

    Raises:
        DataError: this is not such a text.
    """
    codes = (
        np.frombuffer(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text, np.uint8).astype(
            np.int64
        )
        - 48
    )
    if not codes.size or codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        raise tlkit.DataError("run lengths that are not COCO's text")
    last = np.flatnonzero(codes & 32 == 0)
    first = np.concatenate([[0], last[:-1] + 1])
    digits = last - first + 1
    if digits.max() > 7:
        raise tlkit.DataError("run lengths that are too large for an image")
    place = np.arange(len(codes)) - np.repeat(first, digits)
    counts = np.add.reduceat((codes & 31) << (5 * place), first)
    counts -= np.where(codes[last] & 16, 1 << (5 * digits), 0)
    counts[1::2] = np.cumsum(counts[1::2])
    counts[2::2] = np.cumsum(counts[2::2])
    return counts


def is_whole(counts: np.ndarray, size: tuple[int, int]) -> bool:
    """Return whether run lengths are those of an image of (height, width): none negative, and all pixels."""
    return bool(counts.min(initial=0) >= 0 and counts.sum() == size[0] * size[1])
