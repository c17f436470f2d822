"""Name the copies among images whose files were not checked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tlkit.contracts import Sample
from tlkit.system.text import listed


def copies_notes(
    samples: Sequence[Sample], splits: Sequence[str], digests: Mapping[str, str], pixels: Callable[[int], np.ndarray]
) -> list[str]:
    """Return notes about images of the same bytes that stand in several splits or have several labels.

    Images of one colour are often alike without being copies, and don't count.

    Args:
        samples: the samples.
        splits: the split of each sample.
        digests: sample key → SHA-256 of the bytes of its image.
        pixels: place in ``samples`` → uint8 (H, W, 3).
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for row, sample in enumerate(samples):
        if splits[row] != "left out":
            rows[digests[sample.key]].append(row)
    copies = [each for each in rows.values() if len(each) > 1 and not _is_constant(pixels(each[0]))]
    notes = []
    for what, several in (
        ("splits, which makes metrics too good", [each for each in copies if len({splits[row] for row in each}) > 1]),
        ("classes", [each for each in copies if len({samples[row].label for row in each}) > 1]),
    ):
        if several:
            shown = listed([" and ".join(samples[row].key for row in each[:3]) for each in several], 3)
            notes.append(f"copies in several {what}: {len(several)} images, such as {shown}; tlkit check finds them")
    return notes


def _is_constant(image: np.ndarray) -> bool:
    return not (image != image[0, 0]).any()
