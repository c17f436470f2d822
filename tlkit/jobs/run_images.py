"""Compare images with those that a run recorded in its ``samples.csv``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tlkit.contracts import DrawnMask
from tlkit.runs.folder import RunFolder
from tlkit.runs.samples import SamplesFile

if TYPE_CHECKING:
    import numpy as np

    from tlkit.data.run_data import Data


def changed_images(folder: RunFolder, data: Data, rows: Iterable[int]) -> list[str]:
    """Return the keys of images of a run's own data whose bytes are not those that its ``samples.csv`` records.

    A mask that is drawn from annotations may be another one, as another version of tlkit draws it.

    Args:
        folder: the run folder.
        data: the decoded data.
        rows: the rows to compare.
    """
    recorded = SamplesFile(folder.samples).read_used()
    changed = []
    for row in rows:
        sample = data.samples[row]
        before, now = recorded.get(sample.key), data.store.read[sample.key]
        same = before is not None and before.digest == f"sha256:{now.whole}"
        if isinstance(sample.mask, DrawnMask) and before is not None:
            same = same or before.image_digest == f"sha256:{now.image}"
        if not same:
            changed.append(sample.key)
    return changed


def training_images(folder: RunFolder, data: Data, rows: np.ndarray) -> str:
    """Return a sentence about images that the run trained on, or chose its best epoch by; empty if there are none.

    Images are the same if their bytes are.

    Args:
        folder: the run folder.
        data: the decoded data.
        rows: int64 (N,) the rows that are measured.
    """
    from tlkit.data.run_data import image_digest

    if not folder.samples.is_file():
        return ""
    split_of: dict[str, str] = {}
    for each in SamplesFile(folder.samples).read_used().values():
        for digest in filter(None, (each.digest, each.image_digest)):
            split_of[digest] = "train" if "train" in (each.split, split_of.get(digest)) else each.split
    counts = {"train": 0, "validation": 0}
    for row in rows.tolist():
        digest = data.store.digests[row]
        digests = (digest, image_digest(data.samples[row], data.store, data.checked))
        split = next((split_of[f"sha256:{each}"] for each in digests if f"sha256:{each}" in split_of), "")
        if split in counts:
            counts[split] += 1
    uses = {"train": "training", "validation": "validation"}
    seen = [f"{count} {uses[split]} images" for split, count in counts.items() if count]
    if not seen:
        return ""
    return (
        f"{' and '.join(seen)} of this run are among the {len(rows)} images measured, so the metrics are better than "
        "they would be on new images"
    )
