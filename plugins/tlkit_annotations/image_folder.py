"""Hugging Face's image folder: ``metadata.csv`` or ``metadata.jsonl`` beside the images (see Datasets' docs)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import tlkit
from tlkit_annotations.class_table import ClassTable, class_table, some
from tlkit_annotations.found import in_split_order
from tlkit_annotations.image_folder_rows import Row, column_of, labels_in, metadata_files, read_rows
from tlkit_annotations.mask_counts import values_in
from tlkit_annotations.places import below
from tlkit_annotations.reading import name_of
from tlkit_annotations.tool_options import ImageFolderOptions

_OPENED = 100
"""Maximum number of masks that ``tlkit init`` opens."""


def open_image_folder(ctx: tlkit.DatasetContext, options: ImageFolderOptions) -> tlkit.SampleSet:
    """Read the metadata of all folders; ``train``, ``validation`` and ``test`` folders are splits.

    Raises:
        DataError: there is no metadata, it can't be read, a column is missing, or no image can be used.
    """
    root = tlkit.files.existing_folder(options.path, "data.path")
    files = metadata_files(root)
    if not files:
        raise tlkit.DataError(
            f"data.path: {root.absolute()}: no metadata.csv or metadata.jsonl with a column file_name, beside the "
            "images or in train, validation and test folders"
        )
    rows = read_rows(files)
    segmentation = ctx.task == "segmentation"
    column = column_of(rows, options.mask if segmentation else options.label, "mask" if segmentation else "label")
    return _with_masks(root, rows, column, options) if segmentation else _with_labels(root, rows, column, options)


def detect_image_folder(path: Path, task: tlkit.Task | None) -> tlkit.Detected | None:
    """Recognise a folder with ``metadata.csv`` or ``metadata.jsonl``.

    Raises:
        DataError: the metadata can't be read.
    """
    files = metadata_files(path) if path.is_dir() else []
    if not files:
        return None
    rows = read_rows(files)
    for kind in ("mask", "label") if task is None else ("mask",) if task == "segmentation" else ("label",):
        try:
            column = column_of(rows, None, kind)
        except tlkit.DataError:
            if task is not None or kind == "label":
                raise
            continue
        return _detected(path, rows, column, kind)
    return None


def _existing(rows: Sequence[Row]) -> tuple[list[tuple[Row, Path]], list[Row]]:
    """Return the rows whose image exists, with it, and the others."""
    found, missing = [], []
    for row in rows:
        image = below(row.folder, row.name)
        if image is None or not image.is_file():
            missing.append(row)
        else:
            found.append((row, image))
    return found, missing


# Labels ---------------------------------------------------------------------------------------------------------------


def _with_labels(root: Path, rows: Sequence[Row], column: str, options: ImageFolderOptions) -> tlkit.SampleSet:
    found, missing = _existing(rows)
    table, multi = _label_table(found, column, options)
    samples, aside = [], [tlkit.SetAside(_key(root, row), f"no such image ({row.file.name})") for row in missing]
    for row, image in found:
        numbers = table.labels(labels_in(row, column))
        if multi or len(numbers) == 1:
            label = numbers if multi else numbers[0]
            samples.append(tlkit.Sample(tlkit.files.key_of(image, root), image, label=label, split=row.split))
        else:
            aside.append(tlkit.SetAside(tlkit.files.key_of(image, root), f"{len(numbers)} labels; expected one"))
    if not samples:
        raise tlkit.DataError(f"{root}: no image with a label in the column {column}; see data.label and data.classes")
    return tlkit.SampleSet(
        samples=tuple(samples),
        classes=table.classes,
        multi_label=multi,
        set_aside=tuple(aside),
        root=root.resolve(),
        sources=tuple(dict.fromkeys(row.file for row in rows)),
        notes=table.notes,
    )


def _label_table(
    found: Sequence[tuple[Row, Path]], column: str, options: ImageFolderOptions
) -> tuple[ClassTable, bool]:
    """Return the classes, and whether an image may have several."""
    labels = [labels_in(row, column) for row, _ in found]
    names = sorted({name for each in labels for name in each}, key=_natural)
    multi = options.labels == "multi" or (
        options.labels == "auto" and any(isinstance(row.values.get(column), list) for row, _ in found)
    )
    return class_table(options, names, names, with_background=False), multi


def _natural(name: str) -> tuple[int, int, str]:
    """Sort numbers by value, before names."""
    return (0, int(name), name) if name.isdecimal() else (1, 0, name)


# Masks ----------------------------------------------------------------------------------------------------------------


def _with_masks(root: Path, rows: Sequence[Row], column: str, options: ImageFolderOptions) -> tlkit.SampleSet:
    found, missing = _existing(rows)
    values = _values(options)
    names = list(dict.fromkeys(values.values()))
    table = class_table(options, names, names, with_background=True, background_names=names[:1])
    samples, aside = [], [tlkit.SetAside(_key(root, row), f"no such image ({row.file.name})") for row in missing]
    for row, image in found:
        mask = below(row.folder, str(row.values.get(column) or ""))
        key = tlkit.files.key_of(image, root)
        if mask is None or not mask.is_file():
            aside.append(tlkit.SetAside(key, f"no mask {row.values.get(column)} ({row.file.name})"))
        else:
            samples.append(tlkit.Sample(key, image, mask=mask, split=row.split))
    if not samples:
        raise tlkit.DataError(f"{root}: no image has a mask in the column {column}; see data.mask")
    numbers = table.of_values(values)
    numbers |= {int(value): tlkit.IGNORE for value in options.ignore if value.isdecimal()}
    return tlkit.SampleSet(
        samples=tuple(samples),
        classes=table.classes,
        mask_table=tlkit.MaskTable(numbers),
        set_aside=tuple(aside),
        root=root.resolve(),
        sources=tuple(dict.fromkeys(row.file for row in rows)),
    )


def _values(options: ImageFolderOptions) -> dict[int, str]:
    values = {}
    for value, name in options.values.items():
        if not value.isdecimal() or int(value) > 65535 or not name_of(name):
            raise tlkit.DataError(f'data.values: expected a pixel value such as "255" and a class, received "{value}"')
        values[int(value)] = name_of(name)
    if not values:
        raise tlkit.DataError('data.values: masks need a table such as values = { "0" = "background", "1" = "cell" }')
    return values


# ----------------------------------------------------------------------------------------------------------------------


def _detected(path: Path, rows: Sequence[Row], column: str, kind: str) -> tlkit.Detected:
    found, missing = _existing(rows)
    if not found:
        raise tlkit.DataError(f"{rows[0].file}: none of the {len(rows)} images that it names exists beside it")
    splits: Counter[str] = Counter(row.split or "" for row, _ in found)
    order = in_split_order(splits)
    notes = [f"images that don't exist: {len(missing)}, such as {missing[0].name}"] if missing else []
    others = [each for each in dict.fromkeys(name for row in rows for name in row.values) if each != column]
    if others:
        notes.append(f"columns that are not used: {some(others)}; data.{kind} names the column with the {kind}")
    keys: dict[str, object] = {"path": path, kind: column}
    comments: dict[str, str] = {}
    counts: dict[str, Counter[str]] = {split: Counter() for split in order}
    if kind == "label":
        table, multi = _label_table(found, column, ImageFolderOptions(path=path))
        if len(table.classes) > max(10, len(found) / 2):
            raise tlkit.DataError(
                f"{rows[0].file}: the column {column} has {len(table.classes)} values for {len(found)} images, "
                f'so these are no classes; write a recipe with data.name = "imagefolder" and the column as data.label'
            )
        keys |= {"labels": "multi" if multi else "only", "classes": list(table.classes)}
        comments = {"labels": "an image has several" if multi else 'or "multi"', "classes": "remove those not to learn"}
        for row, _ in found:
            counts[row.split or ""].update(labels_in(row, column))
    else:
        values = _seen_values(found, column)
        keys["values"] = values
        comments["values"] = "Mask value = class name. Replace these names with the real ones."
    return tlkit.Detected(
        title=f"image folder of Hugging Face, {len(found)} images",
        task="classification" if kind == "label" else "segmentation",
        options=keys,
        comments=comments,
        counts={split: dict(counts[split]) for split in order},
        images=tuple(image for _, image in found),
        splits={split: splits[split] for split in order},
        tasks=("classification",) if kind == "label" else ("segmentation",),
        notes=tuple(notes),
    )


def _seen_values(found: Sequence[tuple[Row, Path]], column: str) -> dict[str, str]:
    """Return pixel value → a placeholder for its class, of the values in an even sample of masks."""
    seen: set[int] = set()
    for row, _ in found[:: max(1, -(-len(found) // _OPENED))]:
        mask = below(row.folder, str(row.values.get(column) or ""))
        seen |= values_in(mask) if mask is not None else set()
    if not 2 <= len(seen) <= 64:
        raise tlkit.DataError(
            f"{found[0][0].file}: {len(seen)} different values in the masks of the column {column}; expected 2 to 64, "
            "one for each class"
        )
    return {str(value): "background" if value == 0 else f"class_{value}" for value in sorted(seen)}


def _key(root: Path, row: Row) -> str:
    return f"{tlkit.files.key_of(row.folder, root)}/{row.name}".removeprefix("./")
