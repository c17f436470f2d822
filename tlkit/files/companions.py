"""Find images that belong to others in the same folder: masks such as ``x_mask.png`` beside ``x.png``, previews."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from glob import escape

_MASKS = "mask|masks|seg|segmentation|label|labels|gt|groundtruth|ground_truth|annotation|annotations|annot|matte"
_PREVIEWS = "thumb|thumbs|thumbnail|preview"
_WORD = re.compile(rf"[\s_.-](?:{_MASKS}|{_PREVIEWS})", re.IGNORECASE)
_COMPANION = re.compile(rf"(.+?)([\s_.-]+(?:({_MASKS})|{_PREVIEWS}))([\s_.-]*\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Companion:
    """An image that belongs to another one.

    Args:
        key: its key.
        of: the key of the image that it belongs to.
        pattern: a pattern, as ``exclude`` takes them, that its name matches and that of the other image does not.
        mask: whether its name says that it is a mask, not a preview.
    """

    key: str
    of: str
    pattern: str
    mask: bool


def find_companions(keys: Iterable[str]) -> list[Companion]:
    """Return the images whose name is that of another image in the same folder, and a word for a mask or a preview."""
    by_stem: dict[tuple[str, str], str] = {}
    matches = []
    for key in keys:
        folder, _, name = key.rpartition("/")
        dot = name.rfind(".")
        stem = name[:dot] if 0 < dot < len(name) - 1 else name
        by_stem.setdefault((folder, stem), key)
        match = _COMPANION.fullmatch(stem) if _WORD.search(stem) else None  # the search takes a tenth of the time
        if match is not None:
            matches.append((key, folder, match))
    found = []
    for key, folder, match in matches:
        other = by_stem.get((folder, match[1]))
        if other is not None:
            number = f"{re.sub('[0-9]+$', '', match[4])}[0-9]*" if match[4] else ""
            found.append(Companion(key, other, f"*{escape(match[2])}{number}.*", match[3] is not None))
    return found


def by_pattern(companions: Iterable[Companion]) -> Mapping[str, list[Companion]]:
    """Return the companions of each pattern."""
    grouped: dict[str, list[Companion]] = defaultdict(list)
    for each in companions:
        grouped[each.pattern].append(each)
    return grouped
