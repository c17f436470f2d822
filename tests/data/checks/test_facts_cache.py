"""The cached facts of files: what happens to the database, no check ends for it, and none believes a wrong fact."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
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
from tlkit.data.checks.file_facts import FactsReading, WantedFile, read_facts
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
            cache.add(folder / f"other{number}.png", version_of(self.wanted[0][0]), "settings", some)
        cache.close()
        self.database = (self.cache / FILE).read_bytes()

    def read(self, cache: Path) -> int:
        """Read the facts, check that they are right, and return the number of files that were read."""
        facts, read = read_facts(self.wanted, READING, FactsCache(cache))
        assert facts == self.facts
        return read


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
    assert read_all(files, random_flips(files.database, 100, seed=0)) == 0


@pytest.mark.slow
def test_2000_flips_and_all_headers_of_the_database_are_never_believed(files: Files) -> None:
    assert read_all(files, random_flips(files.database, 2000, seed=1)) == 0
    assert read_all(files, header_flips(files.database)) == 0
