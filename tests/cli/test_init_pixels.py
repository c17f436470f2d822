"""``tlkit init`` on images of many bits or bands, on photos that EXIF turns, and on formats that are not read."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from tlkit.cli import main
from tlkit.data.images import image_file


@pytest.fixture
def init(tmp_path, monkeypatch, capsys):
    """Return a function that runs ``tlkit init`` and returns the table ``[input]``, the recipe and the output."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[dict, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(["init", *map(str, arguments), "--out", "recipe.toml"])
        captured = capsys.readouterr()
        assert not caught.value.code, captured.err
        text = Path("recipe.toml").read_text(encoding="utf-8")
        return tomllib.loads(text)["input"], text, captured.out

    return run


def images(root: Path, make, suffix: str = ".tif", count: int = 6) -> Path:
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for number in range(count):
            file = root / name / f"{number}{suffix}"
            values = make(np.random.default_rng(number + 50 * (name == "dog")))
            if suffix == ".tif":
                planar = "contig" if values.ndim == 3 else None
                tifffile.imwrite(file, values, photometric="minisblack", planarconfig=planar)
            else:
                Image.fromarray(values).save(file)
    return root


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_narrow_values_get_auto_and_name_the_range(init, tmp_path, suffix):
    root = images(tmp_path / "photos", lambda random: random.integers(900, 1200, (30, 30), dtype=np.uint16), suffix)
    table, text, _ = init(root)
    assert table["value_range"] == "auto"
    assert "or [900, 1199]" in text
    assert "2 of 256 grey levels are left" in text


def test_images_scaled_each_from_its_own_range_get_auto(init, tmp_path):
    root = images(tmp_path / "photos", lambda random: random.normal(random.integers(-900, 900), 50, (30, 30)))
    table, text, _ = init(root)
    assert table["value_range"] == "auto"
    assert "each is scaled from its own range" in text


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_values_that_fill_their_range_get_no_key(init, tmp_path, dtype):
    top = np.iinfo(dtype).max
    table, _, _ = init(images(tmp_path / "photos", lambda random: random.integers(0, top, (30, 30), dtype=dtype)))
    assert "value_range" not in table


def test_bands_that_nothing_explains_are_guessed_and_said(init, tmp_path):
    root = images(tmp_path / "photos", lambda random: random.integers(0, 255, (30, 30, 5), dtype=np.uint8))
    table, text, _ = init(root)
    assert table["bands"] == [0, 1, 2]
    assert "which of the 5 bands" in text


@pytest.mark.parametrize(("size", "expected"), [((40, 24), "stored"), ((32, 32), "exif")])
def test_masks_decide_on_the_orientation_or_both_readings_are_named(init, tmp_path, size, expected):
    exif = Image.Exif()
    exif[0x0112] = 6
    for folder in ("images", "masks"):
        (tmp_path / "scans" / folder).mkdir(parents=True)
    for number in range(4):
        mask = np.zeros(size[::-1], np.uint8)
        mask[:9, : 9 + number] = 1
        Image.fromarray(mask * 200).save(tmp_path / "scans" / "images" / f"{number}.jpg", exif=exif)
        Image.fromarray(mask).save(tmp_path / "scans" / "masks" / f"{number}.png")
    table, text, _ = init(tmp_path / "scans")
    assert table["orientation"] == expected
    if expected == "exif":
        assert '"stored" leaves the photos unturned' in text


def test_heic_without_its_package_is_said_with_the_line_to_type(init, tmp_path, monkeypatch):
    root = images(tmp_path / "photos", lambda random: random.integers(0, 255, (30, 30), dtype=np.uint8))
    for number in range(3):
        (root / "cat" / f"phone{number}.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200))
    monkeypatch.setattr(image_file, "_reads_heif", lambda: False)
    _, _, output = init(root)
    assert "3 of 15 files that were opened can't be read: is a HEIC image" in output
    assert 'pip install "tlkit[heif]"' in output


@pytest.mark.parametrize("suffix", [".jfif", ".ppm", ".pgm", ".jp2", ".avif", ".dib"])
def test_images_of_the_rarer_suffixes_are_found(init, tmp_path, suffix):
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(4):
            values = np.random.default_rng(number).integers(0, 255, (30, 30), dtype=np.uint8)
            kind = {".jfif": "JPEG", ".jp2": "JPEG2000", ".dib": "DIB"}.get(suffix)
            Image.fromarray(values).save(tmp_path / "photos" / name / f"{number}{suffix}", kind)
    _, text, _ = init(tmp_path / "photos")
    assert "8 images" in text
