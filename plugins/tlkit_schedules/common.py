"""What the schedules share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

import tlkit

Rate = Annotated[float, Field(gt=0, le=10)]
Epochs = Annotated[int, Field(ge=1, le=100_000)]

EARLY_STOP = "a patience in epochs, or a table with patience and min_delta; none: as the table [train] says"
BATCH_NORM = (
    "BatchNormalization layers of the blocks that train: frozen keeps statistics and parameters, statistics keeps "
    "the statistics, train keeps nothing; none: frozen for a pretrained backbone, else train"
)
OPTIMIZER = "a Keras optimizer by name, or a table"
CURVE = "constant, cosine, step or plateau, or a table"
UNFREEZE = 'the first block that trains; "last": the last stage; "all": every block'


def batch_norm(outline: tlkit.Outline, policy: tlkit.BatchNormPolicy | None) -> tlkit.BatchNormPolicy:
    """The policy of the options, or the one that suits the backbone."""
    if policy is not None:
        return policy
    # The statistics of a random backbone are those of no data at all.
    return "frozen" if outline.pretrained else "train"


def blocks_from(outline: tlkit.Outline, name: str) -> tuple[str, ...]:
    """The blocks from ``unfreeze_from`` to the output.

    Raises:
        ValueError: ``("unfreeze_from", message)`` when the backbone has no such block.
    """
    try:
        return outline.from_block(name)
    except ValueError as error:
        raise ValueError("unfreeze_from", str(error)) from error
