"""Folders of tlkit's own that can't be folders, and limits that are no numbers, are told."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tlkit.errors import DataError
from tlkit.system import cache
from tlkit.system.code_files import config_folder
from tlkit.system.disk import own_folder, temporary_folder


@pytest.mark.parametrize(("variable", "folder"), [("TLKIT_CACHE", cache.cache_folder), ("TLKIT_CONFIG", config_folder)])
@pytest.mark.parametrize("place", ["file", "file/below", "x" * 300])
def test_a_folder_that_can_not_be_one_is_told_with_its_variable(variable, folder, place, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    monkeypatch.setenv(variable, str(tmp_path / place))
    with pytest.raises(DataError, match=f"can't be used: .*; set {variable} to a folder"):
        folder()


def test_a_user_without_a_home_folder_is_told(monkeypatch):
    monkeypatch.delenv("TLKIT_CACHE")
    with pytest.raises(DataError, match="this user has no home folder; set TLKIT_CACHE to a folder"):
        own_folder("TLKIT_CACHE", lambda: Path("~/.cache/tlkit"))


def test_no_place_for_temporary_files_is_told(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")
    with (
        pytest.raises(DataError, match=r"no temporary folder can be made: .*; set TMPDIR to a folder"),
        temporary_folder(),
    ):
        pass


@pytest.mark.parametrize("text", [b"1e999", b"nan", b"-1", b"\xff\xfe", b"1\n2", b"9" * 5000, b"\x1b[31m"])
def test_a_limit_that_is_no_number_of_gigabytes_is_told(text, tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path))
    (tmp_path / "limit.txt").write_bytes(text)
    with pytest.raises(DataError, match="expected gigabytes") as caught:
        cache.limit()
    assert len(str(caught.value)) < len(str(tmp_path)) + 200
