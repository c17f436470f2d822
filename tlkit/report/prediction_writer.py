"""The base class of ``PredictionTable`` and ``PredictionMasks``, which write the predictions of files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tlkit.evaluation.found_images import FoundImage
from tlkit.evaluation.prediction import Prediction
from tlkit.runs.card import Card


class PredictionWriter(ABC):
    """Writes the predictions of files; files that exist are overwritten only on request.

    Args:
        card: the model's card.
        out: the file or folder to write.
        overwrite: True to overwrite files that exist.
        columns: the names of what else is said of each prediction, which only a table can hold.
    """

    def __init__(self, card: Card, out: Path, *, overwrite: bool, columns: tuple[str, ...] = ()) -> None:
        self.card = card
        self.out = out
        self.overwrite = overwrite
        self.columns = columns

    @abstractmethod
    def check(self, images: Sequence[FoundImage]) -> None:
        """Check that the predictions of images can be written.

        Raises:
            DataError: a file exists already, or ``out`` is not what the task needs.
        """

    @abstractmethod
    def write(
        self, predictions: Iterable[Prediction], images: Sequence[FoundImage], failed: Callable[[Prediction], None]
    ) -> int:
        """Write the predictions of images, and return their number.

        Args:
            predictions: one for each image, in the same order; consumed one at a time.
            images: the images.
            failed: called with each prediction that has an error, which is not written.

        Raises:
            DataError: as for ``check``.
            OSError: a file can't be written.
        """
