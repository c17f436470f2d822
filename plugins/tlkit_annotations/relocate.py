"""The options that read other data in the same form, for ``tlkit evaluate --data``."""

from __future__ import annotations

from pathlib import Path

from tlkit_annotations.options import CocoOptions


def relocate_coco(options: CocoOptions, path: Path) -> CocoOptions:
    """Read all annotation files of another folder, or another file, with the images beside them."""
    return options.model_copy(update={"path": path.resolve(), "images": None, "files": {}})
