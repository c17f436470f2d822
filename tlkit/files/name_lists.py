"""Lists of class names for folders that are called by a code, such as ``words.txt`` for ``n01440764``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from tlkit.errors import DataError
from tlkit.files.listing import is_junk
from tlkit.system.text import listed

_FILES = re.compile(r".*(words|mapping|names?|labels|classes)\.(txt|csv|tsv)", re.IGNORECASE)
_MAX_BYTES = 1 << 26


def find_name_list(folder: Path, names: Iterable[str]) -> Path | None:
    """Return a file in a folder that has a class name for each of the names of class folders; None without one."""
    wanted = set(names)
    for file in sorted(folder.iterdir()):
        if not is_junk(file.name) and _FILES.fullmatch(file.name) and file.is_file():
            try:
                known = read_names(file)
            except DataError:
                continue
            if wanted <= known.keys() and any(known[name] != name for name in wanted):
                return file
    return None


def read_names(file: Path) -> dict[str, str]:
    """Read a list with the name of a folder and the name of its class in each line, with a blank or comma between.

    Raises:
        DataError: the file can't be read.
    """
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise DataError(f"{file}: larger than {_MAX_BYTES >> 20} MiB; expected a list of class names")
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: can't be read as a list of class names in UTF-8: {error}") from error
    pairs = (re.split(r"[\s,;:]+", line.strip(), maxsplit=1) for line in text.splitlines())
    return {pair[0]: pair[1].strip().strip('"') for pair in pairs if len(pair) == 2 and pair[1].strip()}


def named_classes(names: Iterable[str], file: Path) -> Mapping[str, str]:
    """Return the name of each folder → the name of its class: the first synonym, or all where the first is not unique.

    Raises:
        DataError: the file can't be read, or two folders have the same name.
    """
    table = read_names(file)
    whole = {name: table.get(name, name) for name in names}
    first = {name: text.split(",")[0].strip() for name, text in whole.items()}
    for chosen in (first, whole):
        repeated = [text for text, count in Counter(chosen.values()).items() if count > 1]
        if not repeated:
            return chosen
    raise DataError(f"data.names: {file} gives several folders the same name: {listed(repeated, 5)}")
