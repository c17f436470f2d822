"""The image formats that tlkit reads: their names, first bytes and suffixes. To add a format, add a row here."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class ImageFormat:
    """A format that is decoded.

    Args:
        name: its name in messages.
        pillow_names: Pillow's names of the format and of its variants.
        suffixes: suffixes of its files, in lower case; the first is the one to suggest.
        first_bytes: a regular expression for the start of its files; None if that is too short to recognise it.
        feature: the name by which ``PIL.features`` knows its decoder, where a build of Pillow may lack it.
    """

    name: str
    pillow_names: tuple[str, ...]
    suffixes: tuple[str, ...]
    first_bytes: bytes | None
    feature: str = ""


FORMATS = (
    ImageFormat(
        "JPEG", ("JPEG", "MPO"), (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".pjpeg", ".pjp", ".mpo"), rb"\xff\xd8\xff"
    ),
    ImageFormat("PNG", ("PNG",), (".png", ".apng"), rb"\x89PNG\r\n\x1a\n"),
    ImageFormat("BMP", ("BMP", "DIB"), (".bmp", ".dib"), None),
    ImageFormat("GIF", ("GIF",), (".gif",), rb"GIF8"),
    ImageFormat("WebP", ("WEBP",), (".webp",), rb"RIFF.{4}WEBP"),
    ImageFormat("TIFF", ("TIFF",), (".tif", ".tiff", ".btf"), rb"II[*+]\0|MM\0[*+]"),
    ImageFormat("PPM", ("PPM",), (".ppm", ".pgm", ".pbm", ".pnm"), rb"P[1-6]\s"),
    ImageFormat(
        "JPEG 2000",
        ("JPEG2000",),
        (".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".jpc"),
        rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n",
        "jpg_2000",
    ),
    ImageFormat("AVIF", ("AVIF",), (".avif",), rb".{4}ftypavi[fs]", "avif"),
    ImageFormat("HEIC", ("HEIF",), (".heic", ".heif", ".hif"), rb".{4}ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)"),
)

PILLOW_NAMES = frozenset(name for each in FORMATS for name in each.pillow_names)
"""Pillow's names of the formats that are decoded."""

FORMAT_OF_SUFFIX = {suffix: each for each in FORMATS for suffix in each.suffixes}
"""Suffix, in lower case → the format that it promises."""

HEIF_HELP = 'is a HEIC image, which takes the package pillow-heif: pip install "tlkit[heif]"'


@dataclass(frozen=True)
class OtherFormat:
    """A format of images that is recognised, but not decoded.

    Args:
        name: its name in messages.
        suffixes: suffixes of its files, in lower case.
        first_bytes: a regular expression for the start of its files; None if that is not sure enough.
        advice: what to do about such files.
    """

    name: str
    suffixes: tuple[str, ...]
    first_bytes: bytes | None
    advice: str = "convert it to PNG"

    @property
    def sentence(self) -> str:
        """What a file of this format is, and what to do."""
        return f"is {self.name}, which tlkit does not read; {self.advice}"


OTHER_FORMATS = (
    OtherFormat("a JPEG XL image", (".jxl",), rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n"),
    OtherFormat("a JPEG XR image", (".jxr", ".wdp", ".hdp"), rb"II\xbc"),
    OtherFormat(
        "a drawing (SVG)",
        (".svg", ".svgz"),
        rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml|<!--|<!DOCTYPE svg)?.{0,400}<svg[\s>]",
    ),
    OtherFormat("a Photoshop file", (".psd", ".psb"), rb"8BPS", "export it as PNG"),
    OtherFormat("a DICOM image", (".dcm", ".dicom", ".ima"), rb".{128}DICM", "convert it to 16-bit PNG or TIFF"),
    OtherFormat("a NIfTI volume", (".nii",), rb".{344}n[i+]1\x00", "save its slices as TIFF or 16-bit PNG"),
    OtherFormat(
        "a raw photo of a camera",
        (".cr2", ".cr3", ".nef", ".nrw", ".arw", ".dng", ".orf", ".rw2", ".raf", ".pef", ".srw"),
        rb"II\*\0.{4}CR|.{4}ftypcrx |FUJIFILMCCD-RAW|IIR[OS]|IIU\0",
        "develop it to JPEG or TIFF",
    ),
    OtherFormat("an OpenEXR image", (".exr",), rb"v/1\x01", "convert it to a floating-point TIFF"),
    OtherFormat("a Radiance HDR image", (".hdr",), rb"#\?(?:RADIANCE|RGBE)", "convert it to a floating-point TIFF"),
    OtherFormat("a FITS image", (".fits", ".fit", ".fts"), rb"SIMPLE  =", "convert it to a floating-point TIFF"),
    OtherFormat("a PDF document", (".pdf",), rb"%PDF-", "save its pages as PNG"),
    OtherFormat("a Targa image", (".tga",), None),
    OtherFormat("an icon", (".ico", ".icns"), rb"\0\0\x01\0[\x01-\x20]\0|icns"),
    OtherFormat("a video", (".mp4", ".mov", ".avi", ".mkv", ".webm"), rb".{4}ftyp(?:isom|mp4|qt  )", "save its frames"),
)

OTHER_OF_SUFFIX = {suffix: each for each in OTHER_FORMATS for suffix in each.suffixes}
"""Suffix, in lower case → the format that it promises, of those that are not decoded."""


def format_of(content: bytes) -> ImageFormat | None:
    """Return the format that a file's first bytes promise; None if they promise none that is decoded."""
    return next((each for each in FORMATS if each.first_bytes and re.match(each.first_bytes, content, re.DOTALL)), None)


def other_format(content: bytes) -> OtherFormat | None:
    """Return the format that a file's first bytes promise, of those that are recognised but not decoded; or None."""
    start = content[:512]
    return next(
        (each for each in OTHER_FORMATS if each.first_bytes and re.match(each.first_bytes, start, re.DOTALL)), None
    )


def format_names(last: str = ", ") -> str:
    """Return the names of all formats, separated by commas; ``last`` stands before the last of them."""
    *names, final = (each.name for each in FORMATS)
    return ", ".join(names) + last + final
