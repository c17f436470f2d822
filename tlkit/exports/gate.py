"""The gate: an exported file is kept if its own runtime gives the Keras model's answers, and removed otherwise."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit import __version__
from tlkit.contracts import ExportContext, InputType, Quantization, Split
from tlkit.data.store.rows import evenly_spaced
from tlkit.errors import DataError, PluginError
from tlkit.evaluation.evaluator import evaluate
from tlkit.exports.answers import FileAnswers, KerasAnswers
from tlkit.exports.asked import Asked
from tlkit.exports.limits import advice, precision_refusal, refusal, standard_error
from tlkit.exports.metadata import metadata_of
from tlkit.exports.outputs import RuntimeFailedError
from tlkit.exports.process import RuntimeProcess, runtime_process
from tlkit.exports.staging import Staging, staging_for
from tlkit.exports.traced import Traced, traced
from tlkit.models.tasks import task_of_card
from tlkit.registry import Registry
from tlkit.runs.card import Card
from tlkit.runs.exports import Export
from tlkit.system.disk import NoRoomError
from tlkit.system.parallel import usable_processors

if TYPE_CHECKING:
    from tlkit.data.run_data import Data

MOST_IMAGES = 200
"""Images on which a file is compared with the Keras model, evenly spaced among those of the split."""
CALIBRATION_IMAGES = 150
_NO_ROOM = os.strerror(errno.ENOSPC)
_SPLITS: tuple[Split, ...] = ("validation", "test", "train")

Progress = Callable[[str, int, int], None]


@dataclass
class Gate:
    """A run's model and its images, for one or more exports.

    Args:
        model: the Keras model, from images to logits.
        card: its card.
        run: the digest of its file.
        data: the run's images.
        registry: the plugins.
        progress: called with what is being done, and how many of how many images are done.
        notes: remarks about the files that were kept.
    """

    model: Any
    card: Card
    run: str
    data: Data
    registry: Registry
    progress: Progress = lambda _doing, _done, _total: None
    notes: list[str] = field(default_factory=list)
    _traced: dict[InputType, Traced] = field(default_factory=dict)

    @cached_property
    def split(self) -> Split:
        """The split whose images both models are compared on."""
        return next((each for each in _SPLITS if len(self.data.indices(each))), "train")

    @cached_property
    def rows(self) -> np.ndarray:
        """The rows of these images, int64 (N,)."""
        rows = self.data.indices(self.split)
        return np.asarray(rows[evenly_spaced(len(rows), MOST_IMAGES)])

    @cached_property
    def keras(self) -> KerasAnswers:
        """The answers of the Keras model."""
        return KerasAnswers(self.model, self.card, self.data, self.rows)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The metrics of the Keras model on the images."""
        return self._measured(self.keras, "evaluating the Keras model")

    @property
    def metric(self) -> str:
        """The metric that is compared."""
        return "mean_iou" if self.card.task == "segmentation" else "accuracy"

    def _measured(self, logits: Any, doing: str) -> dict[str, Any]:
        outcome = evaluate(
            logits,
            self.card,
            self.data,
            self.rows,
            batch_size=logits.at_once,
            progress=lambda done, total: self.progress(doing, done, total),
        )
        return outcome.metrics

    def export(self, asked: Asked) -> Export:
        """Write a file, compare it with the Keras model, and move it to its place if it agrees.

        Returns:
            what was found; a file that is refused is removed, and ``reason`` says why and what to try.

        Raises:
            DataError: the format can't express the model, or another file is in the way.
            PluginError: the exporter broke its contract.
            OSError: the disk is full, or the file can't be written for another reason.
        """
        with staging_for(asked.target) as staging:
            try:
                self._write(asked, staging)
            except DataError as error:
                raise DataError(str(error).replace(str(staging.path), asked.target.name)) from error
            written = staging.digest()
            found = self._compared(asked, staging)
            if not found.reason:
                self._note_trust(asked, staging)
                if staging.digest() != written:
                    raise PluginError(f'exporter "{asked.exporter.name}": its file changed while it was compared')
                staging.move(overwrite=asked.overwrite)
                return found.model_copy(update={"passed": True, "digest": written})
        hint = advice(asked.exporter.name, asked.quantize, asked.exporter.quantizations)
        return found.model_copy(update={"reason": f"{found.reason}; {hint}"})

    def _write(self, asked: Asked, staging: Staging) -> None:
        self.progress(f"writing {asked.title}", 0, 0)
        function = self._function(asked.input_type)
        empty = staging.scratch / "work"
        empty.mkdir()
        context = ExportContext(
            model=function.model,
            function=function.function,
            save=function.save,
            image_size=self.card.image_size,
            input_type=asked.input_type,
            quantize=asked.quantize,
            images=self._calibration(asked.quantize),
            metadata=metadata_of(self.card, self.run, asked.input_type),
            scratch=empty,
        )
        with _told_of_full_disk(staging):
            asked.exporter.write(context, staging.path, asked.options)
        try:
            staging.check()
        except DataError as error:
            raise PluginError(f'exporter "{asked.exporter.name}": {error}') from error

    def _function(self, input_type: InputType) -> Traced:
        if input_type not in self._traced:
            self._traced[input_type] = traced(self.model, task_of_card(self.card), input_type)
        return self._traced[input_type]

    def _calibration(self, quantize: Quantization | None) -> np.ndarray:
        images = self.data.store.images
        if quantize is None:
            return np.empty((0, *self.card.image_size, 3), np.uint8)
        rows = self.data.indices("train")
        if not len(rows):
            raise DataError("quantize: the run has no training images to calibrate it on; expected no --quantize")
        return np.asarray(images[rows[evenly_spaced(len(rows), CALIBRATION_IMAGES)]])

    def refused(self, asked: Asked, reason: str) -> Export:
        """Return the record of a file that is not there, for a reason."""
        return Export(
            format=asked.exporter.name,
            quantize=asked.quantize,
            input=asked.input_type,
            file=str(asked.target),
            images=len(self.rows),
            split=self.split,
            metric=self.metric,
            passed=False,
            reason=reason,
            tlkit=__version__,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _compared(self, asked: Asked, staging: Staging) -> Export:
        keras = self.metrics.get(self.metric)
        row = self.refused(asked, "").model_copy(
            update={"bytes": staging.bytes(), "metric_keras": keras, "ms_keras": self.keras.speed.milliseconds}
        )
        self.progress(f"running {asked.title}", 0, 0)
        try:
            with runtime_process(
                self.registry, asked.exporter, staging.path, threads=usable_processors(), scratch=staging.scratch
            ) as process:
                row = row.model_copy(update={"precision": process.precision, "runtime": process.runtime})
                if reason := self._other_texts(asked, process):
                    return row.model_copy(update={"reason": reason})
                answers = FileAnswers(self.keras, process)
                metrics = self._measured(answers, f"comparing {asked.title}")
        except RuntimeFailedError as error:
            return row.model_copy(update={"reason": str(error)})
        file, error_of = metrics.get(self.metric), standard_error(self.metrics, self.metric)
        reason = refusal(
            asked.quantize, answers.agreement, answers.largest_difference, (keras, file, error_of), self.metric
        ) or precision_refusal(asked.quantize, process.precision, row.bytes, _kernels(self.model))
        return row.model_copy(
            update={
                "largest_difference": answers.largest_difference,
                "agreement": answers.agreement,
                "metric_file": file,
                "ms_file": answers.speed.milliseconds,
                "reason": reason,
            }
        )

    def _note_trust(self, asked: Asked, staging: Staging) -> None:
        """Note if tlkit will open the file only with ``--trust``, as one that could be anybody's."""
        if asked.exporter.check is None:
            return
        try:
            asked.exporter.check(staging.path)
        except DataError as error:
            reason = str(error).replace(str(staging.path), asked.target.name)
            self.notes.append(f"tlkit predict and evaluate open {asked.target.name} only with --trust: {reason}")

    def _other_texts(self, asked: Asked, process: RuntimeProcess) -> str:
        """Return which text inside the file is not as it should be: how images are prepared depends on them."""
        for key, text in metadata_of(self.card, self.run, asked.input_type).items():
            found = process.metadata.get(key)
            if found != text:
                received = "missing" if found is None else f"{found[:40]!r}"
                return f"the text {key!r} inside it is {received}; expected {text[:40]!r}"
        return ""


@contextmanager
def _told_of_full_disk(staging: Staging) -> Iterator[None]:
    """Turn what libraries raise when the disk is full, each another error, into the operating system's error."""
    try:
        yield
    except Exception as error:
        if isinstance(error, NoRoomError) or _NO_ROOM not in str(error):
            raise
        full = OSError(errno.ENOSPC, _NO_ROOM)
        raise NoRoomError(full, staging.target, 0) from error


def _kernels(model: Any) -> int:
    """Return how many numbers the kernels of a model have; vectors may be folded into others."""
    return sum(math.prod(each.shape) for each in model.weights if len(each.shape) > 1)
