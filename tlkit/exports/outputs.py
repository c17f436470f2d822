"""What an exported file must give: logits and probabilities of the right shapes, all of them numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tlkit.errors import RunError
from tlkit.models.tasks import LearningTask


class RuntimeFailedError(RunError):
    """The runtime can't run the file, or its process ended, did not answer, or answered something else."""


def checked_outputs(
    outputs: Mapping[str, np.ndarray], task: LearningTask, count: int, places: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the logits and the probabilities that a file gave, float32.

    Args:
        outputs: what it gave.
        task: what the logits mean.
        count: the number of images.
        places: (H, W) of a segmentation; empty for a classification.

    Raises:
        RuntimeFailedError: one is missing, has another shape, or is not finite.
    """
    found = []
    for name, width in (("logits", task.units), ("probabilities", task.classes)):
        if name not in outputs:
            raise RuntimeFailedError(f"it gives no {name}, but {', '.join(outputs) or 'nothing'}"[:200])
        array, shape = np.asarray(outputs[name], np.float32), (count, *places, width)
        if array.shape != shape:
            raise RuntimeFailedError(f"its {name} have the shape {array.shape} for {count} images; expected {shape}")
        if not np.isfinite(array).all():
            raise RuntimeFailedError(f"its {name} are not finite (NaN or infinity)")
        found.append(array)
    return found[0], found[1]
