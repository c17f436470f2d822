"""Describe a survey of a folder in words."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from tlkit.contracts import Detected
from tlkit.data.images.mask_classes import value_text
from tlkit.data.init.contents import MaskSurvey, Survey
from tlkit.data.init.few_images import few_images
from tlkit.data.init.sample_files import Headers
from tlkit.system.text import and_more, counted
from tlkit.system.visible import visible_line

_SHOWN_CLASSES = 40
_SHOWN_VALUES = 12


def describe(survey: Survey) -> list[str]:
    """Return what a survey found, as lines of text."""
    if survey.layout == "classes":
        lines = [*_class_lines(survey)]
    elif survey.masks is not None:
        lines = [*_mask_lines(survey, survey.masks)]
    elif survey.detected is not None:
        lines = [*_detected_lines(survey, survey.detected)]
    else:
        lines = [f"{survey.root}: the Oxford-IIIT Pet data set, {survey.total} images with trimaps"]
    few = few_images(survey)
    notes = (f"  note: {note}" for note in (*survey.notes, *([few] if few else ())))
    return [visible_line(line) for line in (*lines, *_header_lines(survey.headers), *notes)]


def _class_lines(survey: Survey) -> Iterator[str]:
    yield f"{survey.root}: {counted(survey.total, 'image')} in {counted(len(survey.classes), 'class folder')}"
    for split, counts in survey.counts.items():
        least, greatest = min(counts.values()), max(counts.values())
        per_class = f"{least}" if least == greatest else f"{least} to {greatest}"
        yield f"  {split or 'all'}: {counted(sum(counts.values()), 'image')}, {per_class} per class"
    for name in survey.classes[:_SHOWN_CLASSES]:
        shown = ", ".join(f"{counts.get(name, 0)} {split}".strip() for split, counts in survey.counts.items())
        yield f"    {name}: {shown}"
    yield from _rest(len(survey.classes), _SHOWN_CLASSES)


def _detected_lines(survey: Survey, detected: Detected) -> Iterator[str]:
    yield f"{survey.root}: {detected.title}"
    for split, count in survey.splits.items():
        yield f"  {split or 'all'}: {counted(count, 'image')}"
    for name in survey.classes[:_SHOWN_CLASSES]:
        shown = ", ".join(f"{counts.get(name, 0)} {split}".strip() for split, counts in survey.counts.items())
        yield f"    {name}: {shown}"
    yield from _rest(len(survey.classes), _SHOWN_CLASSES)


def _mask_lines(survey: Survey, masks: MaskSurvey) -> Iterator[str]:
    values, where = masks.values, masks.options
    yield f"{survey.root}: {counted(survey.total, 'image')} in {where['images']}, masks in {where['masks']}"
    for key, value in where.items():
        if key not in ("images", "masks"):
            yield f"  {key}: {value}"
    for split, counts in survey.counts.items():
        if split:
            yield f"  {split}: {counted(counts[''], 'image')}"
    if masks.names_file is not None:
        yield f"  class names: {masks.names_file}"
    shares = {**values.classes, **values.ignored}
    order = sorted(shares.items(), key=lambda each: not each[1])
    for value, share in order[:_SHOWN_VALUES]:
        what = "colour" if isinstance(value, tuple) else "value"
        text = value_text(value)
        text += f" ({masks.names[text]})" if text in masks.names else ""
        ignored = ", ignored" if value in values.ignored else ""
        yield f"    mask {what} {text}: {percent(share)} of the pixels{ignored}"
    yield from _rest(len(shares), _SHOWN_VALUES)
    if others := values.others:
        what = "1 other value" if len(others) == 1 else f"{len(others)} other values"
        yield f"    {what}: {percent(sum(others.values()))} of the pixels"


def _rest(total: int, shown: int) -> Iterator[str]:
    if total > shown:
        yield f"   {and_more(total, shown)}"


def _header_lines(headers: Headers) -> Iterator[str]:
    if headers.sizes:
        widths, heights = [w for w, _ in headers.sizes], [h for _, h in headers.sizes]
        if len(set(headers.sizes)) == 1:
            yield f"  size: {widths[0]} x {heights[0]} pixels (width x height)"
        else:
            yield (
                f"  sizes: {min(widths)} x {min(heights)} to {max(widths)} x {max(heights)} pixels, "
                f"median {median(widths):.0f} x {median(heights):.0f} (width x height)"
            )
        if headers.formats:
            opened = len(headers.sizes) + headers.unreadable
            of = f" (of {opened} files opened of {headers.total})" if headers.total > opened else ""
            yield "  formats: " + ", ".join(f"{name} {count}" for name, count in headers.formats.items()) + of
    if headers.unreadable:
        what = f"{headers.unreadable} of {headers.opened} files that were opened"
        yield f"  note: not images: {what}; a run sets them aside"
    for problem, count in headers.problems.items():
        yield f"  note: {count} of {headers.opened} files that were opened can't be read: {problem}"


def percent(share: float) -> str:
    """Return a share of pixels in percent, such as ``12.3%``."""
    return f"{share:.1%}" if share >= 0.001 else "under 0.1%" if share else "none"
