"""What the check says of files that are images, but of no format that is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from recipe_text import recipe_text

from tlkit.data.checks.folder_scan import by_content
from tlkit.jobs.from_recipe import check_data
from tlkit.recipe.load import parse_recipe
from tlkit.registry import Registry

FILES = {
    "a.jxl": (b"\xff\x0a" + bytes(50), "is a JPEG XL image, which tlkit does not read; convert it to PNG"),
    "a.svg": (b"<!-- drawn --><svg></svg>", "is a drawing (SVG), which tlkit does not read; convert it to PNG"),
    "a.psd": (b"8BPS" + bytes(50), "is a Photoshop file, which tlkit does not read; export it as PNG"),
    "scan.dcm": (bytes(128) + b"DICM", "is a DICOM image"),
    "scan": (bytes(128) + b"DICM", "is a DICOM image"),
    "brain.nii": (bytes(344) + b"n+1\0", "is a NIfTI volume"),
    "photo.cr2": (b"II*\0\x10\0\0\0CR\2\0" + bytes(50), "is a raw photo of a camera"),
    "photo.nef": (b"MM\0*" + bytes(50), "is a raw photo of a camera"),
    "star.fits": (b"SIMPLE  =", "is a FITS image"),
    "page.pdf": (b"%PDF-1.7", "is a PDF document"),
    "photo": (b"\xff\xd8\xff\xe0", "is a JPEG image by its content, but not by its name; rename it to photo.jpg"),
    "notes.txt": (b"notes", ""),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_not_used_is_named_by_its_content_or_its_suffix(tmp_path: Path, name: str) -> None:
    content, expected = FILES[name]
    (tmp_path / name).write_bytes(content)
    said = by_content(tmp_path / name)
    assert said.startswith(expected) if expected else not said


def test_the_check_says_what_to_do_about_them(
    tmp_path: Path, class_folders: Callable[..., Path], registry: Registry
) -> None:
    photos = class_folders({"cat": 3, "dog": 3})
    (photos / "cat" / "a.jxl").write_bytes(FILES["a.jxl"][0])
    recipe = parse_recipe(recipe_text(data={"name": "folder", "path": photos}), registry)
    unused = [each.detail for each in check_data(recipe).report.findings if each.kind == "unused"]
    assert unused == [FILES["a.jxl"][1]]
