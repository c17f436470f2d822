"""The cached facts of files: what happens to the database, no check ends for it, and none believes a wrong fact."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlkit.contracts import MaskTable
from tlkit.data.checks import facts_cache, facts_database
from tlkit.data.checks.facts import Facts
from tlkit.data.checks.facts_cache import FactsCache, version_of
from tlkit.data.checks.facts_database import FILE, FactsDatabase
from tlkit.data.checks.file_facts import WantedFile, read_facts
from tlkit.data.checks.one_file import FactsReading
from tlkit.data.images.reading import PLAIN

READING = FactsReading(PLAIN, MaskTable({0: 0, 1: 1}))
_OTHERS = 150
"""Files of which the database has facts, besides those of ``Files``, so that it has several levels of pages."""


class Files:
    """A few images and masks, their facts, and a folder with a database that has them.

    Args:
        folder: an empty folder.
    """

    def __init__(self, folder: Path) -> None:
        random = np.random.default_rng(0)
        self.wanted: list[WantedFile] = []
        for number in range(4):
            file = folder / f"{number}.{'jpg' if number % 2 else 'png'}"
            Image.fromarray(random.integers(0, 256, (40, 36 + number, 3), np.uint8)).save(file)
            self.wanted.append((file, False))
        Image.fromarray(random.integers(0, 65536, (40, 40), np.uint16)).save(folder / "deep.png")
        Image.fromarray(random.integers(0, 2, (9, 8), np.uint8)).save(folder / "mask.png")
        (folder / "damaged.png").write_bytes((folder / "0.png").read_bytes()[:100])
        self.wanted += [(folder / "deep.png", False), (folder / "damaged.png", False), (folder / "mask.png", True)]
        self.facts = read_facts(self.wanted, READING, FactsCache(None))[0]
        self.cache = folder / "cache"
        self.read(self.cache)
        cache = FactsCache(self.cache)
        for number in range(_OTHERS):
            some = replace(self.facts[number % 4], digest=f"{number:064x}")
            version = version_of(self.wanted[0][0])
            cache.add(folder / f"other{number}.png", None if version is None else version.text, "settings", some)
        cache.close()
        self.database = (self.cache / FILE).read_bytes()

    def read(self, cache: Path) -> int:
        """Read the facts, check that they are right, and return the number of files that were read."""
        facts, read = read_facts(self.wanted, READING, FactsCache(cache))
        assert list(facts) == list(self.facts)
        return sum(read)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take files that were written just now for old ones."""
    monkeypatch.setattr(facts_cache, "RACY", 0)


@pytest.fixture
def files(tmp_path: Path, settled: None) -> Files:
    return Files(tmp_path)


def flipped(content: bytes, place: int, bits: int) -> bytes:
    changed = bytearray(content)
    changed[place] ^= bits
    return bytes(changed)


def random_flips(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Yield the content with one bit, or one byte, changed."""
    random = np.random.default_rng(seed)
    for number in range(count):
        bits = 1 << int(random.integers(8)) if number % 2 else int(random.integers(1, 256))
        yield flipped(content, int(random.integers(len(content))), bits)


def header_flips(content: bytes) -> Iterator[bytes]:
    """Yield the content with each bit changed of the header of the database and of each of its pages."""
    size = int.from_bytes(content[16:18], "big")
    places = [*range(100), *(start + each for start in (100, *range(size, len(content), size)) for each in range(12))]
    for place in places:
        for bit in range(8):
            yield flipped(content, place, 1 << bit)


def read_all(files: Files, contents: Iterator[bytes], beside: dict[str, bytes] | None = None, file: str = FILE) -> int:
    """Read the facts with each of these contents of a file; return how many did not heal the database."""
    folder, unhealed = files.cache.with_name("damaged"), 0
    for content in contents:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, whole in (beside or {}).items():
            (folder / name).write_bytes(whole)
        (folder / file).write_bytes(content)
        files.read(folder)
        unhealed += files.read(folder) > 0
    return unhealed


def test_the_database_has_several_levels_of_pages(files: Files) -> None:
    with sqlite3.connect(files.cache / FILE) as database:
        pages = database.execute("PRAGMA page_count").fetchone()[0]
    assert pages > 10
    assert {content[0] for content in (files.database[start:] for start in range(4096, len(files.database), 4096))} >= {
        2,
        10,
    }


def test_flipped_bits_of_the_database_are_never_believed(files: Files) -> None:
    assert read_all(files, random_flips(files.database, 100, seed=0)) <= 1


def test_flipped_digits_and_words_of_the_facts_are_never_believed(files: Files) -> None:
    """Each of these flips leaves facts that are valid, but wrong."""
    places = []
    for facts in files.facts:
        start = files.database.index(facts.text())
        found = re.finditer(rb'": [1-9]|[1-9][,"}]|"(PNG|JPEG|RGB)', facts.text())
        places += [start + match.end() - (2 if match[0][:1].isdigit() else 1) for match in found]
    assert len(places) > 30
    assert read_all(files, (flipped(files.database, place, 1) for place in places)) == 0


def test_names_in_the_schema_that_are_not_utf_8_are_damage_too(files: Files) -> None:
    places = [files.database.index(word) + 1 for word in (b"facts", b"files", b"digest BLOB", b"path BLOB", b"CREATE")]
    assert read_all(files, (flipped(files.database, place, 0x80) for place in places)) == 0


@pytest.mark.slow
def test_2000_flips_and_all_headers_of_the_database_are_never_believed(files: Files) -> None:
    assert read_all(files, random_flips(files.database, 2000, seed=1)) < 20
    assert read_all(files, header_flips(files.database)) < 40


def interrupted(files: Files, mode: str) -> dict[str, bytes]:
    """Return the files of a database whose writer was killed in the middle of its work."""
    folder = files.cache.with_name(mode)
    shutil.copytree(files.cache, folder)
    writer = sqlite3.connect(folder / FILE, isolation_level=None)
    writer.execute(f"PRAGMA journal_mode = {mode}")
    writer.execute("PRAGMA cache_size = 1")
    writer.execute("BEGIN")
    writer.execute("UPDATE facts SET facts = CAST(replace(facts, '40', '41') AS BLOB)")
    if mode == "wal":
        writer.execute("COMMIT")
    found = {each.name: each.read_bytes() for each in folder.iterdir() if each.name.startswith(FILE)}
    writer.close()
    return found


@pytest.mark.parametrize(("mode", "ends"), [("delete", ["-journal"]), ("wal", ["-wal", "-shm"])])
@pytest.mark.parametrize("count", [20, pytest.param(300, marks=pytest.mark.slow)])
def test_flipped_bits_of_what_a_killed_writer_left_are_never_believed(
    files: Files, mode: str, ends: list[str], count: int
) -> None:
    left = interrupted(files, mode)
    assert all(left[FILE + end] for end in ends)
    for end in ("", *ends):
        assert read_all(files, random_flips(left[FILE + end], count, seed=2), left, FILE + end) == 0


@pytest.mark.parametrize("end", ["-journal", "-wal", "-shm"])
def test_garbage_beside_the_database_is_never_believed(files: Files, end: str) -> None:
    random = np.random.default_rng(3)
    garbage = (random.bytes(size) for size in (1, 31, 512, 5000, 100_000))
    assert read_all(files, garbage, {FILE: files.database}, FILE + end) == 0
    pages = (files.database[start : start + 20_000] for start in (0, 4096, 12288))
    assert read_all(files, pages, {FILE: files.database}, FILE + end) == 0


def test_a_database_that_is_cut_off_or_no_database_is_made_anew(files: Files) -> None:
    contents = [files.database[:size] for size in (0, 1, 15, 16, 99, 100, 512, 4095, 4096, 5000, 30_000)]
    contents += [b"not a database" * 99, b"\0" * 8192, files.database + b"\xff" * 4096]
    assert read_all(files, iter(contents)) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE files RENAME COLUMN version TO changed",
        "ALTER TABLE facts ADD COLUMN more",
        "DROP TABLE files",
        "DROP TABLE facts; CREATE TABLE facts (digest PRIMARY KEY)",
        "DROP TABLE facts; CREATE VIEW facts AS SELECT 1 AS digest, 2 AS settings, 3 AS facts, 4 AS sum",
        "CREATE TRIGGER other AFTER INSERT ON files BEGIN DELETE FROM facts; END",
        "CREATE TABLE other (a)",
    ],
)
def test_a_database_with_another_schema_is_made_anew(files: Files, statement: str) -> None:
    with sqlite3.connect(files.cache / FILE) as database:
        database.executescript(statement)
    assert files.read(files.cache) > 0
    assert files.read(files.cache) == 0


@pytest.mark.parametrize("end", ["", "-journal", "-wal"])
@pytest.mark.parametrize("what", ["folder", "pipe", "link"])
def test_what_is_no_file_in_the_place_of_the_database_is_set_aside(files: Files, end: str, what: str) -> None:
    place = files.cache / (FILE + end)
    place.unlink(missing_ok=True)
    outside = files.cache.with_name("outside")
    if what == "folder":
        place.mkdir()
        (place / "own").write_text("kept", encoding="utf-8")
    elif what == "pipe":
        os.mkfifo(place)
    else:
        outside.write_text("kept", encoding="utf-8")
        place.symlink_to(outside)
    files.read(files.cache)
    assert files.read(files.cache) == 0
    aside = next(files.cache.glob("set-aside-*")) / place.name
    if what != "pipe":
        assert (aside / "own" if what == "folder" else outside).read_text(encoding="utf-8") == "kept"


def test_a_database_that_another_process_locks_is_not_used(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts_database, "_WAIT", 0.01)
    with sqlite3.connect(files.cache / FILE, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert files.read(files.cache) == len(files.wanted)
    other.close()
    assert (files.cache / FILE).read_bytes() == files.database
    assert files.read(files.cache) == 0


def test_a_lock_in_the_middle_of_a_check_does_no_harm(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts_database, "_WAIT", 0.01)
    database = FactsDatabase(files.cache)
    row = (b"path", b"version", b"digest")
    with sqlite3.connect(files.cache / FILE, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        database.insert([row], [(b"digest", b"settings", b"facts")])
        assert database.select_files([b"path"], b"settings") == []
    other.close()
    assert files.read(files.cache) == 0


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the rights of a folder do not bind everyone")
def test_a_folder_that_is_read_only_is_read(files: Files) -> None:
    files.cache.chmod(0o500)
    try:
        assert files.read(files.cache) == 0
    finally:
        files.cache.chmod(0o700)


def test_a_cache_whose_folder_can_not_be_made_stays_empty(files: Files) -> None:
    files.cache.with_name("file").write_text("x", encoding="utf-8")
    for _ in range(2):
        assert files.read(files.cache.with_name("file") / "folder") == len(files.wanted)


@pytest.mark.parametrize("rounds", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_several_writers_without_locks_are_never_believed(
    files: Files, monkeypatch: pytest.MonkeyPatch, rounds: int
) -> None:
    """Network disks may have no locks, or keep them on each machine by itself."""
    whole = sqlite3.connect
    monkeypatch.setattr(
        facts_database.sqlite3, "connect", lambda file, **rest: whole(f"file:{file}?nolock=1", uri=True, **rest)
    )
    monkeypatch.setattr(facts_cache, "_BATCH", 2)
    folder = files.cache.with_name("shared")

    def check(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(rounds):
            if random.random() < 0.2:
                (folder / FILE).unlink(missing_ok=True)
            files.read(folder)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(check, range(4)))


def test_a_folder_that_is_removed_during_a_check_does_no_harm(files: Files) -> None:
    cache = FactsCache(files.cache)
    shutil.rmtree(files.cache)
    cache.add(files.wanted[0][0], version_of(files.wanted[0][0]), "settings", files.facts[0])
    cache.close()
    assert files.read(files.cache) == len(files.wanted)
    assert files.read(files.cache) == 0


def test_a_damaged_database_that_was_made_anew_meanwhile_is_not_removed(files: Files) -> None:
    damaged = FactsDatabase(files.cache)
    (files.cache / FILE).unlink()
    files.read(files.cache)
    damaged._renew(sqlite3.DatabaseError("damaged"))
    assert files.read(files.cache) == 0


def test_rows_of_other_files_are_not_believed(files: Files) -> None:
    """A row with a right checksum under the name or the digest of another file."""
    paths = [os.fsencode(path) for path, _ in files.wanted]
    with sqlite3.connect(files.cache / FILE) as database:
        database.execute("UPDATE files SET digest = (SELECT digest FROM files WHERE path = ?)", (paths[1],))
        database.execute("UPDATE facts SET facts = (SELECT facts FROM facts ORDER BY digest DESC LIMIT 1)")
    assert files.read(files.cache) == len(files.wanted)


# Facts --------------------------------------------------------------------------------------------------------------


def test_facts_come_back_as_they_were(files: Files) -> None:
    for facts in files.facts:
        assert Facts.of_text(facts.text()) == facts


@pytest.mark.parametrize(
    "changes",
    [
        {"digest": "a" * 63},
        {"digest": "A" * 64},
        {"problem": "none"},
        {"width": -1},
        {"width": 1.5},
        {"width": "1"},
        {"height": True},
        {"animated": 1},
        {"orientation": 9},
        {"values": [1.0] * 6},
        {"values": ["1"]},
        {"values": [float("nan")]},
        {"picture": "0"},
        {"classes": {"a": 1}},
        {"classes": {"1": -1}},
        {"classes": []},
        {"palette": {"1": "red"}},
        {"between": None},
        {"reason": 3},
        {"format": None},
    ],
)
def test_facts_with_a_wrong_field_are_not_facts(changes: dict[str, object]) -> None:
    facts = Facts(digest="0" * 64)
    for name, value in changes.items():
        object.__setattr__(facts, name, value)
    assert Facts.of_text(facts.text()) is None


@pytest.mark.parametrize("text", [b"", b"null", b"[]", b"{}", b"{", b"\xff", b'{"digest": ""}', b'{"other": 1}'])
def test_other_text_is_no_facts(text: bytes) -> None:
    assert Facts.of_text(text) is None
