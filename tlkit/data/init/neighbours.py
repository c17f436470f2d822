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


def refuse_several(root: Path, seen: Survey | None, recognise: Recognise) -> None:
    """Check that a folder is not one that holds several data sets of different kinds.

    Args:
        root: the folder.
        seen: what was recognised in the folder itself.
        recognise: what to ask about its subfolders.

    Raises:
        DataError: it holds several; the message lists them.
    """
    below = list(_recognised(root, recognise))
    kinds = {_kind(each) for _, each in below} | ({_kind(seen)} if seen is not None else set())
    annotated = [each for _, each in below if each.detected is not None]
    if len(below) < 2 or not annotated or (len(kinds) < 2 and (seen is not None or len(annotated) < 2)):
        return
    lines = "".join(f"\n    tlkit init {folder}    ({_title(each)})" for folder, each in below)
    others = [each.name for each in subfolders(root) if each not in [folder for folder, _ in below]]
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
