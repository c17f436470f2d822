"""Opening an exported file with its runtime, in whichever process."""

from __future__ import annotations

from pathlib import Path

from tlkit.contracts import ExportedModel, Exporter

_OF_TENSORFLOW = ("tensorflow", "keras")


def open_with(exporter: Exporter, path: Path, threads: int) -> ExportedModel:
    """Open a file with the runtime of its format; start TensorFlow first, where that is the runtime.

    Raises:
        DataError: the runtime can't run it.
        PluginError: the exporter broke its contract.
    """
    if any(each.partition(".")[0] in _OF_TENSORFLOW for each in exporter.runs_with):
        from tlkit.system.tensorflow import start_tensorflow

        start_tensorflow()
    return exporter.open(path, threads)
