"""What the report shows of the workers of a training: where each ran, how fast it was, and which were lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tlkit.runs.folder import RunFolder
from tlkit.runs.workers import read_workers

COLUMNS = ("worker", "machine", "devices", "threads", "images", "images/s", "seconds of waiting")
"""The columns of the table; those from ``threads`` hold numbers."""


@dataclass(frozen=True)
class WorkersPart:
    """The workers.

    Args:
        rows: the texts of ``COLUMNS`` of each worker.
        losses: a sentence for each worker that was lost.
    """

    rows: Sequence[tuple[str, ...]]
    losses: Sequence[str]


def workers_part(folder: RunFolder) -> WorkersPart | None:
    """Return what the report shows of the workers; None if one process trained the run.

    Raises:
        RunError: ``workers.json`` is damaged.
    """
    found = read_workers(folder)
    if found is None:
        return None
    rows = [
        (
            f"{each.rank}{' (chief)' if not each.rank else ''}",
            each.host,
            each.devices,
            str(each.threads) if each.threads else "–",
            f"{each.images:,}" if each.images else "–",
            "–" if each.speed is None else f"{each.speed:.1f}",
            f"{each.waiting:.1f}",
        )
        for each in found.workers
    ]
    return WorkersPart(rows, found.losses)
