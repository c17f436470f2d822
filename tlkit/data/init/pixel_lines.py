"""The lines of ``[input]`` that images ask for: bands, orientation, range of values."""

from __future__ import annotations

from tlkit.data.checks.value_range import bracketed, lost_by_default, range_of
from tlkit.data.init.data_table import beside
from tlkit.data.init.sample_files import Headers


def pixel_lines(headers: Headers) -> list[str]:
    """Return the lines that the values and bands of the images ask for, each with the other choice beside it."""
    lines = []
    if headers.bands:
        guess = "[0, 1, 2]" if headers.bands > 2 else "[0]"
        text = f"a guess: which of the {headers.bands} bands (from 0) are red, green, blue; or one for grey"
        lines.append(beside(f"bands = {guess}", text))
    if headers.stored:
        text = f"{headers.stored} masks fit their photos as they are stored, not as EXIF turns them"
        lines.append(beside('orientation = "stored"', text))
    elif headers.undecided:
        text = f'a guess: EXIF turns {headers.undecided} photos, not their masks; "stored" leaves the photos unturned'
        lines.append(beside('orientation = "exif"', text))
    used = range_of(headers.values)
    lost = lost_by_default(headers.values)
    if used is not None and lost:
        lines.append(beside('value_range = "auto"', f"or {bracketed(used)}; without it, images use {lost}"))
    return lines
