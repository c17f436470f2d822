"""The lock of a run folder on file systems that have none."""

from __future__ import annotations

import errno
import os

import pytest

from tlkit import RunError
from tlkit.runs.lock import locked

fcntl = pytest.importorskip("fcntl")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch, number):
    def refused(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(RunError, match=r"\.lock: can't be locked: .*no locks.*--out"), locked(tmp_path):
        pass
