"""Loading a model file from an untrusted source: nothing in it is executed, and nothing is believed unchecked.

Keras's safe mode lists what is forbidden, and functions that plugins registered are not on its list. Here what a file
may contain is listed instead: layer classes without code of their own, bounded numbers, stored (not compressed)
entries, plain arrays. Memory for weights is allocated for no more than the file has bytes for.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import keras

from tlkit.errors import RunError
from tlkit.models.allowed import NotAllowed
from tlkit.models.bounded import build_bounded, first_line
from tlkit.models.finite import without_finite_weights
from tlkit.models.safe_config import checked_config
from tlkit.models.safe_weights import count_elements
from tlkit.system.disk import FullDiskError, free_bytes, is_disk_full
from tlkit.system.text import size_text

_ENTRIES = {"metadata.json": 1_000_000, "config.json": 64_000_000, "model.weights.h5": 16_000_000_000}
"""What a ``.keras`` file consists of, and how many bytes each entry may have."""


class NotAllowedError(RunError):
    """A file contains something that is only loaded if the user trusts it, or that tlkit doesn't know."""


def load_model_file(path: Path, *, trust: bool = False) -> Any:
    """Load a ``.keras`` file without its optimizer.

    Args:
        path: the file to load.
        trust: skip the checks and let Keras load the file in its own safe mode, which runs the code of classes and
            functions that are registered in this process.

    Returns:
        the Keras model.

    Raises:
        RunError: the file can't be read, or a weight is NaN or infinite.
        NotAllowedError: it contains something that is not allowed.
        FullDiskError: the folder for temporary files has no room for its weights.
    """
    model = _load(path, trust)
    if name := without_finite_weights(model):
        raise RunError(f"{path}: {name} has weights that are NaN or infinite; the file is damaged")
    return model


def _load(path: Path, trust: bool) -> Any:
    if trust:
        return _load_trusted(path)
    if path.is_symlink():
        raise RunError(f"{path}: is a link; a model is only read from the run folder itself")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_entries(archive)
            config = checked_config(json.loads(archive.read("config.json")))
            with tempfile.TemporaryDirectory(prefix="tlkit-") as folder:
                weights = Path(folder) / "model.weights.h5"
                with archive.open("model.weights.h5") as source, weights.open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
                return build_bounded(config, weights, count_elements(weights))
    except NotAllowed as error:
        raise NotAllowedError(f"{path}: not loaded: {error}") from error
    except (OSError, zipfile.BadZipFile, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        if isinstance(error, OSError) and is_disk_full(error):
            temporary = Path(tempfile.gettempdir())
            raise FullDiskError(
                f"{path}: can't be unpacked: {temporary}, the folder for temporary files, is full "
                f"({size_text(free_bytes(temporary))} free). Make room, or name another folder with TMPDIR"
            ) from error
        raise RunError(f"{path}: can't be loaded: {first_line(error)}; the file is damaged, or not a model") from error
    except (RecursionError, MemoryError, OverflowError, NotImplementedError, RuntimeError) as error:
        raise RunError(f"{path}: can't be loaded: {type(error).__name__}; tlkit did not write this file") from error


def _load_trusted(path: Path) -> Any:
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (OSError, zipfile.BadZipFile, ValueError, TypeError, KeyError) as error:
        reason = first_line(error)
        raise NotAllowedError(f"{path}: can't be loaded, even with --trust: {reason}") from error


def _check_entries(archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    if sorted(entry.filename for entry in entries) != sorted(_ENTRIES):
        names = ", ".join(repr(entry.filename) for entry in entries[:8])
        raise NotAllowed(f"expected the entries {', '.join(_ENTRIES)}, received {names}")
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size or entry.flag_bits & 1:
            raise NotAllowed(f"{entry.filename} is compressed or encrypted; expected it stored uncompressed")
        if entry.file_size > _ENTRIES[entry.filename]:
            raise NotAllowed(
                f"{entry.filename} has {entry.file_size} bytes; expected at most {_ENTRIES[entry.filename]}"
            )
