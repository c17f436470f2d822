"""A CSV table of images."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import tlkit
from tlkit_datasets.options import CsvOptions
from tlkit_datasets.row_columns import Row, RowColumns, RowKind
from tlkit_datasets.table_columns import columns_of
from tlkit_datasets.table_images import ImageFinder
from tlkit_datasets.table_labels import is_multi_label, likely_separator, marked_labels, numbered, ordered, split_labels
from tlkit_datasets.table_rows import FoundFiles, Rows, by_labels, labels_of, merged
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
        samples = tuple(
            tlkit.Sample(row.key, row.path, mask=row.mask, split=row.split, group=row.group) for row in rows.images
        )
        found = tlkit.SampleSet(samples=samples, classes=classes, mask_table=table, colors=colors)
    else:
        classes = ordered((name for names in labels_of(rows.images) for name in names), options)
        number = {name: place for place, name in enumerate(classes)}
        several = is_multi_label(options)
        folder = str(rows.root)
        labels = {names: numbered(names, number, several=several) for names in labels_of(rows.images)}
        samples = tuple(_sample(row, folder, labels[row.labels]) for row in rows.images)
        found = tlkit.SampleSet(samples=samples, classes=classes, multi_label=several)
    aside = tuple(tlkit.SetAside(row.key, f"no label in {row.where}") for row in rows.unlabelled)
    return replace(found, root=rows.root.resolve(), sources=rows.files, notes=tuple(rows.notes), set_aside=aside)


def _sample(row: Row, folder: str, label: int | tuple[int, ...]) -> tlkit.Sample:
    if row.key is row.name:
        return tlkit.Sample.below(folder, row.key, label, row.split, row.group)
    return tlkit.Sample(row.key, row.path, label, split=row.split, group=row.group)


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
    rows, images = Rows(top, tuple(files)), RowColumns()
    for (_, _, split), file, folder in zip(parts, files, folders, strict=True):
        before = "" if same else folder.relative_to(top).as_posix() + "/"
        reader = _Reader(file, options, role, top if same else folder)
        reader.read("" if before == "./" else before, split, images)
        rows.notes += reader.notes
    rows.images, notes = merged(images, options, role)
    rows.notes += notes
    if role != "mask" and not is_multi_label(options):
        rows.images, rows.unlabelled = by_labels(rows.images)
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
        self._labels_of: dict[str, tuple[str, ...]] = {}
        """Each cell of the column of labels that was read → its labels."""
        prefix, anywhere = options.strip_prefix, options.anywhere
        self._finder = ImageFinder(root, options.suffix, prefix, anywhere=anywhere)
        self._masks = ImageFinder(root, prefix=prefix, anywhere=anywhere)
        names = [options.image, *options.labels] if role == "labels" else [options.image, getattr(options, role)]
        self._table = read_table(file, options.delimiter, options.encoding, header=options.header, wanted=names)
        self._places, notes = columns_of(self._table, options, role)
        self.notes += [f"{file.name}: {note}" for note in notes]

    def read(self, before: str, split: tlkit.Split | None, into: RowColumns) -> None:
        """Add the rows of the table to others; afterwards ``notes`` says how their files were found.

        Args:
            before: what the keys have before the paths.
            split: the split of all rows; None: as the table says.
            into: the rows of tables that were read before.
        """
        table, finder, options = self._table, self._finder, self._options
        found = FoundFiles()
        several = is_multi_label(options)
        kinds: dict[tuple[tuple[str, ...], tlkit.Split | None], int] = {}
        unlabelled: list[int] = []
        groups: dict[str, str] = {}
        places = self._places
        image_at, split_at, group_at = places["image"], places.get("split"), places.get("group")
        for line, cells in table.rows:
            text = cells[image_at]
            if text and finder.has(text):
                found.count += 1
            else:
                text = self._found(finder, "image", text, line, found)
            labels: tuple[str, ...] = ()
            mask = None
            if self._role == "mask":
                mask = self._masks.root / self._found(self._masks, "mask", cells[places["mask"]], line, found)
            else:
                labels = self._labels(cells, line)
                if not labels and not several:
                    unlabelled.append(line)
                if len(labels) > 1 and not several:
                    raise tlkit.DataError(
                        f"{table.file}:{line}: {' and '.join(labels[:3])} are both marked; set data.multi_label = true "
                        "for images with several labels"
                    )
            own = _split(table.file, line, cells[split_at]) if split_at is not None else None
            its_split = split or own
            name = cells[group_at] if group_at is not None else ""
            group = groups.setdefault(name, name) if name else None
            kind = kinds.get((labels, its_split))
            if kind is None:
                kind = into.add_kind(RowKind(table.file, finder.root, before, labels, its_split))
                kinds[labels, its_split] = kind
            into.add(kind, line, before + text if before else text, mask, group)
        if unlabelled and options.unlabelled == "error":
            raise tlkit.DataError(self._no_label(unlabelled))
        self._note(table, found)

    def _found(self, finder: ImageFinder, column: str, text: str, line: int, found: FoundFiles) -> str:
        """Return the path of the file that a cell names, below the finder's root."""
        where = f"{self._table.file}:{line}: the column {getattr(self._options, column)}"
        if not text:
            raise tlkit.DataError(f"{where} is empty; expected a path")
        file = finder.find(text, where)
        found.add(file)
        return file.key

    def _labels(self, cells: Sequence[str], line: int) -> tuple[str, ...]:
        if self._role == "label":
            text = cells[self._places["label"]]
            if text not in self._labels_of:
                self._labels_of[text] = split_labels(text, self._options)
            return self._labels_of[text]
        marks = {name.strip(): cells[self._places[f"labels/{name}"]] for name in self._options.labels}
        return marked_labels(marks, f"{self._table.file}:{line}")

    def _no_label(self, lines: Sequence[int]) -> str:
        what = f"the column {self._options.label} is empty; expected a class"
        if self._role == "labels":
            what = "no column of data.labels is marked; expected one"
        more = f" ({len(lines)} rows)" if len(lines) > 1 else ""
        key = "data.multi_label = true"
        if self._role == "label" and (separator := self._separator()):
            key = f'data.separator = "{separator}"'
        return (
            f'{self._table.file}:{lines[0]}: {what}{more}. Set data.unlabelled = "leave_out" to do without these '
            f"images, or {key} if they have none of the classes"
        )

    def _separator(self) -> str | None:
        """Return the text that seems to stand between the labels of an image; None if it is set, or cells have one."""
        if self._role != "label" or self._options.separator is not None:
            return None
        return likely_separator(self._labels_of)

    def _note(self, table: TableText, found: FoundFiles) -> None:
        """Note what was guessed, or raise an error if no file of the table is there."""
        name = table.file.name
        if table.empty:
            self.notes.append(f"{name}: empty rows, left out: {table.empty}")
        if separator := self._separator():
            self.notes.append(
                f'{name}: cells of the column {self._options.label} with "{separator}" are names of classes; '
                f'data.separator = "{separator}" makes them several labels'
            )
        for how, count in sorted(found.ways.items()):
            self.notes.append(f"{name}: files found {how}: {count}, such as {found.examples[how]}")
        if not found.missing:
            return
        hint = self._finder.hint(found.shown, self._options.root)
        examples = ", ".join(tlkit.files.shortened(Path(key)) for key in found.shown[:3])
        root = self._finder.root.resolve()
        message = f"{found.missing} of {found.count} files are not in {root}, such as {examples}"
        message = f"{message}. {hint}" if hint else message
        if found.missing == found.count or (found.missing * 2 > found.count and "data." in hint):
            raise tlkit.DataError(f"{table.file}: {message}")
        self.notes.append(f"{name}: {message}")


def _split(file: Path, line: int, text: str) -> tlkit.Split | None:
    if not text:
        return None
    split = tlkit.files.split_named(text)
    if split is None:
        raise tlkit.DataError(f'{file}:{line}: expected train, validation or test, received "{text}"')
    return split
