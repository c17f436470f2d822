"""Exports of Roboflow in the formats "Multi-Label Classification" and "Folder Structure"."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import tlkit
from tlkit_annotations.class_table import ClassTable, class_table
from tlkit_annotations.reading import name_of
from tlkit_annotations.roboflow_files import TABLE, Part, rows_of, source_of, split_counts, version_notes
from tlkit_annotations.tool_options import RoboflowOptions


@dataclass(frozen=True)
class _Labelled:
    """An image and its labels.

    Args:
        image: the file.
        labels: class names.
        split: its split.
    """

    image: Path
    labels: tuple[str, ...]
    split: tlkit.Split | None


@dataclass(frozen=True)
class _Labels:
    """The labels of an export.

    Args:
        images: the images that exist.
        names: all class names, in their order.
        sources: the tables.
        missing: names of images that a table has, but the folder has not.
        multi_label: whether an image may have several labels.
    """

    images: tuple[_Labelled, ...]
    names: tuple[str, ...]
    sources: tuple[Path, ...] = ()
    missing: tuple[str, ...] = ()
    multi_label: bool = False


def labels_of(root: Path, parts: list[Part]) -> _Labels | None:
    if any(part.table.is_file() for part in parts):
        return _labels_of_tables(root, parts)
    images = [
        _Labelled(file, (name_of(folder.name),), part.split)
        for part in parts
        for folder in tlkit.files.subfolders(part.folder)
        for file in tlkit.files.images_in(folder)
    ]
    if not images or not all(source_of(each.image) for each in images):
        return None
    return _Labels(tuple(images), tuple(sorted({each.labels[0] for each in images})))


def _labels_of_tables(root: Path, parts: list[Part]) -> _Labels | None:
    images, missing, names = [], [], dict[str, None]()
    tables = [part for part in parts if part.table.is_file()]
    for part in tables:
        header, rows = rows_of(part.table)
        if not header or header[0].lower() != "filename" or len(header) < 2:
            return None
        names |= dict.fromkeys(map(name_of, header[1:]))
        for line, row in rows:
            if len(row) != len(header) or not set(row[1:]) <= {"0", "1"}:
                raise tlkit.DataError(
                    f"{part.table}:{line}: expected a file name and 0 or 1 for each of {len(header) - 1} classes, "
                    f'received "{", ".join(row)}"'
                )
            file = part.folder / Path(row[0].replace("\\", "/")).name
            labels = tuple(name_of(name) for name, cell in zip(header[1:], row[1:], strict=True) if cell == "1")
            if file.is_file():
                images.append(_Labelled(file, labels, part.split))
            else:
                missing.append(tlkit.files.key_of(file, root))
    sources = tuple(part.table for part in tables)
    return _Labels(tuple(images), tuple(names), sources, tuple(missing), multi_label=True)


def with_labels(root: Path, found: _Labels, options: RoboflowOptions) -> tlkit.SampleSet:
    multi = found.multi_label and options.labels == "multi"
    table = _label_classes(found, options)
    samples, aside = [], [tlkit.SetAside(key, "no such image") for key in found.missing]
    for each in found.images:
        key = tlkit.files.key_of(each.image, root)
        numbers = table.labels(each.labels)
        if multi or len(numbers) == 1:
            label = numbers if multi else numbers[0]
            samples.append(tlkit.Sample(key, each.image, label=label, split=each.split, group=source_of(each.image)))
        else:
            aside.append(tlkit.SetAside(key, f"{len(numbers)} classes; expected one"))
    if not samples:
        raise tlkit.DataError(f"{root}: no image with a label; see data.classes, data.ignore and data.labels")
    return tlkit.SampleSet(
        samples=tuple(samples),
        classes=table.classes,
        multi_label=multi,
        set_aside=tuple(aside),
        root=root.resolve(),
        sources=found.sources,
        notes=(*version_notes([sample.group for sample in samples]), *table.notes),
    )


def _label_classes(found: _Labels, options: RoboflowOptions) -> ClassTable:
    used = {name for each in found.images for name in each.labels}
    return class_table(options, found.names, used, with_background=False)


def detected_labels(path: Path, found: _Labels) -> tlkit.Detected:
    several = any(len(each.labels) > 1 for each in found.images)
    options = RoboflowOptions(path=path, labels="multi" if several else "only")
    table = _label_classes(found, options)
    images = [each for each in found.images if several or len(each.labels) == 1]
    counts: dict[str, Counter[str]] = {split: Counter() for split in split_counts(each.split for each in images)}
    for each in images:
        counts[each.split or ""].update(each.labels)
    keys = {"path": path, "classes": list(table.classes)}
    comments = {"classes": "remove those that are not to be learnt"}
    if found.multi_label:
        keys["labels"] = options.labels
        comments["labels"] = 'or "only"' if several else "no image has several classes"
    notes = [*version_notes([source_of(each.image) for each in images]), *table.notes]
    if found.missing:
        notes.append(f"images of {TABLE} that don't exist: {len(found.missing)}, such as {found.missing[0]}")
    return tlkit.Detected(
        title=f"Roboflow export with labels, {len(images)} images",
        task="classification",
        options=keys,
        comments=comments,
        counts={split: dict(counter) for split, counter in counts.items()},
        images=tuple(each.image for each in images),
        splits=split_counts(each.split for each in images),
        tasks=("classification",),
        notes=tuple(notes),
    )
