"""Disks and network drives that fail, have no locks, or lose the run folder: an error of tlkit's own says so."""

from __future__ import annotations

import errno
import os

import pytest

import tlkit
from tlkit.runs.disk_errors import explain_disk_errors
from tlkit.runs.lock import locked
from tlkit.system.disk import FailedDiskError, FullDiskError, reserve, write_atomically


@pytest.mark.parametrize("name", ["EIO", "EFBIG", "ESTALE", "ETIMEDOUT"])
def test_a_disk_that_fails_is_told_with_the_file(tmp_path, monkeypatch, name):
    number = getattr(errno, name)

    def fail(_handle):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    told = rf"metrics\.json: can't be written: {os.strerror(number)}"
    with pytest.raises(FailedDiskError, match=told), explain_disk_errors(tmp_path):
        write_atomically(tmp_path / "metrics.json", "{}")
    assert list(tmp_path.iterdir()) == []


def test_a_run_folder_that_was_moved_while_it_was_written_is_told(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    told = r"was moved or removed while the run was in progress .*tlkit resume NEW"
    with pytest.raises(tlkit.RunError, match=told), explain_disk_errors(folder):  # noqa: PT012
        folder.rename(tmp_path / "elsewhere")
        write_atomically(folder / "metrics.json", "{}")


def test_a_file_that_is_missing_in_a_folder_that_is_there_stays_a_bug(tmp_path):
    with pytest.raises(FileNotFoundError), explain_disk_errors(tmp_path):
        (tmp_path / "nothing").read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="flock is of POSIX systems")
@pytest.mark.parametrize("name", ["ENOLCK", "EOPNOTSUPP"])
def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch, name):
    import fcntl

    def fail(_handle, _operation):
        raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)))

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(tlkit.RunError, match=r"\.lock: can't be locked: .*two processes could work"), locked(tmp_path):
        pass


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="room is reserved by writing")
def test_room_is_reserved_before_hdf5_writes(tmp_path, monkeypatch):
    reserve(tmp_path / "file", 5000)
    assert (tmp_path / "file").stat().st_size == 5000

    def full(_handle, _start, _size):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(FullDiskError, match=r"the disk is full"), explain_disk_errors(tmp_path):
        reserve(tmp_path / "file", 5000)
    monkeypatch.setattr(os, "posix_fallocate", lambda *_: (_ for _ in ()).throw(OSError(errno.EOPNOTSUPP, "none")))
    reserve(tmp_path / "file", 5000)
