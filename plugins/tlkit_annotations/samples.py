"""From what a format found to the samples of a data set."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import tlkit
from tlkit_annotations.class_table import ClassTable, class_table
from tlkit_annotations.found import AnnotatedImage, Found
from tlkit_annotations.options import AnnotationOptions
from tlkit_annotations.places import size_of
from tlkit_annotations.shapes import Rules, drawing_text


def sample_set(found: Found, task: tlkit.Task, options: AnnotationOptions) -> tlkit.SampleSet:
    """Return the samples of annotated images: with a mask to draw, or with labels.

    Raises:
        DataError: no image can be used.
    """
    segmentation = task == "segmentation"
    table = classes_of(found, task, options)
    make = partial(_with_mask, rules=_rules(table, options)) if segmentation else partial(_with_label, table=table)
    samples, left_out = [], list(found.set_aside)
    for image in sorted(found.images, key=lambda each: each.key):
        made = make(image, options)
        if isinstance(made, tlkit.Sample):
            samples.append(made)
        else:
            left_out.append(tlkit.SetAside(image.key, made))
    if not samples:
        raise tlkit.DataError(f"{found.title}: {_why_none(found, segmentation)}")
    return tlkit.SampleSet(
        samples=tuple(samples),
        classes=table.classes,
        multi_label=not segmentation and options.labels == "multi",
        set_aside=tuple(left_out),
        root=found.root.resolve(),
        sources=found.sources,
        notes=(*found.notes, *table.notes),
        colors={number: found.colors[name] for name, number in table.numbers.items() if name in found.colors}
        if segmentation
        else {},
    )


def classes_of(found: Found, task: tlkit.Task, options: AnnotationOptions) -> ClassTable:
    """Return the classes of what was found, for a task."""
    segmentation = task == "segmentation"
    used = {name for image in found.images for name in (image.drawn if segmentation else image.areas)}
    if not segmentation and options.labels != "multi" and options.unannotated == "background":
        used |= {options.background} if any(not image.areas for image in found.images) else set()
    names = tuple(dict.fromkeys([*found.names, *(used & {options.background})]))
    return class_table(
        options,
        names,
        used,
        with_background=segmentation,
        background_names=found.background_names,
        ignored_names=found.ignored_names | (found.crowd_names if segmentation else found.background_names),
    )


def label_of(image: AnnotatedImage, options: AnnotationOptions, table: ClassTable) -> int | tuple[int, ...] | str:
    """Return the class number of an image, or all of them in a multi-label data set; or why it has none."""
    areas: dict[int, float] = {}
    for name, area in image.areas.items():
        number = table.number(name)
        if number is not None and number != tlkit.IGNORE:
            areas[number] = areas.get(number, 0.0) + area
    if not image.areas:
        if options.unannotated != "background":
            return f'no annotations (unannotated = "{options.unannotated}")'
        if options.labels == "multi":
            return ()
        number = table.number(options.background)
        return "no annotations" if number in (None, tlkit.IGNORE) else number
    if options.labels == "multi":
        return tuple(sorted(areas))
    if not areas:
        return "none of its classes is used"
    if options.labels == "only" and len(areas) > 1:
        return f'{len(areas)} classes (labels = "only")'
    return max(areas, key=lambda number: (areas[number], -number))


def _rules(table: ClassTable, options: AnnotationOptions) -> Rules:
    return Rules(
        overlap=options.overlap,
        background=table.background,
        number=table.number,
        crowd=getattr(options, "crowd", "ignore"),
    )


def why_no_mask(image: AnnotatedImage, options: AnnotationOptions) -> str:
    """Return why an image has no mask; empty if it has one."""
    if image.undrawn and not image.drawn:
        return f"none of its annotations has a shape that can be drawn: {image.undrawn}"
    if not image.annotated and options.unannotated == "leave_out":
        return 'no annotations (unannotated = "leave_out")'
    return ""


def _with_mask(image: AnnotatedImage, options: AnnotationOptions, *, rules: Rules) -> tlkit.Sample | str:
    if why_not := why_no_mask(image, options):
        return why_not
    if not image.annotated and options.unannotated == "ignore":
        rules = replace(rules, background=tlkit.IGNORE)
    mask = tlkit.DrawnMask(
        image.source,
        partial(_read, image, rules),
        tlkit.lazy("tlkit_annotations.drawing:draw"),
    )
    return tlkit.Sample(image.key, image.file, mask=mask, split=image.split, group=image.group)


def _with_label(image: AnnotatedImage, options: AnnotationOptions, *, table: ClassTable) -> tlkit.Sample | str:
    label = label_of(image, options, table)
    if isinstance(label, str):
        return label
    return tlkit.Sample(image.key, image.file, label=label, split=image.split, group=image.group)


def _read(image: AnnotatedImage, rules: Rules) -> bytes:
    try:
        return drawing_text(image.size or size_of(image.file), image.load(), rules)
    except tlkit.DataError as error:
        text = str(error)
        raise tlkit.DataError(text if text.startswith(str(image.source)) else f"{image.source}: {text}") from error


def _why_none(found: Found, segmentation: bool) -> str:
    if not found.images:
        reasons = "".join(f"\n  {each.key}: {each.reason}" for each in found.set_aside[:10])
        return f"none of the annotated images was found below {found.root}; name their folder with data.images{reasons}"
    if segmentation and not any(image.drawn for image in found.images):
        return (
            "the annotations have no shapes that can be drawn, such as polygons or masks; boxes can be learnt with "
            'task = "classification"'
        )
    return "no image is left: see data.classes, data.ignore, data.labels and data.unannotated"
