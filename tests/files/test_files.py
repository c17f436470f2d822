"""Listing folders of images, the same way for every command and plugin."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import tlkit
from tlkit import DataError, files

TREE = ("b/2.PNG", "b/1.jpg", "b/deep/3.tif", "a.webp", "notes.txt", ".hidden.jpg", "__MACOSX/x.jpg", "b/Thumbs.db")


@pytest.fixture
def folder(tmp_path):
    for name in TREE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def below(folder: Path, found) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in found]


def test_walk_yields_every_file_except_junk_in_order(folder):
    assert below(folder, files.walk(folder)) == ["a.webp", "notes.txt", "b/1.jpg", "b/2.PNG", "b/deep/3.tif"]


def test_images_are_recognised_by_suffix_in_any_case(folder):
    assert below(folder, files.images_in(folder)) == ["a.webp", "b/1.jpg", "b/2.PNG", "b/deep/3.tif"]
    assert below(folder, files.own_images(folder)) == ["a.webp"]
    assert below(folder, files.own_images(folder / "b")) == ["b/1.jpg", "b/2.PNG"]


def test_subfolders_leave_out_junk(folder):
    assert below(folder, files.subfolders(folder)) == ["b"]


@pytest.mark.skipif(sys.platform == "win32", reason="making links needs a privilege on Windows")
def test_links_are_followed_except_loops_and_dangling_links(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "far.png").write_bytes(b"")
    (folder / "b" / "far").symlink_to(elsewhere)
    (folder / "b" / "loop").symlink_to(folder)
    (folder / "b" / "gone.png").symlink_to(folder / "nowhere.png")
    found = below(folder, files.images_in(folder))
    assert "b/far/far.png" in found
    assert not [name for name in found if name.startswith("b/loop") or name == "b/gone.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="making links needs a privilege on Windows")
def test_a_link_to_a_folder_above_is_neither_walked_nor_a_subfolder(folder):
    (folder / "b" / "above").symlink_to(folder.parent)
    (folder / "b" / "here").symlink_to(".")
    (folder / "top").symlink_to("/")
    (folder / "c").mkdir()
    (folder / "c" / "4.png").write_bytes(b"")
    assert below(folder, files.walk(folder / "b")) == ["b/1.jpg", "b/2.PNG", "b/deep/3.tif"]
    assert below(folder, files.subfolders(folder)) == ["b", "c"]


@pytest.fixture
def deep(tmp_path, monkeypatch):
    """Make deeply nested folders; remove them from the innermost out, since recursion can't reach them."""
    monkeypatch.chdir(tmp_path)
    made = []

    def make(name: str, count: int) -> Path:
        for _ in range(count):
            os.mkdir(name)  # noqa: PTH102 - relative, as the whole path may be too long
            os.chdir(name)
            made.append(name)
        return tmp_path

    yield make
    for name in reversed(made):
        os.chdir("..")
        os.rmdir(name)  # noqa: PTH106


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such long paths")
def test_folders_can_be_nested_deeper_than_the_recursion_limit(deep):
    root = deep("d", 1400)
    Path("1.png").write_bytes(b"")
    try:
        assert [file.name for file in files.images_in(root)] == ["1.png"]
    finally:
        Path("1.png").unlink()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such long paths")
def test_a_path_that_is_too_long_is_shortened_in_the_middle(deep):
    root = deep("d" * 200, 25)
    with pytest.raises(DataError) as caught:
        list(files.walk(root))
    assert str(caught.value).startswith(str(root)[:100])
    assert "dd: the folder can't be listed: File name too long" in str(caught.value)
    assert len(str(caught.value)) < 500


def test_an_unknown_home_folder_is_left_as_it_is():
    assert files.expanded(Path("~nosuchuser/photos")) == Path("~nosuchuser/photos")
    assert files.expanded(Path("~/photos")) == Path.home() / "photos"


def test_a_folder_that_an_option_names_is_returned_with_its_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "photos").mkdir()
    assert files.existing_folder(Path("~/photos"), "data.path") == tmp_path / "photos"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Fotos", '{0}/Fotos; did you mean "{0}/photos"?'),
        ("photo/2020", '{0}/photo/2020; did you mean "{0}/photos"?'),
        ("xyz/2020", "{0}/xyz/2020; {0} is the nearest folder that exists"),
    ],
)
def test_a_missing_folder_that_an_option_names_suggests_a_similar_one(tmp_path, name, message):
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError) as caught:
        files.existing_folder(tmp_path / name, "data.path")
    assert str(caught.value) == "data.path: no such folder: " + message.format(tmp_path)


def test_a_file_in_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(DataError, match=r"data\.path: .*a\.txt is a file, expected a folder"):
        files.existing_folder(tmp_path / "a.txt", "data.path")


def test_a_key_is_the_path_below_the_root(tmp_path):
    assert files.key_of(tmp_path / "a" / "b.png", tmp_path) == "a/b.png"


def test_keys_of_many_files_are_those_of_each(folder, monkeypatch):
    monkeypatch.chdir(folder)
    for root in (folder, Path(), Path("b"), Path("../") / folder.name):
        found = list(files.images_in(root))
        assert [*map(files.keys_below(root), found)] == [files.key_of(file, root) for file in found]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_named_pipes_are_left_out(folder):
    os.mkfifo(folder / "pipe.jpg")
    assert "pipe.jpg" not in below(folder, files.images_in(folder))


@pytest.mark.parametrize("listing", [files.walk, files.images_in, files.subfolders, files.own_images])
def test_a_folder_that_cannot_be_listed_is_named(listing, tmp_path):
    with pytest.raises(DataError, match=r"missing: the folder can't be listed: No such file or directory"):
        list(listing(tmp_path / "missing"))


@pytest.mark.parametrize(
    ("name", "split"),
    [("train", "train"), ("Training", "train"), ("VAL", "validation"), ("valid", "validation"), ("test", "test")],
)
def test_a_split_is_recognised_by_its_usual_names_in_any_case(name, split):
    assert files.split_named(name) == split


def test_any_other_name_is_not_a_split():
    assert files.split_named("tests") is None


def test_files_is_part_of_the_public_api():
    assert tlkit.files is files
    assert "files" in tlkit.__all__
