"""Data sets beside or below the folder that was named: a folder one level too high, or the masks alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from tlkit.data.init.contents import Survey
from tlkit.errors import DataError
from tlkit.files import split_of_folder, subfolders
from tlkit.system.text import listed

_MAX_FOLDERS = 30
"""Folders with more subfolders than this are not searched."""

Recognise = Callable[[Path], Survey | None]
"""Return what a data set or a layout of masks recognises in a folder; None if none does."""


def refuse_several(root: Path, seen: Survey | None, *, annotated: Recognise, masked: Recognise) -> None:
    """Check that a folder is not one that holds several data sets of different kinds.

    Args:
        root: the folder.
        seen: what was recognised in the folder itself.
        annotated: asks the data sets about a subfolder, which opens no masks.
        masked: asks whether a subfolder has images and masks, only if a data set recognises another.

    Raises:
        DataError: it holds several; the message lists them.
    """
    below = dict(_recognised(root, annotated))
    if not below:
        return
    own, detected = {_kind(seen)} if seen is not None else set(), len(below)
    below |= {folder: each for folder, each in _recognised(root, masked) if folder not in below}
    kinds = {_kind(each) for each in below.values()} | own
    if len(below) < 2 or (len(kinds) < 2 and (seen is not None or detected < 2)):
        return
    lines = "".join(f"\n    tlkit init {folder}    ({_title(each)})" for folder, each in sorted(below.items()))
    others = [each.name for each in subfolders(root) if each not in below]
    rest = f"\nOther folders in it: {listed(others, 5)}" if others else ""
    raise DataError(f"{root}: this folder holds several data sets; name one of them:{lines}{rest}")


def hint_above(root: Path, recognise: Recognise) -> str:
    """Return what to do if a folder is a part of a data set, such as its masks alone; empty if it isn't."""
    parent = root.absolute().parent
    if len(subfolders(parent)) > _MAX_FOLDERS:
        return ""
    try:
        above = recognise(parent)
    except DataError:
        return ""
    if above is None or not _has(above, root.absolute()):
        return ""
    return f"{root.name} is a part of the data set in the folder above ({_title(above)}): tlkit init {root.parent}. "


def _has(survey: Survey, folder: Path) -> bool:
    """Return whether a folder is, or is in, one of those with the images or masks of a data set."""
    if survey.detected is not None:
        return any(folder in image.absolute().parents for image in survey.detected.images)
    options = survey.masks.options if survey.masks is not None else {}
    patterns = (re.escape(str(Path(options[key]).absolute())) for key in ("images", "masks") if key in options)
    return any(
        re.fullmatch(f"{pattern.replace(re.escape('{split}'), '[^/]*')}(/.*)?", str(folder)) for pattern in patterns
    )


def _recognised(root: Path, recognise: Recognise) -> Iterator[tuple[Path, Survey]]:
    folders = subfolders(root)
    for folder in folders if len(folders) <= _MAX_FOLDERS else ():
        if split_of_folder(folder.name) is not None:
            continue
        try:
            seen = recognise(folder)
        except DataError:
            continue
        if seen is not None:
            yield folder, seen


def _kind(survey: Survey) -> str:
    return survey.dataset or survey.layout


def _title(survey: Survey) -> str:
    return survey.detected.title if survey.detected is not None else f"images and masks: {survey.total} images"
