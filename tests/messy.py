"""Folders of files as people really have them: damaged, odd, misnamed, and good ones in between."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

Content = Callable[[int], bytes]
"""Makes the bytes of a file from a number; different numbers make different pictures."""


def picture(number: int, size: tuple[int, int] = (64, 48), mode: str = "RGB") -> Image.Image:
    """Return a picture for a number, with large shapes and fine detail like a photograph."""
    random = np.random.default_rng(number)
    layers = [
        np.asarray(Image.fromarray(blobs).resize(size, Image.Resampling.BICUBIC), np.float64) * 4 / cells
        for cells in (4, 8, 16, 32)
        for blobs in [random.integers(0, 256, (cells, cells, 3)).astype(np.uint8)]
    ]
    total = np.sum(layers, axis=0)
    return Image.fromarray((total * 255 / total.max()).astype(np.uint8)).convert(mode)


def saved(kind: str, mode: str = "RGB", size: tuple[int, int] = (64, 48), **options: object) -> Content:
    """Return a maker of pictures in a format and mode."""

    def content(number: int) -> bytes:
        stream = io.BytesIO()
        picture(number, size, mode).save(stream, kind, **options)
        return stream.getvalue()

    return content


def of_array(kind: str, make: Callable[[np.ndarray], np.ndarray]) -> Content:
    """Return a maker of images from an array that ``make`` computes from a grey picture, float64 (48, 64) in 0-255."""

    def content(number: int) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(make(np.asarray(picture(number, mode="L"), np.float64))).save(stream, kind)
        return stream.getvalue()

    return content


def animation(kind: str) -> Content:
    """Return a maker of animations of three frames."""

    def content(number: int) -> bytes:
        stream = io.BytesIO()
        frames = [picture(1000 * number + frame) for frame in range(3)]
        frames[0].save(stream, kind, save_all=True, append_images=frames[1:])
        return stream.getvalue()

    return content


def cut(content: Content, share: float) -> Content:
    """Return a maker of files that are cut off after a fraction of their bytes."""
    return lambda number: content(number)[: int(share * len(content(number)))]


def fixed(data: bytes) -> Content:
    """Return a maker of files that all have the same bytes."""
    return lambda _: data


def turned(number: int) -> bytes:
    """Return a JPEG with an EXIF orientation of 90 degrees."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved("JPEG", exif=exif)(number)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int) -> bytes:
    """Return a small PNG file whose header claims this size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"\0" * 100)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def bad_header_checksum(number: int) -> bytes:
    """Return a PNG with a wrong CRC of its header."""
    data = bytearray(saved("PNG")(number))
    data[29] ^= 0xFF
    return bytes(data)


def broken_stream(number: int) -> bytes:
    """Return a PNG with damaged compressed pixels."""
    data = bytearray(saved("PNG")(number))
    middle = len(data) // 2
    data[middle : middle + 40] = bytes(40)
    return bytes(data)


def with_nan(gray: np.ndarray) -> np.ndarray:
    """Return the values as floating point with a NaN."""
    values = gray.astype(np.float32)
    values[3, 5] = np.nan
    return values


JPEG, PNG = saved("JPEG", quality=90), saved("PNG")
HEIC = "undecodable" if find_spec("pillow_heif") else "unsupported"
"""The kind of a damaged HEIC image, which without the package nobody can tell from an intact one."""
USED = ""
"""Files that are used without a finding."""

FILES: dict[str, tuple[Content, str]] = {
    # Files that just work.
    "plain.jpg": (JPEG, USED),
    "plain.png": (PNG, USED),
    "progressive.jpg": (saved("JPEG", progressive=True), USED),
    "gray.jpg": (saved("JPEG", "L"), USED),
    "one bit.png": (saved("PNG", "1"), USED),
    "bitmap.bmp": (saved("BMP"), USED),
    "web.webp": (saved("WEBP"), USED),
    "pages.tif": (saved("TIFF"), USED),
    "still.gif": (saved("GIF", "P"), USED),
    "turned.jpg": (turned, USED),
    "UPPER.JPG": (JPEG, USED),
    "mixed.JpEg": (JPEG, USED),
    "with spaces and (brackets).jpg": (JPEG, USED),
    "Füße-猫-🐈.jpg": (JPEG, USED),
    "two.dots.png": (PNG, USED),
    # Files that work, with a finding.
    "palette.png": (saved("PNG", "P"), "odd_mode"),
    "gray with alpha.png": (saved("PNG", "LA"), "odd_mode"),
    "alpha.png": (saved("PNG", "RGBA"), "odd_mode"),
    "32 bits.bmp": (saved("BMP", "RGBA"), USED),
    "print.jpg": (saved("JPEG", "CMYK"), "odd_mode"),
    "deep.png": (of_array("PNG", lambda gray: (gray * 257).astype(np.uint16)), "odd_mode"),
    "deep.tif": (of_array("TIFF", lambda gray: (gray * 257).astype(np.uint16)), "odd_mode"),
    "float.tif": (of_array("TIFF", lambda gray: gray.astype(np.float32)), "odd_mode"),
    "moving.gif": (animation("GIF"), "animated"),
    "moving.webp": (animation("WEBP"), "animated"),
    "several.tif": (animation("TIFF"), "animated"),
    "lies.jpg": (PNG, "wrong_extension"),
    "lies.png": (JPEG, "wrong_extension"),
    "dot.png": (saved("PNG", size=(1, 1)), "tiny"),
    "line.png": (saved("PNG", size=(3000, 1)), "tiny"),
    "one colour.png": (lambda _: png_of_colour(), "constant"),
    # Files that can't be used.
    "empty.jpg": (fixed(b""), "empty"),
    "text.jpg": (fixed(b"this is not an image\n" * 9), "not_image"),
    "page.jpg": (fixed(b"<!doctype html><html><body>404 Not Found</body></html>"), "not_image"),
    "zeros.png": (fixed(bytes(4096)), "not_image"),
    "cut header.png": (lambda number: PNG(number)[:10], "undecodable"),
    "photo of a phone.jpg": (fixed(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)), HEIC),
    "drawing.png": (
        fixed(b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="4" height="4"/></svg>'),
        "unsupported",
    ),
    "cut.jpg": (cut(JPEG, 0.5), "truncated"),
    "cut.png": (cut(PNG, 0.5), "truncated"),
    "cut.webp": (cut(saved("WEBP"), 0.5), "undecodable"),
    "bad checksum.png": (bad_header_checksum, "undecodable"),
    "broken.png": (broken_stream, "undecodable"),
    "huge.png": (fixed(png_of(60_000, 60_000)), "huge"),
    "large.png": (fixed(png_of(20_000, 20_000)), "huge"),
    "not finite.tif": (of_array("TIFF", with_nan), "nan"),
    # Files that are not images by their name.
    "no extension": (JPEG, "unused"),
    "photo.heic": (fixed(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)), HEIC),
    "drawing.svg": (fixed(b'<svg xmlns="http://www.w3.org/2000/svg"/>'), "unused"),
    "notes.txt": (fixed(b"notes"), "unused"),
    "._plain.jpg": (fixed(b"\0\5\x16\7\0\2\0\0Mac OS X" + bytes(60)), "junk"),
    "Thumbs.db": (fixed(b"\xd0\xcf\x11\xe0" + bytes(60)), "junk"),
    ".hidden.png": (PNG, "junk"),
}
"""Name → content, and the kind of finding for the file."""


def png_of_colour() -> bytes:
    """Return a picture of one colour."""
    stream = io.BytesIO()
    Image.new("RGB", (40, 40), (9, 99, 199)).save(stream, "PNG")
    return stream.getvalue()


def messy_folder(root: Path) -> Path:
    """Write class folders ``good`` and ``messy``; the second has all of ``FILES``, links and odd entries."""
    write_pictures(root / "good", 16, first=5000)
    (root / "messy").mkdir()
    for number, (name, (content, _)) in enumerate(FILES.items()):
        (root / "messy" / name).write_bytes(content(number))
    (root / "messy" / "nowhere.jpg").symlink_to(root / "gone.jpg")
    os.mkfifo(root / "messy" / "pipe.jpg")
    (root / "messy" / "folder.jpg").mkdir()
    (root / "messy" / "again").symlink_to(root)
    return root


def write_pictures(folder: Path, count: int, first: int = 0) -> None:
    """Write different pictures, ``000.jpg`` and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number:03d}.jpg").write_bytes(JPEG(first + number))


def files_below(root: Path) -> int:
    """Count the files, links and other entries that are not folders, independently of tlkit."""
    return sum(
        not (Path(folder) / name).is_dir() for folder, names, files in os.walk(root) for name in (*names, *files)
    )
