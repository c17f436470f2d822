"""The rows of ``metadata.csv`` and ``metadata.jsonl``."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tlkit
from tlkit_annotations.class_table import some
from tlkit_annotations.reading import fields_of, items_of, name_of, read_text

_NAMES = ("metadata.csv", "metadata.jsonl")
_FILE = "file_name"
_LABELS = ("label", "labels", "class", "classes", "category", "categories", "target", "tags")
_MASKS = ("mask_file_name", "mask", "segmentation_file_name", "annotation_file_name", "label_file_name")


@dataclass(frozen=True)
class Row:
    """An image in the metadata.

    Args:
        file: the metadata.
        folder: the folder that ``name`` is relative to.
        name: the image.
        values: column → value, without the image.
        split: the split that the folder is for.
    """

    file: Path
    folder: Path
    name: str
    values: Mapping[str, Any]
    split: tlkit.Split | None


def metadata_files(root: Path) -> list[Path]:
    """Return the metadata in a folder, or in its train, validation and test folders."""
    folders = [root, *(each for each in tlkit.files.subfolders(root) if tlkit.files.split_named(each.name))]
    files = [folder / name for folder in folders for name in _NAMES]
    return [file for file in files if file.is_file()]


def read_rows(files: Sequence[Path]) -> list[Row]:
    """Read metadata; an image that is named twice counts once.

    Raises:
        DataError: a file can't be read, or has no column ``file_name``.
    """
    rows: dict[tuple[Path, str], Row] = {}
    for file in files:
        for values in _csv(file) if file.suffix == ".csv" else _json_lines(file):
            name = values.get(_FILE)
            if isinstance(name, str) and name.strip():
                rest = {key: value for key, value in values.items() if key != _FILE}
                split = tlkit.files.split_named(file.parent.name) or _split_in(name)
                rows.setdefault((file.parent, name), Row(file, file.parent, name.strip(), rest, split))
    if not rows:
        raise tlkit.DataError(f"{files[0]}: no row has a {_FILE}; expected the path of an image in each")
    return list(rows.values())


def _split_in(name: str) -> tlkit.Split | None:
    """Return the split that the first folder of an image's path says."""
    first, slash, _ = name.replace("\\", "/").removeprefix("./").partition("/")
    return tlkit.files.split_named(first) if slash else None


def _csv(file: Path) -> Iterator[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(read_text(file), newline=""), skipinitialspace=True)
    try:
        names = [name.strip() for name in reader.fieldnames or ()]
        if _FILE not in names:
            raise tlkit.DataError(f"{file}:1: no column {_FILE}; the header has {some(names) or 'nothing'}")
        for row in reader:
            yield {(name or "").strip(): value for name, value in row.items() if name is not None}
    except csv.Error as error:
        raise tlkit.DataError(f"{file}:{reader.line_num}: not a CSV table: {error}") from error


def _json_lines(file: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(read_text(file).split("\n"), 1):
        if line.strip():
            try:
                yield fields_of(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise tlkit.DataError(f"{file}:{number}: not a JSON object: {error}") from error


def column_of(rows: Sequence[Row], name: str | None, kind: str) -> str:
    """Return the column with labels or masks: the named one, one of a usual name, or the only one.

    Args:
        rows: the metadata.
        name: what the recipe says; None: the usual names.
        kind: ``label`` or ``mask``, for the message.

    Raises:
        DataError: there is no such column, or the metadata does not show which it is.
    """
    columns = list(dict.fromkeys(column for row in rows for column in row.values if column))
    usual = [each for each in (_LABELS if kind == "label" else _MASKS) if each in columns]
    if name is not None:
        if name not in columns:
            raise tlkit.DataError(
                f'data.{kind}: {rows[0].file} has no column "{name}"; it has {some(columns) or "no other column"}'
            )
        return name
    if usual:
        return usual[0]
    if kind == "label" and any("categories" in fields_of(row.values.get("objects")) for row in rows):
        return "objects"
    if kind == "label" and len(columns) == 1:
        return columns[0]
    raise tlkit.DataError(
        f"{rows[0].file}: which column has the {kind}s? The columns are {some(columns) or 'none'}; write a recipe with "
        f'data.name = "imagefolder" and the column as data.{kind}'
    )


def labels_in(row: Row, column: str) -> tuple[str, ...]:
    """Return the labels of an image: a text or number, or a list of them; those of boxes in ``objects``."""
    value = row.values.get(column)
    if isinstance(value, dict):
        value = value.get("categories")
    names = [name_of(each) for each in (items_of(value) if isinstance(value, list) else [value])]
    return tuple(dict.fromkeys(name for name in names if name))
