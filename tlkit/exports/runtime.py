"""Opening an exported file with its runtime, in whichever process."""

from __future__ import annotations

from pathlib import Path

from tlkit.contracts import ExportedModel, Exporter
from tlkit.system.stderr import without_lines

CHATTER = r"(INFO: |[IW]\d{4} |WARNING: All log messages)"
"""What runtimes and converters of TensorFlow write besides errors."""
_OF_TENSORFLOW = ("tensorflow", "keras")


def open_with(exporter: Exporter, path: Path, threads: int) -> ExportedModel:
    """Open a file with the runtime of its format; start TensorFlow first, where that is the runtime.

    Raises:
        DataError: the runtime can't run it.
        PluginError: the exporter broke its contract.
    """
    start_runtime(exporter)
    with without_lines(CHATTER):
        return exporter.open(path, threads)


def start_runtime(exporter: Exporter) -> None:
    """Start TensorFlow, quietly and for Keras as tlkit needs it, if a format is run or checked by it."""
    if any(each.partition(".")[0] in _OF_TENSORFLOW for each in exporter.runs_with):
        from tlkit.system.tensorflow import start_tensorflow

        start_tensorflow()
