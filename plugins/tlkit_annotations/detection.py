"""What ``tlkit init`` says about annotations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tlkit
from tlkit_annotations.class_table import ClassTable, some
from tlkit_annotations.found import AnnotatedImage, Found, in_split_order
from tlkit_annotations.options import AnnotationOptions
from tlkit_annotations.samples import classes_of, label_of, why_no_mask

_WRITTEN_CLASSES = 100
"""Number of classes up to which the recipe lists them."""


def detected(
    found: Found, task: tlkit.Task | None, options: AnnotationOptions, written: Mapping[str, Any]
) -> tlkit.Detected:
    """Describe what a format found, and propose the keys of ``[data]``.

    Args:
        found: the annotations.
        task: what the user wants to learn; None: segmentation if there are shapes, otherwise classification.
        options: the options that the annotations were read with.
        written: the keys of ``[data]`` that the format itself needs, ``path`` first.
    """
    shapes = any(image.drawn for image in found.images)
    labelled = any(image.areas for image in found.images)
    tasks: tuple[tlkit.Task, ...] = ("segmentation", "classification") if shapes else ("classification",)
    chosen = task if task is not None else tasks[0]
    comments: dict[str, str] = {}
    keys: dict[str, Any] = dict(written)
    if chosen == "classification":
        several = _have_several(found, classes_of(found, chosen, options))
        options = options.model_copy(update={"labels": "multi" if several else "only"})
        if not several:
            options = options.model_copy(update={"unannotated": "leave_out"})
        keys["labels"] = options.labels
        comments["labels"] = 'or "largest", "only"' if several else "no image has several classes"
    elif shapes:
        keys["overlap"] = options.overlap
        others = [f'"{each}"' for each in ("smaller", "later", "earlier", "ignore") if each != options.overlap]
        comments["overlap"] = f"where shapes overlap; or {', '.join(others)}"
    if any(not image.annotated for image in found.images):
        others = [f'"{each}"' for each in ("background", "ignore", "leave_out") if each != options.unannotated]
        keys["unannotated"] = options.unannotated
        comments["unannotated"] = f"images without annotations; or {', '.join(others)}"
    table = classes_of(found, chosen, options)
    names = [name for name in table.classes if chosen == "classification" or name != options.background]
    if len(names) <= _WRITTEN_CLASSES:
        keys["classes"] = names
        comments["classes"] = "remove those that are not to be learnt"
    counts, splits, images = _counts(found, chosen, options, table)
    notes = [*found.notes, *table.notes, *_notes(found, options)]
    if labelled and chosen == "segmentation":
        notes.append("--task classification learns which classes an image has")
    return tlkit.Detected(
        title=f"{found.title}, {len(images)} images",
        task=chosen,
        options=keys,
        comments=comments,
        counts=counts,
        images=images,
        splits=splits,
        tasks=tasks,
        notes=tuple(notes),
    )


def _have_several(found: Found, table: ClassTable) -> bool:
    """Return whether an image has several of the classes."""
    numbers = ({table.number(name) for name in image.areas} - {None, tlkit.IGNORE} for image in found.images)
    return any(len(each) > 1 for each in numbers)


_UNANNOTATED = {
    "background": "they are taken to show none of the classes; if they are not annotated yet, set "
    'data.unannotated = "leave_out"',
    "ignore": 'their pixels are ignored (data.unannotated = "ignore")',
    "leave_out": 'they are left out; if they show none of the classes, set data.unannotated = "background"',
}


def _counts(
    found: Found, task: tlkit.Task, options: AnnotationOptions, table: ClassTable
) -> tuple[dict[str, dict[str, int]], dict[str, int], tuple[Path, ...]]:
    """Return split → class → number of images that have it, split → number of images, and the images."""
    counts: dict[str, dict[str, int]] = {}
    splits: dict[str, int] = {}
    images: list[Path] = []
    for image in found.images:
        numbers = _numbers(image, task, options, table)
        if numbers is None:
            continue
        images.append(image.file)
        split = image.split or ""
        splits[split] = splits.get(split, 0) + 1
        each = counts.setdefault(split, {})
        for number in sorted(numbers):
            each[table.classes[number]] = each.get(table.classes[number], 0) + 1
    order = in_split_order(splits)
    return {split: counts[split] for split in order}, {split: splits[split] for split in order}, tuple(images)


def _numbers(image: AnnotatedImage, task: tlkit.Task, options: AnnotationOptions, table: ClassTable) -> set[int] | None:
    """Return the class numbers that an image shows; None if a run would not use it."""
    if task == "classification":
        label = label_of(image, options, table)
        if isinstance(label, str):
            return None
        return set(label) if isinstance(label, tuple) else {label}
    if why_no_mask(image, options):
        return None
    numbers = {table.number(name) for name in image.drawn}
    return {number for number in numbers if number is not None and number != tlkit.IGNORE}


def _notes(found: Found, options: AnnotationOptions) -> list[str]:
    notes = []
    empty = sum(1 for image in found.images if not image.annotated)
    if empty:
        names = some([image.key for image in found.images if not image.annotated], 3)
        notes.append(f"images without annotations: {empty}, such as {names}; {_UNANNOTATED[options.unannotated]}")
    if found.set_aside:
        shown = "; ".join(f"{each.key}: {each.reason}" for each in found.set_aside[:3])
        rest = f"; and {len(found.set_aside) - 3} more" if len(found.set_aside) > 3 else ""
        notes.append(f"can't be used: {len(found.set_aside)}: {shown}{rest}")
    return notes


def root_of(path: Path) -> Path:
    """Return the folder of the data: ``path``, or the folder of the file that it is."""
    return path.parent if path.is_file() else path
