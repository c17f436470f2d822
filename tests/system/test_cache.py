"""The cache folder: its limit, what is removed first, and files in it that are damaged or in use."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest

import tlkit
from tlkit.system import cache as disk_cache
from tlkit.system.cache import cache_entries, make_room


@pytest.fixture
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


@pytest.fixture
def entry(cache_folder):
    """A cached folder of 100 bytes."""
    folder = cache_folder / "images" / "abc"
    folder.mkdir(parents=True)
    (folder / "0000.shard").write_bytes(b"x" * 100)
    return folder


def test_the_least_recently_used_go_first(cache_folder):
    features, images = cache_folder / "features", cache_folder / "images"
    for age, folder in enumerate((features / "new", images / "middle", features / "old")):
        folder.mkdir(parents=True)
        (folder / "0000-feature0.npy").write_bytes(b"x" * 100)
        os.utime(folder, (1e9 - age, 1e9 - age))
    disk_cache.set_limit(260e-9)
    assert [each.folder.name for each in cache_entries()] == ["middle", "new"]
    make_room(50)
    assert len(cache_entries()) == 2
    make_room(100)
    assert [each.folder.name for each in cache_entries()] == ["new"]


def test_a_limit_that_is_not_a_number_is_reported(cache_folder):
    (cache_folder / "limit.txt").write_text("much")
    with pytest.raises(tlkit.DataError, match=r"limit\.txt: expected gigabytes, from 0 to 1e\+09, received 'much'"):
        disk_cache.limit()


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"nan", b"-1", b"1\x00", b"1e", b"\xb12"])
def test_a_damaged_limit_is_reported_with_what_rewrites_it(cache_folder, content):
    (cache_folder / "limit.txt").write_bytes(content)
    with pytest.raises(tlkit.DataError, match=r"limit\.txt: expected gigabytes.*tlkit cache limit GB rewrites it"):
        disk_cache.limit()
    disk_cache.set_limit(3)
    assert disk_cache.limit() == 3e9


def test_every_flipped_bit_of_the_limit_is_an_error_or_another_limit(cache_folder):
    disk_cache.set_limit(12.5)
    file = cache_folder / "limit.txt"
    content = file.read_bytes()
    for place in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            file.write_bytes(changed)
            with suppress(tlkit.DataError):
                assert disk_cache.limit() >= 0


def test_a_folder_or_pipe_in_the_place_of_the_limit_is_reported(cache_folder):
    file = cache_folder / "limit.txt"
    os.mkfifo(file)
    with pytest.raises(tlkit.DataError, match=r"limit\.txt: can't be read: is not a file; remove it"):
        disk_cache.limit()
    file.unlink()
    file.mkdir()
    with pytest.raises(tlkit.DataError, match=r"limit\.txt: can't be read: is not a file; remove it"):
        disk_cache.limit()
    with pytest.raises(tlkit.DataError, match=r"limit\.txt: can't be written"):
        disk_cache.set_limit(3)


def test_a_damaged_description_is_shown_as_one_printable_line(entry):
    (entry / "about.txt").write_bytes(b"12 im\xffages\x1b[2J\nmore" + b"x" * 100_000)
    (found,) = cache_entries()
    assert found.about.startswith("12 im\ufffdages [2J more")
    assert found.about.isprintable()
    assert len(found.about) <= 1000


def test_a_pipe_or_folder_in_the_place_of_a_description_counts_as_unfinished(entry):
    os.mkfifo(entry / "about.txt")
    assert [each.about for each in cache_entries()] == ["unfinished"]
    (entry / "about.txt").unlink()
    (entry / "about.txt").mkdir()
    assert [(each.about, each.size) for each in cache_entries()] == [("unfinished", 100)]


def test_a_folder_that_can_not_be_read_is_listed_with_the_reason(entry, monkeypatch):
    def refused(_folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(disk_cache, "_about", refused)
    assert [each.about for each in cache_entries()] == ["can't be read: Permission denied"]
    make_room(0)


def test_a_folder_is_removed_although_a_run_adds_files_to_it(entry, monkeypatch):
    removing = disk_cache.shutil.rmtree

    def added(folder, **options):
        with pytest.raises(FileNotFoundError):
            (entry / "0001.shard").write_bytes(b"late")
        removing(folder, **options)

    monkeypatch.setattr(disk_cache.shutil, "rmtree", added)
    assert disk_cache.clear() == (1, 100)
    assert list(entry.parent.iterdir()) == []


def test_what_a_kill_left_half_removed_is_not_listed_and_removed_later(entry, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(disk_cache.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            disk_cache.clear()
    assert cache_entries() == []
    assert len(list(entry.parent.iterdir())) == 1
    make_room(0)
    assert list(entry.parent.iterdir()) == []


def test_a_folder_that_another_process_removes_first_is_no_error(entry, monkeypatch):
    entries = cache_entries()
    disk_cache.clear()
    monkeypatch.setattr(disk_cache, "cache_entries", lambda: entries)
    assert disk_cache.clear() == (1, 100)


def test_of_a_link_only_the_link_is_removed(entry, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "photo.jpg").write_bytes(b"a photo")
    (entry.parent / "link").symlink_to(elsewhere)
    disk_cache.clear()
    assert list(entry.parent.iterdir()) == []
    assert (elsewhere / "photo.jpg").exists()
