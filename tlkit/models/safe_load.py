"""Loading a model file from an untrusted source: nothing in it is executed, and nothing is believed unchecked.

Keras's safe mode lists what is forbidden, and functions that plugins registered are not on its list. Here what a file
may contain is listed instead (``allowed.toml``): layer classes without code of their own, their options and the values
of these, stored (not compressed) entries, plain arrays. Memory for weights is allocated for no more than the file has
bytes for, and the model has a variable for each array of the file and no other. An entry is read to its end, and so
compared with its checksum, before anything is made of it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tlkit.errors import RunError
from tlkit.models.allowed import NotAllowed
from tlkit.models.archive import DAMAGED, check_entries, check_sums
from tlkit.models.bounded import build_bounded, first_line
from tlkit.models.finite import without_finite_weights
from tlkit.models.safe_config import checked_config
from tlkit.models.safe_weights import count_elements
from tlkit.system.disk import FullDiskError, free_bytes, is_disk_full
from tlkit.system.memory import explained_memory
from tlkit.system.text import size_text


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
        RunError: the file can't be read, a weight is NaN or infinite, or it contains something that is not allowed.
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
        with _explained_memory(path), zipfile.ZipFile(path) as archive:
            check_entries(archive)
            config = checked_config(json.loads(archive.read("config.json")))
            with tempfile.TemporaryDirectory(prefix="tlkit-") as folder:
                weights = Path(folder) / "model.weights.h5"
                with archive.open("model.weights.h5") as source, weights.open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
                return build_bounded(config, weights, count_elements(weights))
    except NotAllowed as error:
        raise NotAllowedError(f"{path}: not loaded: {error}") from error
    except (*DAMAGED, AttributeError, IndexError) as error:
        if isinstance(error, OSError) and is_disk_full(error):
            temporary = Path(tempfile.gettempdir())
            raise FullDiskError(
                f"{path}: can't be unpacked: {temporary}, the folder for temporary files, is full "
                f"({size_text(free_bytes(temporary))} free). Make room, or name another folder with TMPDIR"
            ) from error
        raise RunError(f"{path}: can't be loaded: {first_line(error)}; the file is damaged, or not a model") from error
    except (ArithmeticError, AssertionError, RecursionError, RuntimeError, tf.errors.OpError) as error:
        raise RunError(f"{path}: can't be loaded: {type(error).__name__}; tlkit did not write this file") from error


def _load_trusted(path: Path) -> Any:
    try:
        with _explained_memory(path):
            with zipfile.ZipFile(path) as archive:
                check_sums(archive)  # where they don't match, Keras reads the weights all the same
            return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (*DAMAGED, NotAllowed) as error:
        reason = first_line(error)
        raise NotAllowedError(f"{path}: can't be loaded, even with --trust: {reason}") from error


def _explained_memory(path: Path) -> AbstractContextManager[None]:
    return explained_memory(
        "use a machine with more memory, or end other programs",
        f"{path}: can't be loaded: the model and its weights need more memory than there is",
    )
