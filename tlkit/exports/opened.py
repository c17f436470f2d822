"""An exported file, opened for predictions. It may be someone else's: none of its code is executed, unless trusted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import NoReturn

import numpy as np

from tlkit.contracts import ExportedModel, Exporter
from tlkit.errors import DataError, PluginError, RunError
from tlkit.evaluation.predictor import Predictor
from tlkit.exports.formats import check_installed, exporter_of_file
from tlkit.exports.metadata import FileCard, read_metadata
from tlkit.exports.outputs import RuntimeFailedError, checked_outputs
from tlkit.exports.runtime import open_with, start_runtime
from tlkit.models.tasks import task_of_card
from tlkit.registry import Registry
from tlkit.runs.card import Card
from tlkit.system.parallel import usable_processors

MAX_BYTES = 8_000_000_000
"""Largest size of an exported file, or of a folder: four times the largest model of Keras."""


class FileModel:
    """An exported file and its runtime, which one thread at a time calls.

    Args:
        path: the file, for messages.
        card: its card.
        opened: what its exporter has opened.

    Attributes:
        engine: the runtime and its version.
    """

    def __init__(self, path: Path, card: Card, opened: ExportedModel) -> None:
        self.engine = opened.runtime
        self._path, self._task, self._opened = path, task_of_card(card), opened
        self._places = card.image_size if card.task == "segmentation" else ()
        self._lock = Lock()

    def for_images(self, count: int, first: Callable[[], np.ndarray], note: Callable[[str], None]) -> FileModel:
        """Return the model itself: there is no other."""
        del count, first, note
        return self

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the logits of images: float32 (n, …, units) from uint8 (n, H, W, 3).

        Raises:
            RunError: the runtime can't compute them, or gives something else.
        """
        try:
            with self._lock:
                outputs = self._opened.run(np.ascontiguousarray(images))
            return checked_outputs(outputs, self._task, len(images), self._places)[0]
        except (PluginError, RuntimeFailedError) as error:
            raise RunError(f"{self._path}: {self.engine}: {error}") from error

    def of_one(self, image: np.ndarray) -> np.ndarray:
        """Return the logits of an image: float32 (…, units) from uint8 (H, W, 3)."""
        return np.asarray(self(image[None])[0])


class FilePredictor(Predictor):
    """An exported file, ready for use as the model of a run folder is.

    Args:
        path: the file.
        about: what its texts say.
        model: the file with its runtime.

    Attributes:
        path: the file.
        run: the digest of ``model.keras`` of the run that it was exported from.
        precision: the number format in which the runtime multiplies.
    """

    def __init__(self, path: Path, about: FileCard, model: FileModel, precision: str) -> None:
        super().__init__(about.card, None, lite=model)
        self.path, self.run, self.precision = path, about.run, precision
        self.engine = model.engine

    @property
    def model(self) -> NoReturn:
        """There is no Keras model.

        Raises:
            RunError: always.
        """
        raise RunError(f"{self.path}: is an exported file, which has no Keras model; expected the run folder")


def open_exported(path: Path, registry: Registry, *, trust: bool = False, threads: int | None = None) -> FilePredictor:
    """Open an exported file with the runtime of its format.

    Args:
        path: the file, or the folder of a format that is one; it may be someone else's.
        registry: the plugins, which offer the formats.
        trust: open the file without checking that it can do nothing but compute.
        threads: the threads that the runtime may use; None for one per usable processor.

    Raises:
        DataError: there is no such file, no format has such a name, a package is missing, the file could do more than
            compute, the runtime can't run it, or the texts inside it are not those of tlkit.
        PluginError: the exporter broke its contract.
    """
    exporter = exporter_of_file(registry, path)
    check_installed(exporter, writes=False)
    if not trust:
        _check(exporter, path)
    try:
        opened = open_with(exporter, path, threads or usable_processors())
    except MemoryError as error:
        raise DataError(f"{path}: needs more memory than there is") from error
    about = read_metadata(path, opened.metadata)
    return FilePredictor(path, about, FileModel(path, about.card, opened), opened.precision)


def _check(exporter: Exporter, path: Path) -> None:
    found = [each for each in path.rglob("*") if not each.is_dir()] if path.is_dir() else [path]
    files = [each for each in found if each.is_file()]
    if other := next((each for each in found if not each.is_file()), None):
        raise DataError(f"{other}: is no file, and reading it may never end; expected what tlkit export writes")
    size = sum(each.stat().st_size for each in files)
    if size > MAX_BYTES:
        raise DataError(f"{path}: has {size} bytes; expected at most {MAX_BYTES}; tlkit did not write this file")
    if exporter.check is None:
        raise DataError(
            f'{path}: the format "{exporter.name}" can do more than compute, and nothing checks that this file does '
            "not; if you trust whoever made it, give --trust (trust=True)"
        )
    start_runtime(exporter)
    exporter.check(path)
