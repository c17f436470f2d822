"""Exports of Roboflow in the format "Semantic Segmentation Masks"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import tlkit
from tlkit_annotations.class_table import ClassTable, class_table, some
from tlkit_annotations.mask_counts import values_in
from tlkit_annotations.reading import name_of
from tlkit_annotations.roboflow_files import Part, rows_of, source_of, split_counts, version_notes
from tlkit_annotations.tool_options import RoboflowOptions

_MASK = "_mask"
_OPENED = 100
"""Maximum number of masks that ``tlkit init`` opens."""


def mask_values(parts: list[Part]) -> dict[int, str] | None:
    """Return pixel value → class name of the tables; None if they are not about masks.

    Raises:
        DataError: a table is not valid, or two disagree.
    """
    found: dict[int, str] = {}
    first: Path | None = None
    for part in parts:
        if not part.table.is_file():
            continue
        header, rows = rows_of(part.table)
        if [each.lower() for each in header] != ["pixel value", "class"]:
            return None
        values: dict[int, str] = {}
        for line, row in rows:
            if len(row) != 2 or not row[0].isdecimal() or int(row[0]) > 255 or not name_of(row[1]):
                raise tlkit.DataError(
                    f'{part.table}:{line}: expected a pixel value of 0-255 and a class, received "{", ".join(row)}"'
                )
            values[int(row[0])] = name_of(row[1])
        if first is not None and values != found:
            raise tlkit.DataError(f"{first} and {part.table} name different classes; expected the same in all splits")
        found, first = values, part.table
    return found or None


def _pairs(parts: list[Part]) -> Iterator[tuple[Part, Path, Path | None]]:
    """Yield part, image and mask; None where there is no mask."""
    for part in parts:
        files = list(tlkit.files.images_in(part.folder))
        masks = {(file.parent, file.stem.removesuffix(_MASK)): file for file in files if file.stem.endswith(_MASK)}
        for file in files:
            if not file.stem.endswith(_MASK):
                yield part, file, masks.get((file.parent, file.stem))


def has_masks(parts: list[Part]) -> bool:
    """Return whether masks lie beside their images; tables like Roboflow's also lie beside folders of masks."""
    return any(mask is not None for _, _, mask in _pairs(parts))


def with_masks(root: Path, parts: list[Part], values: Mapping[int, str], options: RoboflowOptions) -> tlkit.SampleSet:
    table = _mask_classes(values, options)
    numbers = table.of_values(values)
    samples, aside = [], []
    for part, image, mask in _pairs(parts):
        key = tlkit.files.key_of(image, root)
        if mask is None:
            aside.append(tlkit.SetAside(key, f"no mask {image.stem}{_MASK}.png"))
        else:
            samples.append(tlkit.Sample(key, image, mask=mask, split=part.split, group=source_of(image)))
    if not samples:
        raise tlkit.DataError(f"{root}: no image has a mask; expected a.jpg and a{_MASK}.png")
    return tlkit.SampleSet(
        samples=tuple(samples),
        classes=table.classes,
        mask_table=tlkit.MaskTable(numbers),
        set_aside=tuple(aside),
        root=root.resolve(),
        sources=tuple(part.table for part in parts if part.table.is_file()),
        notes=(*version_notes([sample.group for sample in samples]), *table.notes),
    )


def _mask_classes(values: Mapping[int, str], options: RoboflowOptions) -> ClassTable:
    names = list(dict.fromkeys(values[value] for value in sorted(values)))
    return class_table(options, names, names, with_background=True, background_names=[values[0]] if 0 in values else [])


def detected_masks(path: Path, parts: list[Part], values: Mapping[int, str]) -> tlkit.Detected:
    options = RoboflowOptions(path=path)
    table = _mask_classes(values, options)
    pairs = list(_pairs(parts))
    paired = [(part, image, mask) for part, image, mask in pairs if mask is not None]
    every = max(1, -(-len(paired) // _OPENED))
    counts: dict[str, Counter[str]] = {}
    unknown: Counter[int] = Counter()
    for part, _, mask in paired[::every]:
        seen = values_in(mask)
        names = {table.numbers[values[value]] for value in seen if values.get(value) in table.numbers}
        counts.setdefault(part.split or "", Counter()).update(
            table.classes[number] for number in sorted(names) if number != tlkit.IGNORE
        )
        unknown.update(value for value in seen if value not in values)
    notes = [*version_notes([source_of(image) for _, image, _ in paired])]
    if every > 1:
        notes.append(f"classes were counted in {len(paired[::every])} of {len(paired)} masks")
    if len(pairs) > len(paired):
        notes.append(f"images without a mask: {len(pairs) - len(paired)}; a run sets them aside")
    if unknown:
        notes.append(f"values of no class in the masks: {some([str(value) for value in sorted(unknown)])}")
    return tlkit.Detected(
        title=f"Roboflow export with masks, {len(paired)} images",
        task="segmentation",
        options={"path": path, "classes": [name for name in table.classes if name != options.background]},
        comments={"classes": "remove those that are not to be learnt"},
        counts={split: dict(counts.get(split, {})) for split in split_counts(part.split for part, _, _ in paired)},
        images=tuple(image for _, image, _ in paired),
        splits=split_counts(part.split for part, _, _ in paired),
        tasks=("segmentation",),
        notes=tuple(notes),
    )
