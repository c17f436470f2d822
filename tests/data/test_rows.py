"""Pictures that are read some rows at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from tlkit.data.images import rows as rows_module
from tlkit.data.images.decode import decode_image
from tlkit.data.images.image_file import BadImageError
from tlkit.data.images.reading import PLAIN, Reading
from tlkit.data.images.rows import open_rows

SIZE = (50, 71)
LAYOUTS: dict[str, dict[str, Any]] = {
    "tiles": {"tile": (16, 32)},
    "strips": {"rowsperstrip": 7},
    "one strip": {},
    "compressed tiles": {"tile": (16, 32), "compression": "zlib", "predictor": True},
    "planes in tiles": {"tile": (16, 16), "planarconfig": "separate"},
    "planes": {"planarconfig": "separate"},
    "big-endian": {"byteorder": ">"},
}


def write(path: Path, kind: str, bands: int, layout: dict[str, Any], orientation: int = 1) -> Path:
    values = np.random.default_rng(0).random((*SIZE, bands) if bands > 1 else SIZE)
    highest = {"f4": 3.0, "i2": 20_000, "u1": 255, "u2": 65_535}[kind]
    values = (values * highest).astype(kind)
    extra = {"extrasamples": ["unassalpha"]} if bands == 4 else {}
    tifffile.imwrite(
        path,
        np.moveaxis(values, -1, 0) if "planarconfig" in layout else values,
        photometric="rgb" if bands > 1 else "minisblack",
        extratags=[(274, "H", 1, orientation, True)],
        **layout,
        **extra,
    )
    return path


def read(path: Path, reading: Reading = PLAIN, step: int = 13) -> tuple[np.ndarray, bool]:
    with open_rows(path, reading) as picture:
        height = picture.size[0]
        parts = [picture.read(top, min(top + step, height)) for top in range(0, height, step)]
        return np.concatenate(parts), picture.by_windows


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("kind", "bands"), [("u1", 1), ("u1", 3), ("u1", 4), ("u2", 3), ("i2", 1), ("f4", 3)])
def test_a_tiff_read_by_windows_has_the_pixels_of_the_whole(tmp_path: Path, kind: str, bands: int, layout: str) -> None:
    if bands == 1 and "planarconfig" in LAYOUTS[layout]:
        pytest.skip("one band is one plane")
    path = write(tmp_path / "a.tif", kind, bands, LAYOUTS[layout])
    found, by_windows = read(path)
    assert by_windows
    assert (found == decode_image(path)).all()


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("stored", [False, True])
def test_a_tiff_is_turned_as_its_orientation_says(tmp_path: Path, orientation: int, stored: bool) -> None:
    reading = Reading(orientation="stored" if stored else "exif")
    path = write(tmp_path / "a.tif", "u1", 3, LAYOUTS["tiles"], orientation)
    found, by_windows = read(path, reading)
    assert by_windows
    assert (found == decode_image(path, None, reading)).all()


def test_bands_and_the_range_of_values_are_those_of_the_reading(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", "u2", 3, LAYOUTS["tiles"])
    reading = Reading(bands=(2, 0, 1), value_range=(1000.0, 30_000.0))
    found, by_windows = read(path, reading)
    assert by_windows
    assert (found == decode_image(path, None, reading)).all()


def test_other_pictures_are_decoded_once(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    found, by_windows = read(tmp_path / "a.png")
    assert not by_windows
    assert (found == image).all()


def test_a_palette_is_decoded_whole_and_the_reason_is_kept(tmp_path: Path) -> None:
    Image.fromarray(np.zeros(SIZE, np.uint8)).convert("P").save(tmp_path / "a.tif")
    with open_rows(tmp_path / "a.tif") as picture:
        assert picture.note == "its colours are neither grey nor RGB"


def test_more_pixels_are_allowed_than_elsewhere_and_pillows_limit_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(BadImageError, match="too large"):
        decode_image(tmp_path / "a.png")
    assert read(tmp_path / "a.png")[0].shape == (*SIZE, 3)
    assert Image.MAX_IMAGE_PIXELS == 1000


@pytest.mark.parametrize(("suffix", "limit"), [("png", "WHOLE_PIXELS"), ("tif", "WINDOW_PIXELS")])
def test_the_number_of_pixels_is_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, limit: str
) -> None:
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(tmp_path / f"a.{suffix}")
    monkeypatch.setattr(rows_module, limit, 1000)
    with pytest.raises(BadImageError, match="too large"):
        read(tmp_path / f"a.{suffix}")


def test_a_picture_for_which_the_memory_does_not_suffice_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(tmp_path / "a.png")
    monkeypatch.setattr(rows_module, "available_memory", lambda: 10_000)
    with pytest.raises(BadImageError, match="Save it as a TIFF with tiles"):
        read(tmp_path / "a.png")


@pytest.mark.parametrize("layout", ["tiles", "strips", "one strip", "compressed tiles"])
def test_a_truncated_tiff_is_refused(tmp_path: Path, layout: str) -> None:
    path = write(tmp_path / "a.tif", "u1", 3, LAYOUTS[layout])
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(BadImageError):
        read(path)
