"""Recognise folders of the same scenes that are no classes: photos and masks, left and right views."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path, PurePosixPath

from tlkit.errors import DataError
from tlkit.files import ClassFolders
from tlkit.system.text import listed

_VIEWS = frozenset(
    (
        *(
            "image",
            "images",
            "img",
            "imgs",
            "left",
            "right",
            "rgb",
            "ir",
            "nir",
            "thermal",
            "depth",
            "disp",
            "disparity",
        ),
        *("flow", "mask", "masks", "ann", "annotations", "label", "labels", "gt", "groundtruth", "seg", "cam", "view"),
        *("segmentation", "semantic", "instance", "edge", "edges", "normals", "input", "inputs", "target", "targets"),
    )
)
_MAX_FOLDERS = 8
"""More folders than this are hardly views of the same scenes."""
_NUMBERED = re.compile(r"(\D*)(\d+)(\D*)")


def check_stems(root: Path, found: ClassFolders) -> None:
    """Check that the class folders do not all hold files of the same names.

    Raises:
        DataError: they do, and the names are no mere numbers; or the folders are called ``left``, ``right`` and such.
    """
    stems: dict[str | None, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for image in found.images:
        stems[image.split][image.name].add(PurePosixPath(image.key).stem)
    for by_class in stems.values():
        sets = list(by_class.values())
        common = set.intersection(*sets)
        views = all(_is_view(name) for name in by_class)
        if not 2 <= len(sets) <= _MAX_FOLDERS or len(common) < max(3 if views else 5, 0.8 * max(map(len, sets))):
            continue
        if _says_nothing(sets, common) and not views:
            continue
        names = sorted(by_class)
        raise DataError(
            f"{root}: {listed(names, 5)} hold files of the same names ({len(common)} of {max(map(len, sets))}, such "
            f"as {min(common)}). They look like images with their masks, or like several views of the same scenes, not "
            'like classes. For masks, use the data set "masks"; for annotations, that of their format '
            "(tlkit plugins). If the folders are classes: tlkit init --task classification"
        )


def _says_nothing(sets: list[set[str]], common: set[str]) -> bool:
    """Return whether the same names in all folders mean nothing, because they just count the files of each."""
    if all(len(stem) <= 2 for stem in common):
        return True
    matches = [_NUMBERED.fullmatch(stem) for stem in common]
    if not all(matches) or len({(match[1], match[3]) for match in matches if match}) > 1:
        return False
    numbers = {int(match[2]) for match in matches if match}
    gaps = max(numbers) - min(numbers) + 1 - len(numbers)
    return any(each != common for each in sets) or gaps <= len(numbers) / 10


def _is_view(name: str) -> bool:
    return any(word in _VIEWS for word in re.split(r"[\W_\d]+", name.lower()))
