"""Read the names of mask classes from the files that annotation tools and data sets have beside their masks."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tlkit.data.images.mask_classes import Value
from tlkit.files import is_image

FILES = (
    "_classes.csv",
    "class_dict.csv",
    "class_dict_seg.csv",
    "classes.csv",
    "labelmap.txt",
    "label_colors.txt",
    "obj_class_to_machine_color.json",
    "dataset.json",
    "objectInfo150.txt",
    "classes.txt",
    "class_names.txt",
    "label_names.txt",
    "labels.txt",
    "codes.txt",
)
"""Names of files with class names, those that say most first."""
_VALUE_COLUMNS = ("pixel value", "value", "id", "idx", "index", "class id", "class_id", "label_id", "class_index")
_NAME_COLUMNS = ("class", "name", "class name", "class_name", "label", "label_name", "label name")
_IGNORED = ("void", "ignore", "ignored", "__ignore__", "don't care", "dontcare", "dont care")
_MAX_LINES = 255
"""Masks have at most this many classes."""
_MAX_BYTES = 1_000_000


@dataclass(frozen=True)
class ClassNames:
    """The names in a file.

    Args:
        file: the file.
        values: value or colour → name, where the file has them.
        lines: the names in the order of the lines, where the file has names only.
    """

    file: Path
    values: Mapping[Value, str] = field(default_factory=dict)
    lines: tuple[str, ...] = ()

    @property
    def colored(self) -> bool:
        """Whether the names belong to colours."""
        return any(isinstance(value, tuple) for value in self.values)

    def by_value(self, seen: Iterable[Value]) -> dict[Value, str]:
        """Return value or colour → name; empty if the file does not fit the values that masks have.

        Args:
            seen: the values or colours of masks.
        """
        numbers = [value for value in seen if isinstance(value, int) and value >= 0]
        names = self.lines or (tuple(self.values.values()) if self.colored else ())
        if self.values and (self.colored == any(isinstance(value, tuple) for value in seen)):
            return dict(self.values)
        if not names or not numbers:
            return {}
        classes = [value for value in numbers if value != 255] or numbers
        if max(classes) < len(names):
            return dict[Value, str](enumerate(names))
        if max(classes) > len(names):
            return {}
        # One name per class, and 0 is the background that has none, or there is no 0.
        return dict[Value, str]({0: "background"} if 0 in classes else {}) | dict[Value, str](enumerate(names, 1))


def find_class_names(folders: Iterable[Path]) -> list[ClassNames]:
    """Return what the files with class names in some folders say, those that say most first."""
    found = []
    for name in FILES:
        for folder in folders:
            file = folder / name
            if file.is_file() and file.stat().st_size <= _MAX_BYTES:
                names = _read(file)
                if names is not None:
                    found.append(names)
    return found


def is_ignored(name: str) -> bool:
    """Return whether the name of a class says that its pixels have no label."""
    return name.strip().lower() in _IGNORED


def _read(file: Path) -> ClassNames | None:
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix == ".json":
            return _of_values(file, _json_entries(json.loads(text)))
        if file.suffix == ".csv" or file.name.startswith("objectInfo"):
            return _of_values(file, _table_entries(text, "," if file.suffix == ".csv" else "\t"))
    except (OSError, ValueError, csv.Error, RecursionError):
        return None
    lines = [
        line.split("#")[0].strip() if line.lstrip().startswith("#") else line.strip() for line in text.splitlines()
    ]
    lines = [line for line in lines if line]
    entries = [_entry(line) for line in lines]
    if entries and all(value is not None for value, _ in entries):
        return _of_values(file, entries)
    lists_files = any(is_image(Path(line.split()[0])) for line in lines)
    if lists_files or len(set(lines)) != len(lines) or not 2 <= len(lines) <= _MAX_LINES:
        return None
    return ClassNames(file, lines=tuple(lines))


def _of_values(file: Path, entries: Sequence[tuple[Value | None, str]]) -> ClassNames | None:
    values = {value: name for value, name in entries if value is not None and name}
    one_kind = len({isinstance(value, tuple) for value in values}) == 1
    return ClassNames(file, values) if one_kind and len(values) > 1 else None


def _entry(line: str) -> tuple[Value | None, str]:
    """Return value or colour, and name, of a line: ``64 128 64 Animal``, ``cat:128,0,0::``, ``1: road``."""
    separator = r"[\s,;]+"
    rgb = rf"(\d{{1,3}}){separator}(\d{{1,3}}){separator}(\d{{1,3}})"
    if match := re.fullmatch(rf"{rgb}[\s,;:]+(\S.*)", line):
        return _rgb(match.groups()[:3]), match[4].strip()
    if match := re.fullmatch(rf"(.+?)\s*[\s,;:]\s*{rgb}\s*(?::[^:]*:[^:]*)?", line):
        return _rgb(match.groups()[1:4]), match[1].strip()
    if match := re.fullmatch(r"(\d{1,9})\s*[\s:,;=]\s*(\S.*)", line):
        return int(match[1]), match[2].strip()
    return None, line


def _rgb(parts: Sequence[str]) -> Value:
    red, green, blue = (min(int(part), 255) for part in parts)
    return red, green, blue


def _table_entries(text: str, delimiter: str) -> list[tuple[Value | None, str]]:
    rows = [
        [cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row
    ]
    header = [cell.lower() for cell in rows[0]] if rows else []
    name = next((header.index(each) for each in _NAME_COLUMNS if each in header), None)
    if name is None:
        return []
    value = next((header.index(each) for each in _VALUE_COLUMNS if each in header and header.index(each) != name), None)
    colors = next(
        (
            [header.index(each) for each in each_three]
            for each_three in (("r", "g", "b"), ("red", "green", "blue"))
            if set(each_three) <= set(header)
        ),
        None,
    )
    entries: list[tuple[Value | None, str]] = []
    for row in rows[1:]:
        if len(row) < len(header):
            continue
        label = row[name].split(";")[0].strip()
        if colors is not None:
            entries.append((_rgb([row[place] for place in colors]), label))
        elif value is not None and re.fullmatch(r"-?\d+", row[value]):
            entries.append((int(row[value]), label))
    return entries


def _json_entries(content: Any) -> list[tuple[Value | None, str]]:
    """Return the entries of nnU-Net's ``dataset.json`` and of Supervisely's machine colours."""
    table = content.get("labels", content) if isinstance(content, dict) else {}
    entries: list[tuple[Value | None, str]] = []
    for key, value in table.items() if isinstance(table, dict) else ():
        if isinstance(value, int):
            entries.append((value, key))
        elif isinstance(value, str) and re.fullmatch(r"\d+", key):
            entries.append((int(key), value))
        elif isinstance(value, list) and len(value) == 3 and all(isinstance(part, int) for part in value):
            entries.append((_rgb([str(part) for part in value]), key))
    grey = all(isinstance(value, tuple) and len(set(value)) == 1 for value, _ in entries)
    if entries and grey:
        return [(value[0], name) for value, name in entries if isinstance(value, tuple)]
    return entries
