"""Files outside the folder of a data set, which tables and links name, are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tlkit.contracts import Sample, SampleSet
from tlkit.data.outside import with_outside_note


@pytest.fixture
def noted(tmp_path: Path) -> Callable[..., str]:
    """Return the note about these images and masks of a data set in the folder ``data``."""
    for folder in ("data/a", "private"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("data/a/1.png", "data/a/2.png", "private/me.png"):
        (tmp_path / file).write_bytes(b"x")

    def note(*images: str, masks: tuple[str, ...] = ()) -> str:
        samples = tuple(
            Sample(f"{row}", tmp_path / image, mask=tmp_path / masks[row] if masks else None)
            for row, image in enumerate(images)
        )
        found = with_outside_note(SampleSet(samples, ("a",), root=tmp_path / "data"))
        assert len(found.notes) < 2
        return "".join(found.notes).replace(str(tmp_path), "")

    return note


def test_files_inside_are_not_named(noted: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "data" / "link.png").symlink_to("a/1.png")
    (tmp_path / "data" / "b").symlink_to("a")
    assert noted("data/a/1.png", "data/a/../a/2.png", "data/link.png", "data/b/2.png") == ""


def test_the_folder_itself_may_be_a_link(noted: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    (tmp_path / "data").symlink_to("elsewhere")
    assert noted("data/a/1.png") == ""


@pytest.mark.parametrize("name", ["private/me.png", "data/../private/me.png", "data/link/me.png", "data/me.png"])
def test_files_outside_are_named(noted: Callable[..., str], tmp_path: Path, name: str) -> None:
    (tmp_path / "data" / "link").symlink_to(tmp_path / "private")
    (tmp_path / "data" / "me.png").symlink_to(tmp_path / "private" / "me.png")
    text = noted("data/a/1.png", name)
    assert text.startswith("1 file outside of /data, which a table or a link names, such as /")
    assert text.endswith("/private/me.png")


def test_a_folder_of_masks_may_be_elsewhere_but_not_single_masks(noted: Callable[..., str]) -> None:
    images = ("data/a/1.png", "data/a/2.png")
    assert noted(*images, masks=("private/me.png", "private/me.png")) == ""
    assert "/private/me.png" in noted(*images, masks=("data/a/1.png", "private/me.png"))


def test_many_files_are_counted(noted: Callable[..., str]) -> None:
    assert noted(*["private/me.png"] * 5).startswith("5 files outside of /data")


def test_data_without_a_folder_has_no_outside() -> None:
    found = SampleSet((Sample("a", Path("/private/me.png")),), ("a",))
    assert with_outside_note(found).notes == ()
