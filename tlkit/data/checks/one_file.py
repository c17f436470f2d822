"""The facts of one file, from its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tlkit.contracts import MaskTable
from tlkit.data.checks.facts import FACTS, Facts
from tlkit.data.checks.picture_hash import PictureHashes
from tlkit.data.images.decode import fit_picture, is_scaled
from tlkit.data.images.image_file import BadImageError
from tlkit.data.images.mask_decode import classes_of
from tlkit.data.images.mask_file import read_mask, reading_key
from tlkit.data.images.picture import Picture, scales
from tlkit.data.images.reading import Reading
from tlkit.data.store.decoding import Decoded, Decoding

_SCALED = 64
"""Pixels per side that a JPEG has at least when it is scaled while decoding; all of its bytes are still read."""
_HASHED_SIDE = 32


@dataclass(frozen=True)
class FactsReading:
    """How images and masks are read.

    Args:
        files: how files are read.
        table: how the pixels of masks name classes; None if there are no masks.
    """

    files: Reading
    table: MaskTable | None

    def cache_key(self, is_mask: bool) -> str:
        """Return a key for what the facts of a file depend on besides its bytes."""
        text = f"{FACTS} {self.files.max_pixels} {self.files.layout}".rstrip()
        if is_mask and self.table is not None:
            text += f" {sorted(self.table.values.items(), key=str)} {self.table.default}{reading_key(self.table)}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def facts_of(
    path: Path,
    data: bytes,
    digest: str,
    is_mask: bool,
    reading: FactsReading,
    hashes: PictureHashes,
    decoding: Decoding | None,
) -> tuple[Facts, Decoded | None]:
    """Return the facts of a file, and the image at the model's size where all of it was decoded for them anyway.

    The perceptual hash is not in them yet: the image is added to ``hashes`` by its digest.
    """
    try:
        with Picture(path, data, reading.files) as picture:
            facts: dict[str, Any] = {
                "digest": digest,
                "format": picture.format,
                "mode": picture.mode,
                "width": picture.size[1],
                "height": picture.size[0],
                "animated": picture.animated,
                "orientation": picture.orientation,
            }
            if not is_mask:
                if picture.deep:
                    return _deep_facts(picture, facts, hashes), None
                if not scales(picture, (_SCALED, _SCALED)):
                    return _whole(picture, facts, hashes, decoding)
                # A JPEG is decoded small, and only its brightness unless bands of it are chosen.
                grayed = picture.draft(None if reading.files.bands else "L", (_SCALED, _SCALED))
                shown = picture.rgb(gray=True)
                if not (grayed and _is_constant(shown)):
                    return _with_hash(facts, shown, hashes), None
        if not is_mask:
            # Pixels of the same brightness may differ in colour.
            with Picture(path, data, reading.files) as reopened:
                reopened.draft("RGB", (_SCALED, _SCALED))
                shown = reopened.rgb(gray=True)
                return _with_hash(facts, shown, hashes), None
        assert reading.table is not None
        raw = read_mask(path, data, reading.files)
        classes, between = classes_of(path, raw, reading.table)
        counts = np.bincount(classes.reshape(-1))
        more = Facts(
            **facts,
            classes={str(number): int(counts[number]) for number in np.flatnonzero(counts)},
            between=between,
            palette={str(index): color for index, color in raw.used_palette().items()},
        )
        return more, None
    except BadImageError as error:
        return problem_of(path, error, digest), None


def _whole(
    picture: Picture, facts: Mapping[str, Any], hashes: PictureHashes, decoding: Decoding | None
) -> tuple[Facts, Decoded | None]:
    """Decode all pixels of an image, once for its facts and for the model."""
    known = _with_hash(facts, picture.rgb(gray=True), hashes)
    if decoding is None or is_scaled(picture, decoding.size, decoding.resize):
        return known, None
    return known, Decoded(fit_picture(picture, decoding.size, decoding.resize)[0], None, known.digest, picture.size)


def problem_of(path: Path, error: BadImageError, digest: str = "") -> Facts:
    return Facts(digest=digest, problem=error.kind, reason=str(error).removeprefix(f"{path}: "))


def _is_constant(shown: Image.Image) -> bool:
    extrema = shown.getextrema()
    if len(shown.getbands()) == 1:
        return bool(extrema[0] == extrema[1])
    return all(lowest == highest for lowest, highest in extrema)  # type: ignore[misc]


def _deep_facts(picture: Picture, facts: Mapping[str, Any], hashes: PictureHashes) -> Facts:
    bands = picture.bands()
    nan = bands.values.dtype.kind == "f" and not np.isfinite(bands.values).all()
    # Stretched, whatever input.value_range is: a narrow range would leave nothing to compare.
    shown = bands.stretched()
    more = {**facts, "nan": nan, "values": bands.used_range() if bands.deep else ()}
    return _with_hash(more, Image.fromarray(shown if shown.shape[2] == 3 else shown[..., 0]), hashes)


def _with_hash(facts: Mapping[str, Any], shown: Image.Image, hashes: PictureHashes) -> Facts:
    """Return facts, and have an image hashed that is large enough and has something to see.

    Args:
        facts: the facts besides.
        shown: its pixels, 8-bit RGB or grey.
        hashes: the images to hash.
    """
    gray = shown.convert("L")
    # Pixels that differ in brightness are not all the same, which is quicker to see in one band.
    constant = _is_constant(gray) and _is_constant(shown)
    if not (facts.get("nan") or constant or min(facts["width"], facts["height"]) < _HASHED_SIDE):
        hashes.add(facts["digest"], gray)
    return Facts(**facts, constant=constant)
