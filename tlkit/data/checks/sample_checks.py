"""Judge each sample by the facts of its image and its mask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tlkit.contracts import IGNORE, Sample, SampleSet
from tlkit.data.checks.facts import Facts
from tlkit.data.checks.findings import encodable
from tlkit.data.checks.policy import Observation
from tlkit.data.checks.sample_facts import SampleFacts
from tlkit.data.images.image_file import SWAPPED
from tlkit.data.images.source import file_of, mask_origin
from tlkit.data.splits.labels import label_text
from tlkit.files import find_companions
from tlkit.files.image_formats import FORMAT_OF_SUFFIX

BAD_NAME = "the name is not in UTF-8"

_PLAIN = ("RGB", "L", "1")


def is_encodable(sample: Sample, classes: Sequence[str]) -> bool:
    """Return whether UTF-8 can encode the sample's key and the names of its classes, as a run's tables need."""
    text = sample.key + label_text(sample, classes)
    return encodable(text) == text


def mask_observations(sample_set: SampleSet) -> Iterator[Observation]:
    """Yield the images that look like masks of other images of the data set.

    A word such as "label" may as well be part of a photograph's name: a few are not enough.
    """
    found = [each for each in find_companions(sample.key for sample in sample_set.samples) if each.mask]
    if len(found) < max(2, len(sample_set.samples) / 20):
        return
    for each in found:
        detail = f'looks like the mask of {each.of}; data.exclude = ["{each.pattern}"] leaves it out'
        yield Observation("mask_beside", each.key, detail, affected=(each.key,))


def sample_observations(
    sample_set: SampleSet, facts: SampleFacts, tiny_side: int, *, reads_exif: bool = True
) -> Iterator[Observation]:
    """Yield what is wrong with each sample; if it can't be used at all, only why.

    Args:
        sample_set: the sample set.
        facts: the facts of its images and masks.
        tiny_side: side in pixels below which an image is tiny.
        reads_exif: whether images are turned as their EXIF orientation says.
    """
    for sample in sample_set.samples:
        image, mask = facts.images[sample.key], facts.masks.get(sample.key)
        unusable = _unusable(sample, image, mask, sample_set.classes)
        if unusable is not None:
            kind, detail, reason = unusable
            yield Observation(kind, sample.key, detail, affected=(sample.key,), reason=reason)
            continue
        for kind, detail in _oddities(sample, image, mask, sample_set.classes, tiny_side, reads_exif):
            yield Observation(kind, sample.key, detail, affected=(sample.key,))


def _unusable(
    sample: Sample, image: Facts, mask: Facts | None, classes: tuple[str, ...]
) -> tuple[str, str, str] | None:
    """Return kind, detail and reason if the sample can't be used; None if it can."""
    if not is_encodable(sample, classes):
        return "bad_name", BAD_NAME, BAD_NAME
    if image.problem:
        return image.problem, image.reason, f"{sample.image}: {image.reason}"
    if mask is not None and mask.problem:
        reason = f"{mask_origin(sample)}: {mask.reason}"
        return mask.problem, reason, reason
    if mask is not None and (mask.width, mask.height) != (image.width, image.height):
        detail = f"{mask.width} x {mask.height} pixels, its image {image.width} x {image.height}"
        turned = image.orientation in SWAPPED and mask.orientation == 1
        if turned and (mask.width, mask.height) == (image.height, image.width):
            # Without EXIF the same pixels have the mask's size, in whichever of the two ways images are read.
            detail += (
                f" when its EXIF orientation {image.orientation} has turned it: the mask was drawn on the stored "
                'pixels; set input.orientation = "stored"'
            )
        return "mask_size", detail, f"{mask_origin(sample)}: the mask is {detail}"
    return None


def _oddities(
    sample: Sample, image: Facts, mask: Facts | None, classes: tuple[str, ...], tiny_side: int, reads_exif: bool
) -> Iterator[tuple[str, str]]:
    """Yield kind and detail of what is odd about a sample that can be used."""
    if image.nan:
        yield "nan", "has values that are NaN or infinite"
    if image.constant and image.width * image.height > 1:
        yield "constant", f"all {image.width * image.height} pixels are the same"
    if min(image.width, image.height) < tiny_side:
        yield "tiny", f"{image.width} x {image.height} pixels"
    if not image.nan and image.mode not in _PLAIN and image.format != "GIF":
        yield "odd_mode", f"{image.format} of mode {image.mode}"
    yield from _format_oddities(file_of(sample.image), image, "")
    if mask is None:
        return
    if file_of(sample.mask) is None:
        yield from _one_class(mask, classes)
        return
    yield from _format_oddities(file_of(sample.mask), mask, f"its mask {sample.mask} ")
    ambiguous = image.width == image.height or image.orientation not in SWAPPED
    if image.orientation != 1 and mask.orientation == 1 and reads_exif and ambiguous:
        yield "orientation", f"EXIF orientation {image.orientation}; its mask has none, and fits either way"
    if mask.between:
        share = mask.between / (mask.width * mask.height)
        yield "mask_between", f"{share:.1%} of the pixels count as the nearest class"
    yield from _one_class(mask, classes)


def _one_class(mask: Facts, classes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if mask.classes:
        shown = [number for number in mask.classes if number != str(IGNORE)]
        if len(shown) < 2:
            yield "mask_empty", f"every pixel is {classes[int(shown[0])]}" if shown else "every pixel is ignored"


def _format_oddities(file: Path | None, facts: Facts, subject: str) -> Iterator[tuple[str, str]]:
    if facts.animated:
        yield "animated", f"{subject}has several frames: {facts.format}" if subject else facts.format
    suffix = "" if file is None else file.suffix.lower()
    promised = FORMAT_OF_SUFFIX.get(suffix)
    if promised is not None and facts.format not in promised.pillow_names:
        yield "wrong_extension", f"{subject}is {facts.format}, not {suffix}"
