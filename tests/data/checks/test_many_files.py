"""A check of millions of files keeps little of each, and gives back what was put in."""

from __future__ import annotations

import hashlib
import tracemalloc
from array import array
from pathlib import Path

import pytest

from tlkit import Sample, SampleSet
from tlkit.data.checks.facts import Facts
from tlkit.data.checks.facts_column import FactsColumn
from tlkit.data.checks.folder_check import FolderCheck
from tlkit.data.checks.repeated import different, repeated_hashes
from tlkit.data.checks.sample_facts import KeyedFacts
from tlkit.system.columns import HexDigests, Places
from tlkit.system.keyed import Blobs, Keyed


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


FACTS = [
    Facts(digest(0), format="JPEG", mode="RGB", width=500, height=375, picture=digest(9)),
    Facts(digest(1), format="JPEG", mode="RGB", width=37, height=500, picture=digest(8)),
    Facts(digest(2), format="PNG", mode="I;16", width=1, height=2, values=(65535.0, 1.0, 2.0, 3.0, 4.0), nan=True),
    Facts(digest(3), format="PNG", mode="P", width=8, height=8, classes={"1": 64}, between=3, palette={"0": "#00ff00"}),
    Facts(problem="unreadable", reason="no such file"),
    Facts(digest(4), problem="truncated", reason="can't be decoded", animated=True, orientation=6, constant=True),
]


def test_facts_come_back_as_they_were():
    column = FactsColumn(2)
    column[1], column[0] = FACTS[0], FACTS[1]
    assert [column.append(each) for each in FACTS] == [2, 3, 4, 5, 6, 7]
    assert list(column) == [FACTS[1], FACTS[0], *FACTS]
    column[0] = FACTS[4]
    assert column[0] == FACTS[4]
    assert column[-1] == FACTS[-1]
    assert column[1:3] == [FACTS[0], FACTS[0]]
    assert [column.digests[0], column.digests[1]] == ["", digest(0)]
    assert column.kind(4).values == FACTS[2].values


def test_facts_without_a_value_are_not_those_of_an_earlier_file():
    column = FactsColumn(1)
    assert list(column) == [Facts()]


def test_facts_take_few_bytes_for_each_file():
    count = 20_000
    tracemalloc.start()
    column = FactsColumn(count)
    for place in range(count):
        sizes = {"width": 300 + place % 1000, "height": 400 + place % 777}
        column[place] = Facts(digest(place), format="JPEG", mode="RGB", picture=digest(-place), **sizes)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(column) == count
    assert kept < 100 * count


def test_values_are_found_by_their_keys():
    keys = Places(["a", "b", "c"])
    assert dict(Keyed(keys, [1, 2, 3])) == {"a": 1, "b": 2, "c": 3}
    some = Keyed(keys, ["x", "y"], array("q", [1, -1, 0]))
    assert dict(some) == {"a": "y", "c": "x"}
    assert some == {"a": "y", "c": "x"}
    assert (len(some), "b" in some, some.get("b", "none"), some.get("a")) == (2, False, "none", "y")
    for key in ("b", "z"):
        with pytest.raises(KeyError):
            some[key]


def test_facts_are_found_by_the_keys_of_samples():
    column = FactsColumn(2)
    column[0], column[1] = FACTS[0], FACTS[2]
    facts = KeyedFacts(Places(["a", "b", "c"]), column, array("q", [1, 0, 1]))
    assert dict(facts) == {"a": FACTS[2], "b": FACTS[0], "c": FACTS[2]}
    assert dict(facts.digests()) == {"a": digest(2), "b": digest(0), "c": digest(2)}
    assert facts.rows_of(iter("cb")).tolist() == [1, 0]
    assert facts.kind("b").format == "JPEG"


def test_pieces_of_bytes_come_back_as_they_were():
    pieces = [b"one", b"", b"three"]
    assert list(Blobs(pieces)) == pieces
    assert Blobs(pieces)[1:] == pieces[1:]
    assert Blobs(pieces)[-1] == b"three"


def test_a_digest_takes_the_place_of_another():
    column = HexDigests(["", digest(1), "no digest", "0" * 64])
    column[0], column[2] = digest(5), digest(6)
    assert list(column) == [digest(5), digest(1), digest(6), "0" * 64]
    column[3] = ""
    assert list(HexDigests(empty=2)) == ["", ""]
    assert column[3] == ""


@pytest.mark.parametrize("texts", [[], ["a"], ["a", "b"], ["a", "b", "a"], ["a"] * 4])
def test_texts_are_counted_once(texts):
    assert different(lambda: iter(texts)) == len(set(texts))
    assert repeated_hashes(texts) == {hash(each) for each in texts if texts.count(each) > 1}


def test_each_file_counts_once_by_whatever_name_a_sample_has_it(tmp_path: Path):
    for name in ("a/1.png", "a/2.png", "b/3.png", "b/notes.txt", "c/4.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    samples = (
        Sample("a/1.png", tmp_path / "a/1.png", 0),
        Sample("a/2.png", tmp_path / "a/2.png", 0),
        Sample("again", tmp_path / "a/2.png", 1),
        Sample("three", tmp_path / "b/3.png", 1),
    )
    check = FolderCheck(SampleSet(samples, ("x", "y"), root=tmp_path), "classification")
    left = [tmp_path / "b/notes.txt", tmp_path / "c/4.png"]
    assert sorted(check.scan.files) == [str(each) for each in left]
    counts = check.count({"a/1.png": "damaged", "again": "a copy"})
    assert (counts.used, counts.left_out, dict(counts.set_aside)) == (2, 2, {"a/1.png": "damaged"})
    shown = {(each.kind, each.key, each.detail) for each in check.observations()}
    assert ("empty_folder", "c", "none of the files in it is used: 1") in shown
