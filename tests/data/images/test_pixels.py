"""Pixels of every kind of file, compared with arithmetic on the arrays that tifffile, imagecodecs or NumPy wrote."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from tlkit.data.images import image_file
from tlkit.data.images.bands import turned, turned_back
from tlkit.data.images.decode import decode_image, decode_to_size, preview
from tlkit.data.images.image_file import BadImageError
from tlkit.data.images.picture import Picture
from tlkit.data.images.reading import Reading
from tlkit.files.image_formats import FORMATS, OTHER_FORMATS, format_of, other_format

RANDOM = np.random.default_rng(0)
GRAY16 = RANDOM.integers(0, 65536, (20, 24), dtype=np.uint16)
RGB16 = RANDOM.integers(0, 65536, (20, 24, 3), dtype=np.uint16)
RGB8 = RANDOM.integers(0, 256, (20, 24, 3), dtype=np.uint8)
FOUR8 = RANDOM.integers(0, 256, (20, 24, 4), dtype=np.uint8)
FIVE16 = RANDOM.integers(0, 65536, (20, 24, 5), dtype=np.uint16)
FLOATS = RANDOM.random((20, 24, 3)).astype(np.float32)
OVER_WHITE = np.rint(FOUR8[..., :3] * (FOUR8[..., 3:] / 255) + 255 * (1 - FOUR8[..., 3:] / 255))
PALETTE16 = RANDOM.integers(0, 65536, (3, 65536), dtype=np.uint16)
SMOOTH = np.stack([np.mgrid[:64, :64][0] * 3, np.mgrid[:64, :64][1] * 4, np.full((64, 64), 90)], -1).astype(np.uint8)
INKS = 255 - FOUR8.astype(int)


def planes(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(values, -1, 0))


def of_16(values: np.ndarray) -> np.ndarray:
    return np.rint(values / 257)


def of_own(values: np.ndarray) -> np.ndarray:
    wide = values.astype(float)
    return np.rint((wide - wide.min()) * 255 / (wide.max() - wide.min()))


def scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.rint(np.clip((values.astype(float) - low) * 255 / (high - low), 0, 255))


def tiff(values: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, **options)
    return stream.getvalue()


def saved(image: Image.Image, name: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, name, **options)
    return stream.getvalue()


def decoded(content: bytes, reading: Reading | None = None) -> np.ndarray:
    return decode_image(Path("file"), content, reading or Reading())


def error_of(content: bytes, reading: Reading | None = None) -> BadImageError:
    with pytest.raises(BadImageError) as caught:
        decoded(content, reading)
    return caught.value


def check_pixels(content: bytes, expected: np.ndarray, tolerance: int = 0, reading: Reading | None = None) -> None:
    expected = np.repeat(expected[..., None], 3, -1) if expected.ndim == 2 else expected
    pixels = decoded(content, reading)
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected).max() <= tolerance


LAYOUTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "big-endian": {"byteorder": ">"},
    "LZW": {"compression": "lzw"},
    "deflate with predictor": {"compression": "deflate", "predictor": True},
    "tiles": {"tile": (16, 16)},
    "strips": {"rowsperstrip": 7},
    "BigTIFF": {"bigtiff": True},
    "Zstandard": {"compression": "zstd"},
}
VALUES: dict[str, tuple[np.ndarray, dict[str, Any], np.ndarray]] = {
    "RGB of 8 bits": (RGB8, {"photometric": "rgb"}, RGB8),
    "planes of 8 bits": (planes(RGB8), {"photometric": "rgb", "planarconfig": "separate"}, RGB8),
    "RGB of 16 bits": (RGB16, {"photometric": "rgb"}, of_16(RGB16)),
    "planes of 16 bits": (planes(RGB16), {"photometric": "rgb", "planarconfig": "separate"}, of_16(RGB16)),
    "grey of 16 bits": (GRAY16, {}, of_16(GRAY16)),
    "0 is white, 16 bits": (GRAY16, {"photometric": "miniswhite"}, 255 - of_16(GRAY16)),
    "0 is white, 8 bits": (RGB8[..., 0].copy(), {"photometric": "miniswhite"}, 255 - RGB8[..., 0]),
    "int16": (GRAY16.view(np.int16), {}, of_own(GRAY16.view(np.int16))),
    "uint32": (GRAY16.astype(np.uint32) * 65537, {}, of_own(GRAY16)),
    "float32": (GRAY16.astype(np.float32), {}, of_own(GRAY16)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", VALUES)
def test_a_tiff_has_its_own_values_in_every_layout(kind: str, layout: str) -> None:
    values, options, expected = VALUES[kind]
    check_pixels(tiff(values, **options, **LAYOUTS[layout]), expected)


CONTIGUOUS = {"photometric": "minisblack", "planarconfig": "contig"}
KINDS: dict[str, tuple[Callable[[], bytes], np.ndarray, int]] = {
    "1 bit, 0 is white": (lambda: tiff(RGB8[..., 0] > 99, photometric="miniswhite"), 255 * (RGB8[..., 0] <= 99), 0),
    "int8": (lambda: tiff(RGB8[..., 0].copy().view(np.int8)), of_own(RGB8[..., 0].copy().view(np.int8)), 0),
    "int64": (lambda: tiff(GRAY16.astype(np.int64) - 30000), of_own(GRAY16), 0),
    "uint64": (lambda: tiff(GRAY16.astype(np.uint64) * 70000), of_own(GRAY16), 0),
    "float16": (lambda: tiff(FLOATS[..., 0].astype(np.float16)), of_own(FLOATS[..., 0].astype(np.float16)), 1),
    "float64": (lambda: tiff(FLOATS[..., 0].astype(float)), of_own(FLOATS[..., 0]), 1),
    "float RGB": (lambda: tiff(FLOATS, photometric="rgb"), of_own(FLOATS), 1),
    "6 bits": (lambda: tiff(RGB8[..., 0] >> 2, bitspersample=6), np.rint((RGB8[..., 0] >> 2) * (255 / 63)), 0),
    "10 bits": (lambda: tiff(GRAY16 >> 6, bitspersample=10), scaled(GRAY16 >> 6, 0, 1023), 0),
    "12 bits": (lambda: tiff(GRAY16 >> 4, bitspersample=12), scaled(GRAY16 >> 4, 0, 4095), 0),
    "three grey bands": (lambda: tiff(RGB8, **CONTIGUOUS), RGB8, 0),
    "RGB and a band": (lambda: tiff(FOUR8, photometric="rgb", extrasamples=["unspecified"]), FOUR8[..., :3], 0),
    "planes of RGB and a band": (
        lambda: tiff(planes(FOUR8), photometric="rgb", planarconfig="separate", extrasamples=["unspecified"]),
        FOUR8[..., :3],
        0,
    ),
    "RGBA": (lambda: tiff(FOUR8, photometric="rgb", extrasamples=["unassalpha"]), OVER_WHITE, 1),
    "RGBA of 16 bits": (
        lambda: tiff(FOUR8.astype(np.uint16) * 257, photometric="rgb", extrasamples=["unassalpha"]),
        OVER_WHITE,
        1,
    ),
    "premultiplied RGBA of 16 bits": (
        lambda: tiff(
            np.rint(
                FOUR8.astype(float) * 257 * np.append(np.repeat(FOUR8[..., 3:] / 255, 3, -1), np.ones((20, 24, 1)), -1)
            ).astype(np.uint16),
            photometric="rgb",
            extrasamples=["assocalpha"],
        ),
        OVER_WHITE,
        2,
    ),
    "grey and alpha of 16 bits": (
        lambda: tiff(FOUR8[..., [0, 3]].astype(np.uint16) * 257, **CONTIGUOUS, extrasamples=["unassalpha"]),
        OVER_WHITE[..., 0],
        1,
    ),
    "palette of 8 bits": (
        lambda: tiff(RGB8[..., 0].copy(), photometric="palette", colormap=PALETTE16[:, :256].copy()),
        (PALETTE16[:, :256] >> 8).T[RGB8[..., 0]],
        0,
    ),
    "palette of 16 bits": (
        lambda: tiff(GRAY16, photometric="palette", colormap=PALETTE16),
        of_16(PALETTE16.T[GRAY16]),
        0,
    ),
    "CMYK": (lambda: tiff(FOUR8, photometric="separated"), np.rint(INKS[..., :3] * INKS[..., 3:] / 255), 1),
    "planes of CMYK of 16 bits": (
        lambda: tiff(planes(FOUR8.astype(np.uint16) * 257), photometric="separated", planarconfig="separate"),
        np.rint(INKS[..., :3] * INKS[..., 3:] / 255),
        1,
    ),
    "JPEG 2000 inside": (lambda: tiff(RGB8, photometric="rgb", compression="jpeg2000"), RGB8, 0),
    "JPEG XL inside": (
        lambda: tiff(RGB8, photometric="rgb", compression="jpegxl", compressionargs={"lossless": True}),
        RGB8,
        0,
    ),
    "LERC inside": (lambda: tiff(GRAY16, compression="lerc"), of_16(GRAY16), 0),
    "WebP inside": (
        lambda: tiff(RGB8, photometric="rgb", compression="webp", compressionargs={"lossless": True}),
        RGB8,
        0,
    ),
    "PNG of 16 bits": (lambda: imagecodecs.png_encode(GRAY16), of_16(GRAY16), 0),
    "PNG of RGB of 16 bits": (lambda: imagecodecs.png_encode(RGB16), of_16(RGB16), 0),
    "PNG of RGBA of 16 bits": (lambda: imagecodecs.png_encode(FOUR8.astype(np.uint16) * 257), OVER_WHITE, 1),
    "PNG of grey and alpha of 16 bits": (
        lambda: imagecodecs.png_encode(np.ascontiguousarray(FOUR8[..., [0, 3]]).astype(np.uint16) * 257),
        OVER_WHITE[..., 0],
        1,
    ),
    "PGM": (lambda: pnm(b"P5", RGB8[..., 0], 255), RGB8[..., 0], 0),
    "PGM of 16 bits": (lambda: pnm(b"P5", GRAY16, 65535), of_16(GRAY16), 0),
    "PGM of 12 bits": (lambda: pnm(b"P5", GRAY16 >> 4, 4095), scaled(GRAY16 >> 4, 0, 4095), 0),
    "PPM": (lambda: pnm(b"P6", RGB8, 255), RGB8, 0),
    "PPM of 12 bits": (lambda: pnm(b"P6", RGB16 >> 4, 4095), scaled(RGB16 >> 4, 0, 4095), 0),
    "PGM as text": (lambda: b"P2 3 1 1000 0 500 1000", np.array([[0, 128, 255]]), 0),
    "PBM": (lambda: b"P4 3 1\n\x40", np.array([[255, 0, 255]]), 0),
    "JPEG 2000": (lambda: imagecodecs.jpeg2k_encode(RGB8, level=0), RGB8, 0),
    "JPEG 2000 of 12 bits": (
        lambda: imagecodecs.jpeg2k_encode(GRAY16 >> 4, bitspersample=12, level=0),
        scaled(GRAY16 >> 4, 0, 4095),
        0,
    ),
    "AVIF": (lambda: saved(Image.fromarray(SMOOTH), "AVIF", quality=100, subsampling="4:4:4"), SMOOTH, 3),
}


def pnm(kind: bytes, values: np.ndarray, maximum: int) -> bytes:
    header = b"%s\n# a comment\n%d %d\n%d\n" % (kind, values.shape[1], values.shape[0], maximum)
    return header + values.astype(">u2" if maximum > 255 else np.uint8).tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_an_unusual_file_has_the_values_that_it_stores(kind: str) -> None:
    content, expected, tolerance = KINDS[kind]
    check_pixels(content(), np.asarray(expected), tolerance)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (lambda: tiff(FLOATS[..., 0].astype(np.complex64)), "complex numbers"),
        (lambda: tiff(RGB8, photometric="cielab"), "CIELAB colours"),
        (lambda: tiff(FIVE16, **CONTIGUOUS), "has 5 bands.*set input.bands = \\[0, 1, 2\\]"),
        (lambda: tiff(FOUR8, **CONTIGUOUS), "has 4 bands.*input.bands"),
        (lambda: tiff(FIVE16), "an array of the shape \\(20, 24, 5\\) written as 20 pages of 5 x 24 pixels"),
        (lambda: tiff(FOUR8[..., :2].copy(), **CONTIGUOUS), "has 2 bands.*input.bands = \\[0\\]"),
        (lambda: imagecodecs.jpegxl_encode(RGB8), "is a JPEG XL image, which tlkit does not read; convert it to PNG"),
        (lambda: b'<?xml version="1.0"?>\n<svg xmlns="x"></svg>', "a drawing \\(SVG\\)"),
        (lambda: bytes(128) + b"DICM" + bytes(99), "is a DICOM image"),
        (lambda: b"8BPS\0\1" + bytes(99), "a Photoshop file"),
    ],
)
def test_a_valid_file_of_another_kind_is_named_and_never_called_damaged(content: Any, kind: str) -> None:
    error = error_of(content())
    assert error.kind == "unsupported"
    assert "damaged" not in str(error)
    with pytest.raises(BadImageError, match=kind):
        raise error


# Bands, ranges and orientation --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "bands", "expected"),
    [
        (lambda: tiff(FIVE16, **CONTIGUOUS), (3, 2, 1), of_16(FIVE16[..., [3, 2, 1]])),
        (
            lambda: tiff(planes(FIVE16), photometric="minisblack", planarconfig="separate"),
            (4, 0, 1),
            of_16(FIVE16[..., [4, 0, 1]]),
        ),
        (lambda: tiff(planes(FIVE16), photometric="minisblack"), (4, 0, 1), of_16(FIVE16[..., [4, 0, 1]])),
        (lambda: tiff(FIVE16, **CONTIGUOUS), (4,), of_16(FIVE16[..., 4])),
        (lambda: tiff(FOUR8, photometric="rgb", extrasamples=["unspecified"]), (3, 0, 1), FOUR8[..., [3, 0, 1]]),
        (lambda: tiff(FOUR8, photometric="rgb", extrasamples=["unassalpha"]), (0, 1, 2), FOUR8[..., :3]),
        (lambda: saved(Image.fromarray(RGB8), "PNG"), (2, 1, 0), RGB8[..., ::-1]),
        (lambda: imagecodecs.png_encode(RGB16), (2,), of_16(RGB16[..., 2])),
    ],
)
def test_bands_choose_red_green_and_blue(content: Any, bands: tuple[int, ...], expected: np.ndarray) -> None:
    check_pixels(content(), expected, reading=Reading(bands=bands))


@pytest.mark.parametrize(
    "content", [lambda: tiff(FIVE16, **CONTIGUOUS), lambda: saved(Image.fromarray(RGB8), "PNG"), lambda: tiff(GRAY16)]
)
def test_bands_that_are_not_there_are_named(content: Any) -> None:
    error = error_of(content(), Reading(bands=(0, 1, 9)))
    assert error.kind == "unsupported"
    assert "input.bands names" in str(error)
    assert "9" in str(error)


@pytest.mark.parametrize(
    ("content", "values"),
    [
        (lambda: imagecodecs.png_encode(GRAY16 >> 4), GRAY16 >> 4),
        (lambda: imagecodecs.png_encode(RGB16 >> 4), RGB16 >> 4),
        (lambda: tiff(GRAY16 >> 4), GRAY16 >> 4),
        (lambda: tiff(RGB16 >> 4, photometric="rgb", compression="lzw"), RGB16 >> 4),
        (lambda: tiff((GRAY16 >> 4).view(np.int16)), GRAY16 >> 4),
        (lambda: tiff((GRAY16 >> 4).astype(np.float32)), GRAY16 >> 4),
        (lambda: pnm(b"P5", GRAY16 >> 4, 4095), GRAY16 >> 4),
        (lambda: imagecodecs.jpeg2k_encode(GRAY16 >> 4, bitspersample=12, level=0), GRAY16 >> 4),
    ],
)
def test_a_range_of_values_becomes_0_to_255_in_every_deep_format(content: Any, values: np.ndarray) -> None:
    check_pixels(content(), scaled(values, 500, 2500), reading=Reading(value_range=(500, 2500)))


def test_a_range_of_values_leaves_8_bit_images_alone() -> None:
    check_pixels(saved(Image.fromarray(RGB8), "PNG"), RGB8, reading=Reading(value_range=(0, 4095)))
    check_pixels(tiff(FOUR8, **CONTIGUOUS), FOUR8[..., :3], reading=Reading(value_range=(0, 4095), bands=(0, 1, 2)))


def test_a_range_of_an_image_in_which_0_is_white_is_of_its_stored_values() -> None:
    content = tiff(GRAY16 >> 4, photometric="miniswhite")
    check_pixels(content, 255 - scaled(GRAY16 >> 4, 0, 2000), reading=Reading(value_range=(0, 2000)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "kind", ["RGB of 8 bits", "planes of 8 bits", "RGB of 16 bits", "planes of 16 bits", "grey of 16 bits"]
)
def test_an_orientation_turns_every_kind_of_tiff_or_none(kind: str, orientation: int) -> None:
    values, options, expected = VALUES[kind]
    content = tiff(values, **options, extratags=[(274, 3, 1, orientation, True)])
    expected = np.repeat(expected[..., None], 3, -1) if expected.ndim == 2 else expected
    check_pixels(content, turned(expected, orientation))
    check_pixels(content, expected, reading=Reading(orientation="stored"))
    with Picture(Path("file"), content) as picture:
        assert picture.size == turned(expected, orientation).shape[:2]
        assert picture.stored_size == (20, 24)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turning_is_pillows_and_can_be_undone(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(Image.fromarray(RGB8), "PNG", exif=exif)
    check_pixels(content, turned(RGB8, orientation))
    check_pixels(content, RGB8, reading=Reading(orientation="stored"))
    np.testing.assert_array_equal(turned_back(turned(RGB8, orientation), orientation), RGB8)
    pixels, size = decode_to_size(Path("a.png"), content, (20, 24), "stretch", Reading(orientation="stored"))
    assert size == (20, 24)
    np.testing.assert_array_equal(pixels, RGB8)


def test_one_clear_colour_of_a_16_bit_png_is_compared_at_16_bits() -> None:
    values = np.array([[[1000, 2000, 3000], [1001, 2000, 3000]]], np.uint16)
    chunk = b"tRNS" + np.array([1000, 2000, 3000], ">u2").tobytes()
    content = with_chunk(imagecodecs.png_encode(values), chunk)
    assert decoded(content)[0].tolist() == [[255, 255, 255], [4, 8, 12]]


@pytest.mark.parametrize(("bits", "row"), [(1, b"\x60"), (2, b"\x1b"), (4, b"\x01\x5f"), (8, bytes([0, 1, 85, 255]))])
def test_one_clear_grey_of_a_png_is_clear_at_every_depth(bits: int, row: bytes) -> None:
    parts = [
        b"IHDR" + struct.pack(">IIBBBBB", 4, 1, bits, 0, 0, 0, 0),
        b"tRNS\0\1",
        b"IDAT" + zlib.compress(b"\0" + row),
    ]
    chunks = [
        struct.pack(">I", len(each) - 4) + each + struct.pack(">I", zlib.crc32(each)) for each in (*parts, b"IEND")
    ]
    values = {1: [0, 1, 1, 0], 2: [0, 1, 2, 3], 4: [0, 1, 5, 15], 8: [0, 1, 85, 255]}[bits]
    expected = [255 if value == 1 else value * 255 // (2**bits - 1) for value in values]
    assert decoded(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))[0, :, 0].tolist() == expected


def test_the_first_frame_of_an_animated_png_of_16_bits_is_deep() -> None:
    still = imagecodecs.png_encode(RGB16)
    frame = struct.pack(">IIIIIHHBB", 0, 24, 20, 0, 0, 1, 10, 0, 0)
    content = with_chunk(with_chunk(still, b"acTL" + struct.pack(">II", 1, 0)), b"fcTL" + frame)
    check_pixels(content, of_16(RGB16))


def with_chunk(png: bytes, chunk: bytes) -> bytes:
    whole = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    place = png.index(b"IDAT") - 4
    return png[:place] + whole + png[place:]


def test_a_cmyk_jpeg_is_inverted_only_with_adobes_marker() -> None:
    inks = np.full((16, 16, 4), (200, 40, 10, 30), np.uint8)
    with_marker = saved(Image.fromarray(inks, "CMYK"), "JPEG", quality=100)
    start = with_marker.index(b"\xff\xee")
    length = 2 + int.from_bytes(with_marker[start + 2 : start + 4], "big")
    without = with_marker[:start] + with_marker[start + length :]
    expected = np.asarray(Image.fromarray(inks, "CMYK").convert("RGB"))
    check_pixels(with_marker, expected, 3)
    # The same bytes without the marker: the stored values are then the inks themselves.
    check_pixels(without, np.asarray(Image.fromarray(255 - inks, "CMYK").convert("RGB")), 3)


def test_a_preview_of_a_narrow_range_shows_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode((51000 + GRAY16 // 655).astype(np.uint16)))
    picture = preview(tmp_path / "a.png", (20, 24))
    assert (picture.min(), picture.max()) == (0, 255)


# Formats ------------------------------------------------------------------------------------------------------------


def test_the_first_bytes_of_a_format_are_those_of_no_other() -> None:
    examples = {
        "PPM": b"P5\n2 2\n255\n",
        "JPEG 2000": imagecodecs.jpeg2k_encode(RGB8, level=0),
        "AVIF": saved(Image.fromarray(RGB8), "AVIF"),
        "TIFF": tiff(GRAY16, bigtiff=True),
        "PNG": imagecodecs.png_encode(RGB8),
    }
    for name, content in examples.items():
        found = format_of(content)
        assert found is not None
        assert found.name == name
        assert other_format(content) is None
    suffixes = [suffix for each in (*FORMATS, *OTHER_FORMATS) for suffix in each.suffixes]
    assert len(set(suffixes)) == len(suffixes)


def test_heic_is_read_with_its_package() -> None:
    from pillow_heif import from_pillow

    stream = io.BytesIO()
    colors = RGB8[:4, :4].repeat(16, 0).repeat(16, 1)
    from_pillow(Image.fromarray(colors)).save(stream, quality=100)
    check_pixels(stream.getvalue(), colors, 12)


def test_without_its_package_heic_names_the_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_file, "_reads_heif", lambda: False)
    error = error_of(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200))
    assert error.kind == "unsupported"
    assert 'pip install "tlkit[heif]"' in str(error)


def test_a_format_that_pillow_was_built_without_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_file.features, "check", lambda name: False)
    error = error_of(b"\0\0\0\x1cftypavif" + bytes(200))
    assert error.kind == "unsupported"
    assert "can't decode AVIF" in str(error)


def test_without_imagecodecs_a_tiff_names_the_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    content = tiff(FIVE16, **CONTIGUOUS, compression="lzw")
    monkeypatch.setattr(tifffile.TiffPage, "asarray", refuse)
    error = error_of(content, Reading(bands=(0, 1, 2)))
    assert error.kind == "unsupported"
    assert "LZW" in str(error)
    assert 'pip install "tlkit[tiff]"' in str(error)


def refuse(*_: object, **__: object) -> None:
    raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")


def test_ordinary_files_never_import_tifffile() -> None:
    code = (
        "import sys, io; from pathlib import Path; from PIL import Image; "
        "from tlkit.data.images.decode import decode_image\n"
        "for name in ('JPEG', 'PNG', 'TIFF'):\n"
        "    stream = io.BytesIO()\n"
        "    Image.new('RGB', (8, 8)).save(stream, name)\n"
        "    decode_image(Path('a'), stream.getvalue())\n"
        "assert 'tifffile' not in sys.modules and 'pillow_heif' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
