"""Name the copies among images whose files were not checked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from tlkit.contracts import Sample
from tlkit.data.store.store import Store
from tlkit.system.text import listed


def copies_notes(samples: Sequence[Sample], splits: Sequence[str], store: Store) -> list[str]:
    """Return notes about images of the same bytes that stand in several splits or have several labels.

    Images of one colour are often alike without being copies, and don't count.

    Args:
        samples: the decoded samples, in the store's order.
        splits: the split of each sample.
        store: the decoded samples.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for row, sample in enumerate(samples):
        if splits[row] != "left out":
            rows[store.read[sample.key].image].append(row)
    copies = [each for each in rows.values() if len(each) > 1 and not _is_constant(store.images[each[0]])]
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
