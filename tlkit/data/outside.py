"""Say which images of a data set lie outside its folder: a table or a link may name any file of the user."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from tlkit.contracts import SampleSet, image_text
from tlkit.data.images.source import file_of
from tlkit.system.text import listed

_SHOWN = 3


def with_outside_note(sample_set: SampleSet) -> SampleSet:
    """Return the sample set with a note about images, and masks among others, that lie outside its root.

    Masks that are all outside have a folder of their own, which the recipe names.
    """
    if sample_set.root is None:
        return sample_set
    samples, folder = sample_set.samples, _Folder(sample_set.root)
    images = _Outside.of(folder, (file for each in samples if (file := image_text(each)) is not None))
    files = {str(mask) for each in samples if (mask := file_of(each.mask)) is not None}
    masks = _Outside.of(folder, files)
    if masks.count == len(files):
        masks = _Outside()
    count = images.count + masks.count
    if not count:
        return sample_set
    number = f"{count} {'file' if count == 1 else 'files'} outside of {sample_set.root}"
    note = f"{number}, which a table or a link names, such as {listed([*images.shown, *masks.shown])}"
    return replace(sample_set, notes=(*sample_set.notes, note))


class _Folder:
    """A folder without links in its path."""

    def __init__(self, root: Path) -> None:
        self._real = root.resolve()
        self._parents: dict[str, bool] = {}

    def holds(self, file: str) -> bool:
        """Return whether a file lies in the folder, when all links are followed."""
        if os.path.islink(file):  # noqa: PTH114 - many
            return Path(file).resolve().is_relative_to(self._real)
        parent = os.path.dirname(file)  # noqa: PTH120 - many
        if parent not in self._parents:
            self._parents[parent] = Path(parent).resolve().is_relative_to(self._real)
        return self._parents[parent]


@dataclass(frozen=True)
class _Outside:
    """How many files lie outside a folder, and some of them."""

    count: int = 0
    shown: tuple[str, ...] = ()

    @classmethod
    def of(cls, folder: _Folder, files: Iterable[str]) -> _Outside:
        count = 0
        shown: list[str] = []
        for file in files:
            if not folder.holds(file):
                count += 1
                if len(shown) < _SHOWN:
                    real = Path(file).resolve()
                    shown.append(file if Path(file) == real else f"{file} → {real}")
        return cls(count, tuple(shown))
