"""Read the lists of images in a folder such as ``ImageSets/Segmentation``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import tlkit
from tlkit_annotations.reading import files_with, read_text

_MAX_BYTES = 100 * 10**6
_LATER = ("train", "validation", "test")
"""Of several lists that name an image, the last of these splits counts: a test image must not train."""


@dataclass(frozen=True)
class ImageLists:
    """The lists of a folder.

    Args:
        files: the lists.
        splits: name of an image, without its suffix → its split; None where no list with the name of a split has it.
        notes: what is unusual about the lists.
    """

    files: tuple[Path, ...] = ()
    splits: Mapping[str, tlkit.Split | None] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_image_lists(folder: Path, *, only_splits: bool = False) -> ImageLists:
    """Read ``train.txt``, ``val.txt``, ``test.txt`` and other lists of a folder: one image per line, without suffix.

    Names may have folders and blanks. Where several lists name an image, test comes before validation, and validation
    before train. Other lists, such as ``trainval.txt`` and ``default.txt``, add images without a split.

    Args:
        folder: the folder with the lists.
        only_splits: read no other lists; VOC's ``ImageSets/Main`` also has one for each class.

    Raises:
        DataError: a list can't be read.
    """
    files = [
        file for file in files_with(folder, ".txt") if not (only_splits and tlkit.files.split_named(file.stem) is None)
    ]
    splits: dict[str, tlkit.Split | None] = {}
    several: dict[str, set[str]] = {}
    for file in files:
        split = tlkit.files.split_named(file.stem)
        for name in _names(file):
            before = splits.get(name)
            if before is not None and split is not None and before != split:
                several.setdefault(name, set()).update((before, split))
            if split is not None and (before is None or _LATER.index(split) > _LATER.index(before)):
                splits[name] = split
            splits.setdefault(name, None)
    notes = []
    if several:
        name, both = next(iter(several.items()))
        notes.append(
            f"images in several lists: {len(several)}, such as {name} in {' and '.join(sorted(both))}; "
            "test comes before validation, and validation before train"
        )
    return ImageLists(tuple(files), splits, tuple(notes))


def _names(file: Path) -> list[str]:
    lines = read_text(file, _MAX_BYTES).splitlines()
    names = (line.strip().replace("\\", "/").removeprefix("./") for line in lines)
    return [_without_suffix(name) for name in names if name]


def _without_suffix(name: str) -> str:
    path = Path(name)
    return path.with_suffix("").as_posix() if tlkit.files.is_image(path) else name
