"""A CSV table of images."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tlkit
from tlkit_datasets.options import CsvOptions
from tlkit_datasets.values import mask_table


def open_csv(ctx: tlkit.DatasetContext, options: CsvOptions) -> tlkit.SampleSet:
    """Read a table with one image per row: its path, its labels or mask, its split and its group.

    Raises:
        DataError: the file or a column is missing, or a cell is invalid; the message names the line.
    """
    file = tlkit.files.expanded(options.path)
    if not file.is_file():
        raise tlkit.DataError(f"data.path: no such CSV file: {file.absolute()}")
    role = "mask" if ctx.task == "segmentation" else "label"
    target = options.mask if role == "mask" else options.label
    if target is None:
        raise tlkit.DataError(f"data.{role}: not set; {ctx.task} needs the column with the {role}")
    root = tlkit.files.expanded(options.root or file.parent)
    rows = list(_rows(file, options, role, target))
    return _with_masks(rows, options, root) if role == "mask" else _with_labels(rows, options, root)


@dataclass(frozen=True)
class _Row:
    """A row of the table.

    Args:
        line: its 1-based line in the file.
        image: path of the image, relative to the root.
        target: cell with the labels or the mask's path.
        split: the prescribed split, if any.
        group: the group, if any.
    """

    line: int
    image: str
    target: str
    split: tlkit.Split | None
    group: str | None


def _rows(file: Path, options: CsvOptions, role: str, target: str) -> Iterator[_Row]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as text:
            reader = csv.DictReader(text, delimiter=options.delimiter)
            _check_header(file, list(reader.fieldnames or ()), options, role, target)
            for row in reader:
                line = reader.line_num
                image, cell = (row[options.image] or "").strip(), (row[target] or "").strip()
                if not image:
                    raise tlkit.DataError(f"{file}:{line}: the column {options.image} is empty; expected a path")
                if "\0" in image or (role == "mask" and "\0" in cell):
                    column = options.image if "\0" in image else target
                    raise tlkit.DataError(
                        f"{file}:{line}: the column {column} has a NUL character; expected a path: save the table "
                        "as text in UTF-8"
                    )
                group = (row[options.group] or "").strip() if options.group else ""
                yield _Row(line, image, cell, _split(file, line, row, options), group or None)
    except (UnicodeDecodeError, csv.Error) as error:
        raise tlkit.DataError(f"{file}: not a CSV file in UTF-8: {error}") from error


def _check_header(file: Path, header: list[str], options: CsvOptions, role: str, target: str) -> None:
    columns = {"image": options.image, role: target, "split": options.split, "group": options.group}
    for key, name in columns.items():
        if name and name not in header:
            raise tlkit.DataError(
                f'{file}:1: no column "{name}"; the header has {", ".join(header) or "nothing"}; '
                f"name the column with data.{key}"
            )


def _split(file: Path, line: int, row: dict[str, str], options: CsvOptions) -> tlkit.Split | None:
    text = (row[options.split] or "").strip() if options.split else ""
    if not text:
        return None
    split = tlkit.files.split_named(text)
    if split is None:
        raise tlkit.DataError(f'{file}:{line}: expected train, validation or test, received "{text}"')
    return split


def _with_labels(rows: list[_Row], options: CsvOptions, root: Path) -> tlkit.SampleSet:
    separator = options.separator
    labels_of = []
    for row in rows:
        labels = [part.strip() for part in row.target.split(separator)] if separator else [row.target]
        labels = [label for label in labels if label]
        if not labels and separator is None:
            raise tlkit.DataError(f"{options.path}:{row.line}: the column {options.label} is empty; expected a class")
        labels_of.append(labels)
    classes = tuple(sorted({label for labels in labels_of for label in labels}))
    number = {name: index for index, name in enumerate(classes)}
    samples = []
    for row, labels in zip(rows, labels_of, strict=True):
        label: int | tuple[int, ...] = tuple(sorted({number[name] for name in labels}))
        if separator is None:
            label = number[labels[0]]
        samples.append(tlkit.Sample(row.image, root / row.image, label=label, split=row.split, group=row.group))
    return tlkit.SampleSet(
        samples=_unique(samples, options), classes=classes, multi_label=separator is not None, root=root.resolve()
    )


def _with_masks(rows: list[_Row], options: CsvOptions, root: Path) -> tlkit.SampleSet:
    if not options.values:
        raise tlkit.DataError('data.values: masks need a table such as values = { "0" = "background", "255" = "cat" }')
    classes, table, colors = mask_table(options.values, options.ignore)
    samples = []
    for row in rows:
        if not row.target:
            raise tlkit.DataError(f"{options.path}:{row.line}: the column {options.mask} is empty; expected a path")
        mask = root / row.target
        samples.append(tlkit.Sample(row.image, root / row.image, mask=mask, split=row.split, group=row.group))
    return tlkit.SampleSet(
        samples=_unique(samples, options), classes=classes, mask_table=table, root=root.resolve(), colors=colors
    )


def _unique(samples: list[tlkit.Sample], options: CsvOptions) -> tuple[tlkit.Sample, ...]:
    keys: set[str] = set()
    for sample in samples:
        if sample.key in keys:
            raise tlkit.DataError(f"{options.path}: two rows have the image {sample.key}; expected one row per image")
        keys.add(sample.key)
    return tuple(samples)
