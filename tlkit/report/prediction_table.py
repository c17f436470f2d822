"""The predictions of a classification as a CSV file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tlkit.errors import DataError
from tlkit.evaluation.found_images import FoundImage
from tlkit.evaluation.prediction import Prediction, texts_of
from tlkit.files import CellWriter
from tlkit.report.prediction_writer import PredictionWriter
from tlkit.system.disk import check_new_file


class PredictionTable(PredictionWriter):
    """Writes a CSV file with the columns path, label, probability, what else is said, and one for each class."""

    def check(self, _images: Sequence[FoundImage]) -> None:
        """Check that the file can be written."""
        if self.out.is_dir():
            example = self.out / "p.csv"
            raise DataError(
                f"{self.out}: is a folder; a classification's predictions need a CSV file, such as {example}"
            )
        check_new_file(self.out, overwrite=self.overwrite)

    def write(
        self, predictions: Iterable[Prediction], images: Sequence[FoundImage], failed: Callable[[Prediction], None]
    ) -> int:
        """Write the file, whole or not at all, and return its number of rows."""
        self.check(images)
        self.out.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self.out.parent, prefix=f".{self.out.name}-")
        try:
            with os.fdopen(handle, "w", newline="", encoding="utf-8", errors="replace") as file:
                count = self._write_rows(CellWriter(file), predictions, failed)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(self.out)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(temporary).unlink()
            raise
        return count

    def _write_rows(self, writer: Any, predictions: Iterable[Prediction], failed: Callable[[Prediction], None]) -> int:
        count = 0
        writer.writerow(["path", "label", "probability", *self.columns, *self.card.classes])
        for each in predictions:
            if each.error is not None:
                failed(each)
                continue
            probability = "" if each.probability is None else f"{each.probability:.6f}"
            shares = [f"{each.probabilities[name]:.6f}" for name in self.card.classes]
            writer.writerow([str(each.path), each.label, probability, *texts_of(each, self.columns), *shares])
            count += 1
        return count
