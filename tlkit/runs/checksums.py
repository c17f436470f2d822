"""``checksums.txt``: the SHA-256 of files of a finished run, in the form of ``sha256sum``.

It finds damage, not malice. It is removed before a file of the run changes and written after, so that a killed command
leaves none. A file without a line in it is read as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from tlkit.errors import RunError
from tlkit.system.disk import write_atomically

NAME = "checksums.txt"
TABLES = (
    "environment.json",
    "folds.json",
    "freeze.csv",
    "limits.safetensors",
    "metrics.csv",
    "metrics.json",
    "pixels.csv",
    "predictions.csv",
    "samples.csv",
    "times.csv",
)
"""The tables that have a line. ``recipe.toml``, ``model.json`` and ``model.keras`` have checksums of their own."""
MODELS = ("model.keras", "model.tflite")
"""The two files of a model, which have lines so that the second is never used for another model than the first."""
OF_FOLDS = ("folds.json", "predictions.csv")
"""Those of them that a cross-validation writes beside its folds."""
WRITTEN_AGAIN = ("limits.safetensors", "metrics.json", "pixels.csv", "predictions.csv")
"""Those of them that ``tlkit report`` writes again."""
_MAX_BYTES = 10_000


def add_checksums(folder: Path, names: Iterable[str]) -> None:
    """List the checksums of those of these files that exist, beside those that are listed already."""
    listed = _listed(folder)
    for name in names:
        file = folder / name
        if file.is_file():
            listed[name] = file_digest(file)
    _write(folder, listed)


def remove_checksums(folder: Path, names: Iterable[str] = TABLES) -> None:
    """Remove the checksums of files that are about to change."""
    listed = _listed(folder)
    left = {name: digest for name, digest in listed.items() if name not in tuple(names)}
    if left != listed:
        _write(folder, left)


def check_content(path: Path, content: bytes) -> None:
    """Check the content of a file of a run folder.

    Raises:
        RunError: it has another checksum than the list says.
    """
    digest = _listed(path.parent).get(path.name)
    if digest is not None and hashlib.sha256(content).hexdigest() != digest:
        raise _other_checksum(path)


def check_file(path: Path) -> None:
    """Check a file of a run folder, whatever its size.

    Raises:
        RunError: it has another checksum than the list says.
        OSError: it can't be read.
    """
    digest = _listed(path.parent).get(path.name)
    if digest is not None and file_digest(path) != digest:
        raise _other_checksum(path)


def _other_checksum(path: Path) -> RunError:
    return RunError(
        f"{path}: has another checksum than in {NAME}; it was changed or damaged after tlkit wrote it. "
        f"If you changed it, remove its line from {path.with_name(NAME)}"
    )


def is_listed(file: Path) -> bool:
    """Return whether there is a checksum of a file."""
    return file.name in _listed(file.parent)


def is_lite_of_model(folder: Path) -> bool:
    """Return whether ``model.tflite`` was made of the ``model.keras`` that is in the folder: both have their lines.

    The checksum of ``model.tflite`` itself is compared when it is read.
    """
    listed = _listed(folder)
    model = folder / MODELS[0]
    return set(MODELS) <= set(listed) and not model.is_symlink() and file_digest(model) == listed[model.name]


def file_digest(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _listed(folder: Path) -> dict[str, str]:
    file = folder / NAME
    if file.is_symlink() or not file.is_file() or file.stat().st_size > _MAX_BYTES:
        return {}
    lines = (line.partition("  ") for line in file.read_text(encoding="utf-8", errors="replace").splitlines())
    return {name: digest for digest, _, name in lines if name in (*TABLES, *MODELS)}


def _write(folder: Path, listed: dict[str, str]) -> None:
    if listed:
        write_atomically(folder / NAME, "".join(f"{digest}  {name}\n" for name, digest in sorted(listed.items())))
    else:
        (folder / NAME).unlink(missing_ok=True)
