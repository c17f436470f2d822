"""Keep the images that were predicted, and their predictions, in a folder that the user names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tlkit.errors import DataError
from tlkit.files.image_formats import format_of
from tlkit.serve.bodies import SentImage
from tlkit.system.disk import write_atomically


def made_folder(path: Path, option: str) -> Path:
    """Return a folder, which is made if it doesn't exist.

    Raises:
        DataError: it can't be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{option} {path}: can't be made: {error.strerror or error}") from error
    return path


class Keeping:
    """Writes an image and a JSON file for each prediction. No name of a client becomes the name of a file.

    Args:
        folder: where to; it exists.
        warn: called once, with the reason why something could not be written.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self._folder = folder
        self._warn: Callable[[str], None] | None = warn

    def keep(self, images: Sequence[SentImage], values: Sequence[dict[str, Any]]) -> None:
        """Write images and their predictions, without those that could not be predicted."""
        for image, value in zip(images, values, strict=True):
            if value["error"] is None:
                self._keep(image.content, value)

    def _keep(self, content: bytes, value: dict[str, Any]) -> None:
        now = datetime.now(UTC)
        found = format_of(content[:64])
        suffix = "" if found is None else found.suffixes[0]
        digest = hashlib.sha256(content).hexdigest()
        stem = f"{now:%Y%m%dT%H%M%S.%f}-{digest[:12]}"
        record = {"time": now.isoformat(), "sha256": digest, "file": stem + suffix, **value}
        try:
            write_atomically(self._folder / (stem + suffix), content)
            write_atomically(self._folder / f"{stem}.json", json.dumps(record, indent=2))
        except OSError as error:
            if self._warn is not None:
                self._warn(f"--keep {self._folder}: can't write there, so images are lost: {error.strerror or error}")
                self._warn = None
