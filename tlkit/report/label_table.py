"""``labels.csv``: the images whose labels may be wrong, with a column to fill in."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from tlkit.files import CellWriter

DECISION, KEY, LABEL = "decision", "key", "label"
COLUMNS = (DECISION, KEY, "split", LABEL, "suggested", "score", "probability", "findings", "nearest", "nearest_label")
"""``decision`` is the column to fill in."""


@dataclass(frozen=True)
class NearImage:
    """A neighbour of an image.

    Args:
        row: its row in the data.
        key: its key.
        label: its label; class names joined by ``|``.
        distance: 1 - the cosine of the angle between their features.
    """

    row: int
    key: str
    label: str
    distance: float


@dataclass(frozen=True)
class JudgedLabel:
    """An image, and what is to be said about its label.

    Args:
        row: its row in the data.
        key: its key.
        split: its split.
        label: its label: class names joined by ``|``; empty for a mask.
        suggested: what it seems to be, where that is something else; otherwise empty.
        score: 0-1; the lower, the more likely the label is wrong: of single labels the probability of the label, of
            several a mean of theirs, of a mask the mean IoU with the prediction.
        probability: the probability of what it seems to be; None where that is not a single class.
        findings: what was found, in words: the same words for all images of which it was.
        detail: more about it, in words; may be empty.
        near: its nearest neighbours, nearest first.
    """

    row: int
    key: str
    split: str
    label: str
    suggested: str
    score: float
    probability: float | None = None
    findings: tuple[str, ...] = ()
    detail: str = ""
    near: tuple[NearImage, ...] = ()


def findings_text(judged: JudgedLabel) -> str:
    """Return what was found, in one line."""
    return "; ".join(filter(None, [*judged.findings, judged.detail]))


def label_table(images: Sequence[JudgedLabel]) -> str:
    """Return ``labels.csv`` with a line for each image, in their order; the decisions are empty."""
    text = io.StringIO(newline="")
    writer = CellWriter(text)
    writer.writerow(COLUMNS)
    for each in images:
        nearest = each.near[0] if each.near else None
        writer.writerow(
            [
                "",
                each.key,
                each.split,
                each.label,
                each.suggested,
                f"{each.score:.4f}",
                "" if each.probability is None else f"{each.probability:.4f}",
                findings_text(each),
                nearest.key if nearest else "",
                nearest.label if nearest else "",
            ]
        )
    return text.getvalue()
