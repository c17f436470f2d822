"""Remote folders are fetched into the cache: whole, once, checked, and under names that stay below their folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tlkit.errors import DataError
from tlkit.system import cache, remote, remote_fetch
from tlkit.system.disk import FullDiskError
from tlkit.system.remote import local_path
from tlkit.system.remote_names import named, url_of

fsspec = pytest.importorskip("fsspec")

URL = Path("memory://photos")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path / "cache"))
    again(monkeypatch)
    return tmp_path / "cache"


@pytest.fixture
def source() -> Iterator[Any]:
    """A file system in memory with two photos in it."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    system.pipe({"/photos/cats/1.jpg": b"one", "/photos/dogs/2.jpg": b"two"})
    yield system
    system.store.clear()


def again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what this process has compared, as another process would not know it."""
    monkeypatch.setattr(remote, "_made", {})


def files_in(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_paths_of_this_machine_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "s3:").mkdir()
    for path in (tmp_path, Path("photos/a.jpg"), tmp_path / "s3:"):
        assert local_path(path) == path
    assert url_of(Path("s3://bucket/photos/")) == "s3://bucket/photos"


def test_a_folder_is_fetched_under_its_names(source: Any) -> None:
    folder = local_path(URL)
    assert folder.name == "photos"
    assert files_in(folder) == {"cats/1.jpg": b"one", "dogs/2.jpg": b"two"}
    assert named(f"{folder}/cats/1.jpg: is damaged") == "memory://photos/cats/1.jpg: is damaged"


def test_a_file_is_fetched_alone(source: Any) -> None:
    file = local_path(URL / "cats/1.jpg")
    assert (file.name, file.read_bytes()) == ("1.jpg", b"one")
    assert named(str(file)) == "memory://photos/cats/1.jpg"


def test_a_table_comes_with_the_folder_that_it_is_in(source: Any) -> None:
    source.pipe("/photos/labels.csv", b"image,label\ncats/1.jpg,cat\n")
    table = local_path(URL / "labels.csv", with_neighbours=True)
    assert (table.parent / "cats" / "1.jpg").read_bytes() == b"one"
    with pytest.raises(DataError, match=r"memory://photos/none\.csv: there is no such file in memory://photos"):
        local_path(URL / "none.csv", with_neighbours=True)


def test_what_is_cached_is_not_fetched_again(
    source: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    local_path(URL)
    assert "fetching memory://photos: 2 files, 6 bytes" in capsys.readouterr().err
    again(monkeypatch)
    local_path(URL)
    assert capsys.readouterr().err == ""


def test_what_changed_at_the_source_is_fetched_again(
    source: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    local_path(URL)
    source.pipe("/photos/cats/1.jpg", b"ONE")
    source.rm("/photos/dogs/2.jpg")
    again(monkeypatch)
    capsys.readouterr()
    assert files_in(local_path(URL)) == {"cats/1.jpg": b"ONE"}
    assert "1 file, 3 bytes" in capsys.readouterr().err


def test_a_damaged_copy_is_noticed_by_its_digest(
    source: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (local_path(URL) / "cats" / "1.jpg").write_bytes(b"onE")
    again(monkeypatch)
    assert files_in(local_path(URL))["cats/1.jpg"] == b"one"
    assert "1 cached file changed or damaged on this disk, fetched again: cats/1.jpg" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../1.jpg", "a/../../1.jpg", "/1.jpg", "a//1.jpg", "a\\1.jpg", "./1.jpg", "x" * 300])
def test_names_that_leave_the_folder_are_left_out(
    name: str,
    source: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    own_cache: Path,
    tmp_path: Path,
) -> None:
    found = {f"/photos/{each}": {"name": f"/photos/{each}", "size": 3, "type": "file", "ETag": "1"} for each in (name,)}
    monkeypatch.setattr(type(source), "find", lambda *_, **__: {**source_listing, **found})
    source_listing = {"/photos/cats/1.jpg": source.info("/photos/cats/1.jpg")}
    folder = local_path(URL)
    assert files_in(folder) == {"cats/1.jpg": b"one"}
    assert "memory://photos: 1 file left out: " in capsys.readouterr().err
    assert [each.name for each in tmp_path.rglob("*.jpg")] == ["1.jpg"]


def test_names_that_this_disk_takes_for_one_are_not_mixed_up(
    source: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source.pipe({"/photos/cats/1.JPG": b"other"})
    monkeypatch.setattr(remote, "_folds_case", lambda folder: True)
    assert files_in(local_path(URL)) == {"cats/1.JPG": b"other", "dogs/2.jpg": b"two"}
    assert "'cats/1.jpg' is the same name as cats/1.JPG on this disk" in capsys.readouterr().err


def test_a_name_that_is_a_file_and_a_folder_is_left_out() -> None:
    usable, refused = remote.usable_names(["a", "a/b.jpg"], False, remote.name_problem)
    assert (usable, dict(refused)) == (["a/b.jpg"], {"a": "is a file and a folder at once"})


@pytest.mark.parametrize(
    "url", ["s3://key:SECRET@bucket/a", "https://me:SECRET@host/a", "https://host/a.jpg?X-Amz-Signature=SECRET"]
)
def test_credentials_in_a_url_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(DataError, match="leave it out") as caught:
        local_path(Path(url))
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("file://photos", "file://photos: is on this machine; give its path"),
        ("zip://a::s3://bucket/a.zip", "zip://a::s3:/bucket/a.zip: is a chain of URLs"),
        ("s33://bucket/a", '"s33://" is no known scheme; did you mean "s3"'),
        ("memory://none", "memory://none: there is no such bucket, folder or file"),
        ("http://127.0.0.1:9/photos", "http://127.0.0.1:9/photos: "),
    ],
)
def test_a_url_that_can_not_be_read_is_one_clear_error(source: Any, url: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        local_path(Path(url))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(DataError, match=r's3://bucket/a: needs the package fsspec: pip install "tlkit\[remote\]"'):
        local_path(Path("s3://bucket/a"))


def test_more_than_the_cache_may_have_is_an_error(source: Any) -> None:
    cache.set_limit(1e-9)
    with pytest.raises(DataError, match=r"memory://photos: has 6 bytes, and the cache may have 1 bytes?; tlkit cache"):
        local_path(URL)


def test_a_full_disk_is_said_before_anything_is_fetched(source: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("tlkit.system.remote", "tlkit.system.disk"):
        monkeypatch.setattr(f"{module}.free_bytes", lambda folder: 4)
    with pytest.raises(FullDiskError, match="memory://photos: the disk is full: it needs 6 bytes, 4 bytes are free"):
        local_path(URL)


def test_a_large_file_goes_on_where_it_was_interrupted(source: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytes(range(95))
    source.pipe("/photos/cats/1.jpg", content)
    asked: list[int | None] = []
    read = type(source).cat_file
    broken = True

    def cat_file(system: Any, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        asked.append(start)
        if broken and start and start >= 30:
            raise PermissionError("the connection is gone")
        return bytes(read(system, path, start=start, end=end))

    monkeypatch.setattr(type(source), "cat_file", cat_file)
    monkeypatch.setattr(remote_fetch, "CHUNK", 10)
    with pytest.raises(DataError, match=r"memory://photos/cats/1\.jpg: access is denied"):
        local_path(URL)
    broken = False
    asked.clear()
    assert files_in(local_path(URL))["cats/1.jpg"] == content
    assert [each for each in asked if each is not None] == [30, 40, 50, 60, 70, 80, 90]


def test_a_copy_in_use_is_not_removed_to_make_room(source: Any) -> None:
    folder = local_path(URL)
    [entry] = cache.cache_entries()
    assert (entry.folder.parent.name, entry.about) == ("remote", "memory://photos, 2 files")
    assert entry.size >= 6
    cache.set_limit(0)
    assert cache.clear() == (0, 0)
    assert folder.is_dir()
