"""Make an HTML page of a check's findings, with pictures."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tlkit.data.checks.findings import KINDS, NEVER_USED, Finding, Report
from tlkit.data.checks.mask_previews import MaskPreviews
from tlkit.data.images.decode import fit_mask, preview
from tlkit.data.images.reading import Reading
from tlkit.errors import DataError
from tlkit.report.colors import GREY, background_class, hexadecimal, overlay, palette
from tlkit.report.html_page import embedded_jpeg, render_page

_SIDE = 132
"""Width and height of a picture on the page, in pixels."""
_MASK_SIDE = 200
"""Longer side of a picture with a mask, in pixels."""
_PICTURED = 24
"""Findings per kind that are shown with pictures."""
_LISTED = 200
"""Findings per kind that are named."""
_SIDE_BY_SIDE = 6
"""Copies and near-copies that are shown side by side."""
_LEVELS = {"error": "error", "skip": "set aside", "keep": "used"}
"""Level of a finding → what happens to its files; in the order of the page."""
_UNDECODABLE = ("unreadable", "empty", "not_image", "unsupported", "undecodable", "truncated", "huge")
"""Kinds whose files have no picture."""


def check_page(report: Report) -> str:
    """Return a report as an HTML page with embedded pictures.

    Args:
        report: the report of a check; the files that it names are read again for their pictures.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large images and odd metadata.
        masks = None if report.masks is None else _masks(report.masks)
        sections = [_section(kind, level, findings, report) for (kind, level), findings in _by_level(report)]
    page = render_page(
        "check.html.j2",
        report=report,
        sections=sections,
        numbers={
            "files found": report.found,
            "used": report.used,
            "set aside": len(report.set_aside),
            "left out": report.left_out,
            **{f"images: {split}": count for split, count in report.splits.items()},
        },
        classes=_classes(report),
        masks=masks,
    )
    return page.encode("utf-8", "replace").decode("utf-8")


def _by_level(report: Report) -> list[tuple[tuple[str, Any], list[Finding]]]:
    levels = list(_LEVELS)
    return sorted(report.by_kind().items(), key=lambda each: levels.index(each[0][1]))


def _section(kind: str, level: str, findings: list[Finding], report: Report) -> dict[str, Any]:
    """Return the values of a section of the template.

    Args:
        kind: the kind of the findings.
        level: their level.
        findings: the findings.
        report: the report, which has the files of the images.
    """
    title, advice = KINDS[kind]
    shown = [
        {
            "pictures": [
                {"key": key, "data": _thumbnail(report.files[key], report.reading)}
                for key in (each.key, *each.others)[:_SIDE_BY_SIDE]
                if key in report.files and kind not in _UNDECODABLE
            ],
            "detail": each.detail,
            "more": max(0, len(each.others) + 1 - _SIDE_BY_SIDE),
        }
        for each in findings[:_PICTURED]
    ]
    pictured = any(each["pictures"] for each in shown)
    return {
        "kind": kind,
        "title": title,
        "advice": advice,
        "level": level,
        "word": "not used" if kind in NEVER_USED and level != "error" else _LEVELS[level],
        "count": len(findings),
        "shown": shown if pictured else [],
        "rows": findings[len(shown) if pictured else 0 : _LISTED],
        "more": max(0, len(findings) - _LISTED),
    }


def _thumbnail(file: str, reading: Reading) -> str:
    """Return a small JPEG as base64; empty if the file can't be decoded."""
    try:
        image = preview(Path(file), (_SIDE, _SIDE), reading)
    except DataError:
        return ""
    return _jpeg(image)


def _masks(previews: MaskPreviews) -> dict[str, Any]:
    """Return the legend, and pictures of images without and with their masks."""
    count = len(previews.classes)
    colors = tuple(previews.colors.get(number, color) for number, color in enumerate(palette(count)))
    background = background_class(previews.classes)
    named = enumerate(zip(previews.classes, colors, strict=True))
    legend = [(name, hexadecimal(color)) for number, (name, color) in named if number != background]
    shown = []
    for each in previews.samples:
        try:
            size = _inside(each.size)
            image, _ = each.image.decode(each.image.read(), size, "stretch")
            mask = fit_mask(each.mask.decode(each.mask.read()), size, "stretch")
        except DataError:
            continue
        pictures = [_jpeg(image), _jpeg(overlay(image, mask, colors, background))]
        shown.append({"key": each.key, "split": each.split, "pictures": pictures, "width": size[1], "height": size[0]})
    return {"legend": [*legend, ("ignored", hexadecimal(GREY))], "shown": shown}


def _inside(size: tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) of a picture of an image of this size."""
    scale = _MASK_SIDE / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _jpeg(image: np.ndarray) -> str:
    """Return the content of a JPEG of an image, uint8 (H, W, 3), as base64."""
    return embedded_jpeg(Image.fromarray(image))


def _classes(report: Report) -> dict[str, Any]:
    """Return the columns and rows of the table of classes."""
    columns = [split for split in ("train", "validation", "test", "pixels") if _has_column(report, split)]
    rows = [
        (name, [_number(column, values.get(column, 0)) for column in columns])
        for name, values in report.classes.items()
    ]
    return {"columns": columns, "rows": rows}


def _number(column: str, value: float) -> str:
    return f"{value:.1%}" if column == "pixels" else f"{value:g}"


def _has_column(report: Report, column: str) -> bool:
    return any(column in values for values in report.classes.values())
