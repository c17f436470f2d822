"""Find the files of a finished run that are missing or damaged."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tlkit.errors import RunError
from tlkit.runs.checksums import is_listed, is_lite_of_model
from tlkit.runs.folder import RunFolder
from tlkit.runs.reading import MAX_LITE_BYTES, MAX_TABLE_BYTES, read_run_file, read_run_table

if TYPE_CHECKING:
    from tlkit.train.checkpoint import Checkpoint


def damaged_products(folder: RunFolder, checkpoint: Checkpoint, predictions: int | None) -> list[str]:
    """Return the names of the files that the end of a run writes and that are missing or not whole.

    Args:
        folder: the run folder.
        checkpoint: the run's last checkpoint, written after its last phase.
        predictions: the number of rows expected in ``predictions.csv``; None for a run that writes no predictions.
    """
    tests: dict[Path, Callable[[Path], bool]] = {
        folder.model: _is_whole_archive,
        folder.card: lambda _: bool(folder.read_card()),
        folder.metrics: lambda path: isinstance(folder.read_json(path), dict),
        folder.history: lambda path: read_run_file(path).decode() == checkpoint.state.history,
        folder.freeze: lambda path: read_run_file(path, MAX_TABLE_BYTES).decode() == checkpoint.state.freeze,
        folder.report: lambda path: read_run_file(path).rstrip().endswith(b"</html>"),
    }
    if folder.times.is_file():  # runs of tlkit 0.1.0 may have none
        tests[folder.times] = lambda path: bool(read_run_file(path))
    if is_listed(folder.lite):
        tests[folder.lite] = lambda path: bool(read_run_file(path, MAX_LITE_BYTES)) and is_lite_of_model(folder.path)
    if is_listed(folder.pixels):
        tests[folder.pixels] = lambda path: bool(read_run_file(path, MAX_TABLE_BYTES))
    if predictions is not None:
        tests[folder.path / "predictions.csv"] = lambda path: (
            read_run_file(path, MAX_TABLE_BYTES).endswith(b"\n") and len(read_run_table(path)) == predictions
        )
    return [path.name for path, test in tests.items() if not _is_whole(path, test)]


def _is_whole(path: Path, test: Callable[[Path], bool]) -> bool:
    try:
        return path.is_file() and test(path)
    except (RunError, OSError, ValueError):
        return False


def _is_whole_archive(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "model.weights.h5" in archive.namelist() and archive.testzip() is None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError):
        return False
