"""A CSV table of images."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import tlkit
from tlkit_datasets.options import CsvOptions
from tlkit_datasets.table_columns import columns_of
from tlkit_datasets.table_images import Found, ImageFinder
from tlkit_datasets.table_labels import is_multi_label, likely_separator, marked_labels, numbered, ordered, split_labels
from tlkit_datasets.table_text import TableText, read_table
from tlkit_datasets.values import mask_table


def open_csv(ctx: tlkit.DatasetContext, options: CsvOptions) -> tlkit.SampleSet:
    """Read tables of images: their paths, their labels or masks, their splits and groups.

    Raises:
        DataError: a file or a column is missing, or a cell is invalid; the message names the line.
    """
    rows = read_rows(ctx.task, options)
    classes: tuple[str, ...]
    if ctx.task == "segmentation":
        if not options.values:
            raise tlkit.DataError(
                'data.values: masks need a table such as values = { "0" = "background", "255" = "cat" }'
            )
        classes, table, colors = mask_table(
            options.values, options.ignore, options.other, options.channel, nearest=options.nearest
        )
        samples = [
            tlkit.Sample(row.key, row.path, mask=row.mask, split=row.split, group=row.group) for row in rows.images
        ]
        found = tlkit.SampleSet(samples=tuple(samples), classes=classes, mask_table=table, colors=colors)
    else:
        classes = ordered((name for row in rows.images for name in row.labels), options)
        number = {name: place for place, name in enumerate(classes)}
        several = is_multi_label(options)
        samples = [
            tlkit.Sample(
                row.key,
                row.path,
                label=numbered(row.labels, number, several=several),
                split=row.split,
                group=row.group,
            )
            for row in rows.images
        ]
        found = tlkit.SampleSet(samples=tuple(samples), classes=classes, multi_label=several)
    aside = tuple(tlkit.SetAside(row.key, f"no label in {row.where}") for row in rows.unlabelled)
    return replace(found, root=rows.root.resolve(), sources=rows.files, notes=tuple(rows.notes), set_aside=aside)


@dataclass(frozen=True)
class Row:
    """An image of a table.

    Args:
        where: file and line.
        key: the key of its sample.
        path: its file.
        labels: its class names; none for segmentation.
        mask: its mask; None for classification.
        split: the prescribed split, if any.
        group: the group, if any.
    """

    where: str
    key: str
    path: Path
    labels: tuple[str, ...] = ()
    mask: Path | None = None
    split: tlkit.Split | None = None
    group: str | None = None


@dataclass
class Rows:
    """The images of all tables of a data set.

    Args:
        root: the folder that the keys are relative to.
        files: the tables.
        images: the images, each once.
        unlabelled: images that are left out, because they have no label.
        notes: what the user should know about how they were read.
    """

    root: Path
    files: tuple[Path, ...] = ()
    images: list[Row] = field(default_factory=list)
    unlabelled: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_rows(task: tlkit.Task, options: CsvOptions) -> Rows:
    """Read all tables that the options name.

    Raises:
        DataError: as ``open_csv``.
    """
    role = "mask" if task == "segmentation" else "labels" if options.labels else "label"
    if role != "labels" and getattr(options, role) is None:
        raise tlkit.DataError(f"data.{role}: not set; {task} needs the column with the {role}")
    if options.labels and options.separator is not None:
        raise tlkit.DataError("data.separator: it is for data.label; expected none with data.labels")
    if repeated := [name for name, count in Counter(options.labels).items() if count > 1]:
        raise tlkit.DataError(f"data.labels: {repeated[0]} stands there twice; expected each column once")
    parts: list[tuple[str, Path, tlkit.Split | None]] = [("path", options.path, None)]
    parts += [("validation_path", options.validation_path, "validation")] if options.validation_path else []
    parts += [("test_path", options.test_path, "test")] if options.test_path else []
    files = []
    for key, path, _ in parts:
        file = tlkit.files.expanded(path)
        if not file.is_file():
            raise tlkit.DataError(f"data.{key}: no such CSV file: {file.absolute()}")
        files.append(file)
    folders = [file.absolute().parent for file in files]
    same = options.root is not None or len(set(folders)) == 1
    top = tlkit.files.expanded(options.root or files[0].parent) if same else Path(os.path.commonpath(folders))
    rows = Rows(top, tuple(files))
    for (_, _, split), file, folder in zip(parts, files, folders, strict=True):
        before = "" if same else folder.relative_to(top).as_posix() + "/"
        reader = _Reader(file, options, role, top if same else folder)
        for row in reader.rows():
            key = row.key if before in ("", "./") else before + row.key
            rows.images.append(replace(row, key=key, split=split or row.split))
        rows.notes += reader.notes
    rows.images, notes = _merged(rows.images, options, role)
    rows.notes += notes
    if role != "mask" and not is_multi_label(options):
        rows.unlabelled = [row for row in rows.images if not row.labels]
        rows.images = [row for row in rows.images if row.labels]
    return rows


class _Reader:
    """Read one table.

    Args:
        file: the table.
        options: the recipe's options.
        role: what an image is learnt from: ``label``, ``labels`` or ``mask``.
        root: the folder that its paths are relative to.
    """

    def __init__(self, file: Path, options: CsvOptions, role: str, root: Path) -> None:
        self.notes: list[str] = []
        self._options, self._role = options, role
        prefix, anywhere = options.strip_prefix, options.anywhere
        self._finder = ImageFinder(root, options.suffix, prefix, anywhere=anywhere)
        self._masks = ImageFinder(root, prefix=prefix, anywhere=anywhere)
        names = [options.image, *options.labels] if role == "labels" else [options.image, getattr(options, role)]
        self._table = read_table(file, options.delimiter, options.encoding, header=options.header, wanted=names)
        self._places, notes = columns_of(self._table, options, role)
        self.notes += [f"{file.name}: {note}" for note in notes]

    def rows(self) -> Iterator[Row]:
        """Yield the rows of the table; afterwards ``notes`` says how their files were found."""
        table, finder, options = self._table, self._finder, self._options
        found: list[Found] = []
        unlabelled: list[str] = []
        for line, cells in table.rows:
            where, cell = f"{table.file}:{line}", {key: cells[place] for key, place in self._places.items()}
            if not cell["image"]:
                raise tlkit.DataError(f"{where}: the column {options.image} is empty; expected a path")
            image = finder.find(cell["image"], f"{where}: the column {options.image}")
            found.append(image)
            labels: tuple[str, ...] = ()
            mask = None
            if self._role == "mask":
                if not cell["mask"]:
                    raise tlkit.DataError(f"{where}: the column {options.mask} is empty; expected a path")
                found.append(self._masks.find(cell["mask"], f"{where}: the column {options.mask}"))
                mask = found[-1].path
            else:
                labels = self._labels(cell, where)
                if not labels and not is_multi_label(options):
                    unlabelled.append(where)
                if len(labels) > 1 and not is_multi_label(options):
                    raise tlkit.DataError(
                        f"{where}: {' and '.join(labels[:3])} are both marked; set data.multi_label = true for images "
                        "with several labels"
                    )
            split, group = _split(where, cell.get("split", "")), cell.get("group") or None
            yield Row(where, image.key, image.path, labels, mask, split, group)
        if unlabelled and options.unlabelled == "error":
            raise tlkit.DataError(self._no_label(unlabelled))
        self._note(table, found)

    def _labels(self, cell: dict[str, str], where: str) -> tuple[str, ...]:
        if self._role == "label":
            return split_labels(cell["label"], self._options)
        return marked_labels({name.strip(): cell[f"labels/{name}"] for name in self._options.labels}, where)

    def _no_label(self, rows: Sequence[str]) -> str:
        what = f"the column {self._options.label} is empty; expected a class"
        if self._role == "labels":
            what = "no column of data.labels is marked; expected one"
        more = f" ({len(rows)} rows)" if len(rows) > 1 else ""
        key = "data.multi_label = true"
        if self._role == "label" and (separator := self._separator()):
            key = f'data.separator = "{separator}"'
        return (
            f'{rows[0]}: {what}{more}. Set data.unlabelled = "leave_out" to do without these images, or {key} if they '
            "have none of the classes"
        )

    def _separator(self) -> str | None:
        """Return the text that seems to stand between the labels of an image; None if it is set, or cells have one."""
        if self._role != "label" or self._options.separator is not None:
            return None
        return likely_separator([cells[self._places["label"]] for _, cells in self._table.rows])

    def _note(self, table: TableText, found: Sequence[Found]) -> None:
        """Note what was guessed, or raise an error if no file of the table is there."""
        name = table.file.name
        if table.empty:
            self.notes.append(f"{name}: empty rows, left out: {table.empty}")
        if separator := self._separator():
            self.notes.append(
                f'{name}: cells of the column {self._options.label} with "{separator}" are names of classes; '
                f'data.separator = "{separator}" makes them several labels'
            )
        ways = Counter(each.how for each in found if each.how)
        for how, count in sorted(ways.items()):
            example = next(each for each in found if each.how == how)
            self.notes.append(f"{name}: files found {how}: {count}, such as {example.key}")
        missing = [each for each in found if not each.exists]
        if not missing:
            return
        hint = self._finder.hint([each.key for each in missing], self._options.root)
        examples = ", ".join(tlkit.files.shortened(Path(each.key)) for each in missing[:3])
        message = f"{len(missing)} of {len(found)} files are not in {self._finder.root.resolve()}, such as {examples}"
        message = f"{message}. {hint}" if hint else message
        if len(missing) == len(found) or (len(missing) * 2 > len(found) and "data." in hint):
            raise tlkit.DataError(f"{table.file}: {message}")
        self.notes.append(f"{name}: {message}")


def _split(where: str, text: str) -> tlkit.Split | None:
    if not text:
        return None
    split = tlkit.files.split_named(text)
    if split is None:
        raise tlkit.DataError(f'{where}: expected train, validation or test, received "{text}"')
    return split


def _merged(rows: Sequence[Row], options: CsvOptions, role: str) -> tuple[list[Row], list[str]]:
    """Return one row for each image, and notes.

    Raises:
        DataError: two rows say different things about an image.
    """
    by_key: dict[str, list[Row]] = {}
    for row in rows:
        by_key.setdefault(row.key, []).append(row)
    merged, repeated = [], 0
    for members in by_key.values():
        first, seen = members[0], {members[0].labels}
        for other in members[1:]:
            if (first.split, first.group, first.mask) != (other.split, other.group, other.mask):
                raise tlkit.DataError(_contradiction(first, other))
            if options.row_per == "image" and first.labels != other.labels:
                several = sum(len(each) > 1 for each in by_key.values())
                raise tlkit.DataError(_two_rows(first, other, several, role))
            repeated += other.labels in seen
            seen.add(other.labels)
        names = dict.fromkeys(name for row in members for name in row.labels)
        merged.append(replace(first, labels=tuple(names)))
    return merged, [f"rows that repeat another row, left out: {repeated}"] if repeated else []


def _contradiction(first: Row, other: Row) -> str:
    for what in ("split", "group", "mask"):
        one, two = getattr(first, what), getattr(other, what)
        if one != two:
            return (
                f"{other.where}: the image {other.key} has the {what} {two}, but {one} in {first.where}; expected one"
            )
    return ""


def _two_rows(first: Row, other: Row, several: int, role: str) -> str:
    message = (
        f"{other.where}: two rows have the image {other.key}; expected one row per image ({several} images have more): "
        f"{'|'.join(other.labels) or 'no label'} here, {'|'.join(first.labels) or 'no label'} in {first.where}"
    )
    return (
        f'{message}. If each row is one label of its image, set data.row_per = "label"' if role == "label" else message
    )
