"""Recognise the name of a split in the path of a folder."""

from __future__ import annotations

import re

from tlkit.data.init.mask_names import names_masks
from tlkit.files import split_named, split_of_folder

SPLIT = "{split}"
"""What stands for the name of a split in a path of ``[data]``."""
_SHORT = ("Tr", "Ts")
"""Splits as nnU-Net names them, in ``imagesTr`` and ``labelsTs``."""

Parts = tuple[str, ...]
"""A path relative to the folder that is surveyed, as its parts."""


def template(parts: Parts) -> tuple[str, str]:
    """Return a path with ``{split}`` in the place of the first name of a split, and that name; "" without one."""
    for place, part in enumerate(parts):
        word = _split_word(part)
        if word:
            inner = (each.replace(word, SPLIT, 1) if _split_word(each) == word else each for each in parts[place:])
            return "/".join((*parts[:place], *inner)), word
    return "/".join(parts) or ".", ""


def _split_word(part: str) -> str:
    if split_named(part):
        return part
    short = next((each for each in _SHORT if part.endswith(each) and part[: -len(each)].islower()), "")
    if short:
        return short
    pieces = re.split(r"[_\-. ]", part)
    whole = next((each for each in pieces if split_named(each)), "")
    if whole:
        return whole
    if split_of_folder(part):
        return part
    for size in range(len(part) - 1, 2, -1):
        if split_named(part[:size]) and names_masks(part):
            return part[:size]
    return ""
