"""The path of the weights that a recipe names, without what reads them."""

from __future__ import annotations

from pathlib import Path

from tlkit.contracts import BackboneOptions
from tlkit.errors import DataError
from tlkit.files import expanded


def weights_path(options: BackboneOptions) -> Path | None:
    """Return the weights file or run folder that ``options.weights`` names; None for ``"imagenet"`` and ``"none"``.

    Raises:
        DataError: there is no such file or folder.
    """
    if options.weights in ("imagenet", "none"):
        return None
    path = expanded(Path(options.weights))
    if not path.is_dir() and not path.is_file():
        what = "is neither a file nor a folder" if path.exists() else "no such file or folder"
        raise DataError(
            f'backbone.weights: {what}: {path.absolute()}; expected "imagenet", "none", '
            "a .weights.h5 or .h5 file, or the folder of an earlier run"
        )
    return path
