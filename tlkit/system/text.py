"""Words that several messages share: the nearest known name, sizes, long lists."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that ``name`` was probably meant to be, upper and lower case disregarded; None when none is near."""
    by_folded = {each.lower(): each for each in names}
    close = difflib.get_close_matches(name.lower(), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None
