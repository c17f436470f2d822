"""The predictions of a classification as a CSV file."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tlkit.errors import DataError
from tlkit.evaluation.found_images import FoundImage
from tlkit.evaluation.prediction import Prediction, texts_of
from tlkit.files import CellWriter
from tlkit.report.prediction_writer import PredictionWriter
from tlkit.system.disk import appearing_whole, check_new_file
from tlkit.system.remote_names import named


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
        with appearing_whole(self.out) as binary:
            file = io.TextIOWrapper(binary, newline="", encoding="utf-8", errors="replace")
            count = self._write_rows(CellWriter(file), predictions, failed)
            file.detach()
        return count

    def _write_rows(self, writer: Any, predictions: Iterable[Prediction], failed: Callable[[Prediction], None]) -> int:
        count = 0
        writer.writerow(["path", "label", "probability", *self.columns, *self.card.classes])
        for each in predictions:
            if each.error is not None:
                failed(each)
                continue
            writer.writerow(self.values(each))
            count += 1
        return count

    def values(self, prediction: Prediction) -> list[object]:
        """Return the cells of a prediction: path, label, probability, what else is said, and the classes."""
        probability = "" if prediction.probability is None else f"{prediction.probability:.6f}"
        shares = [f"{prediction.probabilities[name]:.6f}" for name in self.card.classes]
        name = named(str(prediction.path))
        return [name, prediction.label, probability, *texts_of(prediction, self.columns), *shares]
