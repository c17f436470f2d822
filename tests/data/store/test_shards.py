"""Shards: every bit is covered by a checksum, and whatever lies in the place of a shard is never read as one."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from tlkit.data.store import shards
from tlkit.data.store.shards import UnusableShardError, open_shard, shard_names, unusable_note, write_shard

ARRAYS = {
    "images": np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3),
    "masks": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    "labels": np.array([3, 1], np.int32),
}
NOTE = {"digests": ["ab", "cd"], "sizes": [[30, 20], [31, 21]]}


def written(folder, name="0000", of="these settings", arrays=None, note=NOTE):
    write_shard(folder, name, of, ARRAYS if arrays is None else arrays, note)
    return folder / f"{name}.shard"


def read(file, of="these settings"):
    shard = open_shard(file, of)
    if shard is not None:
        shard.check()
    return shard


def forged(header: object) -> bytes:
    """A file whose digests are right, as another program could write it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return shards._PREFIX.pack(shards._MAGIC, len(text), hashlib.sha256(text).digest()) + text


def test_arrays_and_note_are_read_as_they_were_written(tmp_path):
    shard = read(written(tmp_path))
    assert shard.note == NOTE
    assert list(shard.arrays) == list(ARRAYS)
    for name, values in ARRAYS.items():
        assert shard.arrays[name].dtype == values.dtype
        np.testing.assert_array_equal(shard.arrays[name], values)
        with pytest.raises(ValueError, match="read-only"):
            shard.arrays[name][:1] = 0
    assert open_shard(tmp_path / "0001.shard", "these settings") is None
    assert [each.name for each in tmp_path.iterdir()] == ["0000.shard"]


def test_every_flipped_bit_is_found(tmp_path):
    file = written(tmp_path)
    content = file.read_bytes()
    with file.open("r+b", buffering=0) as stream:
        for place, byte in enumerate(content):
            for bit in range(8):
                os.pwrite(stream.fileno(), bytes([byte ^ 1 << bit]), place)
                with pytest.raises(UnusableShardError) as caught:
                    read(file)
                assert caught.value.damaged
            os.pwrite(stream.fileno(), bytes([byte]), place)
    assert read(file) is not None


def test_every_shorter_file_and_a_longer_one_are_found_without_reading_the_arrays(tmp_path):
    file = written(tmp_path)
    content = file.read_bytes()
    file.write_bytes(content + b"\0")
    for length in reversed(range(len(content))):
        with pytest.raises(UnusableShardError):
            open_shard(file, "these settings")
        os.truncate(file, length)


def test_a_shard_of_something_else_is_not_read(tmp_path):
    file = written(tmp_path, of="other settings")
    with pytest.raises(UnusableShardError, match=r"0000\.shard: belongs to something else"):
        open_shard(file, "these settings")


def test_arrays_of_another_shard_of_the_same_shape_are_found(tmp_path):
    one, other = (
        written(tmp_path),
        written(tmp_path, "0001", arrays={k: v + v.dtype.type(1) for k, v in ARRAYS.items()}),
    )
    start = len(one.read_bytes()) - 3 * 128
    one.write_bytes(one.read_bytes()[:start] + other.read_bytes()[start:])
    with pytest.raises(UnusableShardError, match="checksum"):
        read(one)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [-2, 3]},
        {"shape": [True, 1]},
        {"shape": ["1"]},
        {"shape": []},
        {"shape": [1] * 40},
        {"shape": [10**30]},
        {"dtype": "object"},
        {"dtype": "<U8"},
        {"crc32": -1},
        {"crc32": 1.5},
        {"offset": 0},
    ],
    ids=str,
)
def test_a_header_that_is_not_as_tlkit_writes_it_is_not_used(tmp_path, change):
    file = tmp_path / "0000.shard"
    array = {"dtype": "uint8", "shape": [0], "crc32": 0, **change}
    file.write_bytes(forged({"of": "these settings", "arrays": {"images": array}, "note": {}}))
    with pytest.raises(UnusableShardError):
        open_shard(file, "these settings")


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"null", b"\xff", b"[" * 5000, b'{"of": "these settings"}'])
def test_a_header_of_other_json_is_not_used(tmp_path, text):
    file = tmp_path / "0000.shard"
    file.write_bytes(forged(text))
    with pytest.raises(UnusableShardError, match="header"):
        open_shard(file, "these settings")


def test_a_folder_pipe_device_or_broken_link_in_its_place_is_not_used_and_nothing_waits(tmp_path):
    file = tmp_path / "0000.shard"
    file.mkdir()
    with pytest.raises(UnusableShardError) as caught:
        open_shard(file, "these settings")
    assert not caught.value.damaged
    file.rmdir()
    os.mkfifo(file)
    with pytest.raises(UnusableShardError, match="is not a file"):
        open_shard(file, "these settings")
    file.unlink()
    file.symlink_to("/dev/zero")
    with pytest.raises(UnusableShardError, match="is not a file"):
        open_shard(file, "these settings")
    file.unlink()
    file.symlink_to(file)
    with pytest.raises(UnusableShardError, match="can't be read"):
        open_shard(file, "these settings")
    file.unlink()
    file.symlink_to(tmp_path / "nothing")
    assert open_shard(file, "these settings") is None


def test_a_file_without_permission_is_named_and_counts_as_not_damaged(tmp_path, monkeypatch):
    file = written(tmp_path)

    def refused(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(shards.os, "open", refused)
        with pytest.raises(UnusableShardError, match=r"0000\.shard: can't be read: Permission denied") as caught:
            open_shard(file, "these settings")
    assert not caught.value.damaged


def test_arrays_stay_as_they_are_when_the_file_is_replaced_or_removed(tmp_path):
    first = read(written(tmp_path))
    written(tmp_path, arrays={name: values + values.dtype.type(1) for name, values in ARRAYS.items()})
    shutil.rmtree(tmp_path)
    shards.release(first.arrays["images"])
    for name, values in ARRAYS.items():
        np.testing.assert_array_equal(first.arrays[name], values)


def test_a_folder_that_is_removed_while_a_shard_is_written_is_made_again(tmp_path, monkeypatch):
    folder = tmp_path / "set"
    make = tempfile.mkstemp
    removed = []

    def late(**options):
        if not removed:
            removed.append(shutil.rmtree(folder))
        return make(**options)

    monkeypatch.setattr(shards.tempfile, "mkstemp", late)
    assert read(written(folder)) is not None


def test_a_shard_is_usable_when_its_folder_is_removed_before_it_has_its_name(tmp_path, monkeypatch):
    folder = tmp_path / "set"
    replace = Path.replace

    def late(path, target):
        shutil.rmtree(folder)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", late)
    shard = write_shard(folder, "0000", "these settings", ARRAYS, NOTE)
    shard.check()
    np.testing.assert_array_equal(shard.arrays["images"], ARRAYS["images"])
    assert not folder.exists()


def test_a_full_disk_names_the_file_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shards, "_shard", full)
    with pytest.raises(OSError, match=r"No space left on device.*0000\.shard"):
        written(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_unfinished_and_older_files_are_not_listed(tmp_path):
    written(tmp_path, "0001")
    (tmp_path / ".0000.shard-abc").write_bytes(b"half")
    (tmp_path / "0000.json").write_text("{}")
    assert shard_names(tmp_path) == ["0001"]


def test_the_note_names_the_first_files(tmp_path):
    errors = [UnusableShardError(tmp_path / f"{number}", "its checksum differs") for number in range(5)]
    assert unusable_note("cached images", "decoded", []) == ()
    (note,) = unusable_note("cached images", "decoded", errors)
    assert note.startswith(f"cached images could not be used, so they were decoded again: {tmp_path}/0: its checksum")
    assert note.endswith("and 2 more")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_more_shards_are_open_than_a_process_may_have_files_at_first(tmp_path):
    file = written(tmp_path)
    code = """
import resource, sys
from pathlib import Path
from tlkit.data.store.shards import open_shard
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
opened = [open_shard(Path(sys.argv[1]), "these settings") for _ in range(200)]
print(len(opened))
"""
    done = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "200", done.stderr
