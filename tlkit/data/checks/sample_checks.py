"""What the facts of an image and its mask say about a sample."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tlkit.contracts import IGNORE, Sample
from tlkit.data.checks.file_facts import Facts

_FORMATS = {
    ".jpg": ("JPEG", "MPO"),
    ".jpeg": ("JPEG", "MPO"),
    ".jpe": ("JPEG", "MPO"),
    ".png": ("PNG",),
    ".bmp": ("BMP", "DIB"),
    ".gif": ("GIF",),
    ".webp": ("WEBP",),
    ".tif": ("TIFF",),
    ".tiff": ("TIFF",),
}
_PLAIN = ("RGB", "L", "1")


def sample_findings(
    sample: Sample, image: Facts, mask: Facts | None, classes: tuple[str, ...], tiny_side: int
) -> Iterator[tuple[str, str, str]]:
    """Kind and detail of each finding, and why the sample can't be used, if it can't; then there is no other.

    Args:
        sample: whose image, and mask if it has one, are files.
        image: facts of its image.
        mask: facts of its mask.
        classes: class names.
        tiny_side: pixels.
    """
    if image.problem:
        yield image.problem, image.reason, f"{sample.image}: {image.reason}"
        return
    if mask is not None and mask.problem:
        reason = f"{sample.mask}: {mask.reason}"
        yield mask.problem, reason, reason
        return
    if mask is not None and (mask.width, mask.height) != (image.width, image.height):
        detail = f"{mask.width} x {mask.height} pixels, its image {image.width} x {image.height}"
        yield "mask_size", detail, f"{sample.mask}: the mask is {detail}"
        return
    if image.nan:
        yield "nan", "has values that are NaN or infinite", ""
    if image.constant and image.width * image.height > 1:
        yield "constant", f"all {image.width * image.height} pixels are the same", ""
    if min(image.width, image.height) < tiny_side:
        yield "tiny", f"{image.width} x {image.height} pixels", ""
    if not image.nan and image.mode not in _PLAIN and image.format != "GIF":
        yield "odd_mode", f"{image.format} of mode {image.mode}", ""
    yield from _format_findings(sample.image, image, "")
    if mask is not None:
        yield from _format_findings(sample.mask, mask, f"its mask {sample.mask} ")
    if mask is not None and mask.classes:
        shown = [number for number in mask.classes if number != str(IGNORE)]
        if len(shown) < 2:
            what = f"every pixel is {classes[int(shown[0])]}" if shown else "every pixel is ignored"
            yield "mask_empty", what, ""


def _format_findings(file: Path | int | None, facts: Facts, which: str) -> Iterator[tuple[str, str, str]]:
    if facts.animated:
        yield "animated", f"{which}has several frames: {facts.format}" if which else facts.format, ""
    suffix = file.suffix.lower() if isinstance(file, Path) else ""
    if facts.format not in _FORMATS.get(suffix, (facts.format,)):
        yield "lying_extension", f"{which}is {facts.format}, not {suffix}", ""
