"""Compare the bytes of two run folders."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import h5py

ALWAYS = ("metrics.csv", "freeze.csv", "samples.csv", "metrics.json")


def weights(folder: Path) -> dict[str, bytes]:
    """Return every byte of the model's weights, by name."""
    found: dict[str, bytes] = {}
    with zipfile.ZipFile(folder / "model.keras") as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(content) as file:
        file.visititems(
            lambda name, item: found.update({name: item[()].tobytes()}) if isinstance(item, h5py.Dataset) else None
        )
    return found


def assert_same(folder: Path, other: Path) -> None:
    """Check that two runs have the same weights and the same tables."""
    assert weights(folder) == weights(other)
    predictions = [name for name in ("predictions.csv",) if (other / name).is_file()]
    for name in (*ALWAYS, *predictions):
        assert (folder / name).read_bytes() == (other / name).read_bytes(), name
