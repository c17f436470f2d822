"""Lists of millions of images: what is kept of each is little, and gives back what was put in."""

from __future__ import annotations

import copy
import hashlib
import pickle
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tlkit import Sample
from tlkit.contracts import image_text
from tlkit.data.splits.assign import assign_splits
from tlkit.data.store.decoding import Digests
from tlkit.data.store.read_digests import ReadDigests, image_digests
from tlkit.recipe.input_table import InputTable
from tlkit.runs.samples import SampleRow, SamplesFile
from tlkit.system.columns import HexDigests, Places, Texts, digest_of_lines

DIGEST = hashlib.sha256(b"photo").hexdigest()


@pytest.mark.parametrize(
    "image", [Path("/photos/a/b.jpg"), Path("a/b.jpg"), Path("/a/b.jpg"), Path("/photos/c.jpg"), Path("b.jpg"), 5]
)
def test_a_sample_gives_back_the_image_it_was_made_with(image):
    sample = Sample("a/b.jpg", image, 3, split="train")
    assert sample.image == image
    assert type(sample.image) is type(image)
    assert image_text(sample) == (str(image) if isinstance(image, Path) else None)
    assert replace(sample, label=4).image == image
    assert pickle.loads(pickle.dumps(sample)) == copy.deepcopy(sample) == sample


def test_a_sample_keeps_the_path_of_its_image_only_as_far_as_its_key_does_not_say_it():
    samples = [Sample(f"a/{number}.jpg", Path(f"/photos/a/{number}.jpg")) for number in range(2)]
    kept = [Sample.__dict__["image"]._slot.__get__(each) for each in samples]
    assert kept == ["/photos/", "/photos/"]
    assert kept[0] is kept[1]
    assert sys.getsizeof(samples[0]) < 100


@pytest.mark.parametrize("key", ["a/b.jpg", "a//b.jpg", "./a.jpg", "../a.jpg", "/a.jpg", "a/./b.jpg", ".hidden.jpg"])
@pytest.mark.parametrize("folder", ["/photos", "photos", "/", "."])
def test_a_sample_below_a_folder_is_that_of_the_path(folder, key):
    assert Sample.below(folder, key, 1, "test", "g") == Sample(key, Path(folder) / key, 1, None, "test", "g")


def test_digests_and_texts_come_back_as_they_were():
    digests = [f"sha256:{DIGEST}", "", "sha256:aa", DIGEST, f"sha256:{DIGEST.upper()}", f"sha256:{DIGEST}0"]
    column = HexDigests(digests, prefix="sha256:")
    assert list(column) == digests
    assert column[-1] == digests[-1]
    assert column[1:3] == digests[1:3]
    with pytest.raises(IndexError):
        column[len(digests)]
    texts = [f"patient {number // 2}" for number in range(10)]
    assert list(Texts(texts)) == texts
    assert Texts(texts)[3:5] == texts[3:5]
    assert len({id(each) for each in Texts(texts)}) == 5


def test_texts_beyond_those_that_are_looked_up_come_back_as_they_were(monkeypatch):
    monkeypatch.setattr("tlkit.system.columns._MAX_KINDS", 3)
    texts = [f"patient {number % 7}" for number in range(20)]
    assert list(Texts(texts)) == texts


def test_keys_keep_their_places():
    places, known = Places(), {}
    for number in range(5000):
        key = f"{number * 7919 % 3000}.jpg"
        assert places.add(key) == (key not in known)
        known.setdefault(key, len(known))
    assert len(places) == len(known) == 3000
    assert list(places) == list(known)
    assert {key: places[key] for key in known} == known
    assert places.get("other.jpg") == -1
    with pytest.raises(KeyError):
        places["other.jpg"]


def test_some_digests_of_a_column_come_in_the_order_that_was_asked_for():
    digests = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(5)]
    read = ReadDigests()
    for number, digest in enumerate(digests):
        read.add(f"{number}.jpg", Digests(digest, digest, ""))
    chosen = read.whole(["3.jpg", "0.jpg", "4.jpg"])
    assert list(chosen) == [chosen[0], chosen[1], chosen[-1]] == [digests[3], digests[0], digests[4]]
    assert chosen == chosen[:]
    assert image_digests(read, ["1.jpg"]) == [digests[1]]
    read.add("masked.jpg", Digests(DIGEST, digests[0], digests[1]))
    assert image_digests(read, ["masked.jpg", "2.jpg"]) == [digests[0], digests[2]]


@pytest.mark.parametrize("grouped", [False, True])
def test_a_split_takes_few_bytes_for_each_sample(grouped):
    count = 50_000
    samples = [
        Sample.below("/photos", f"{number:06d}.jpg", number % 40, group=f"patient{number // 10}" if grouped else None)
        for number in range(count)
    ]
    strata = np.arange(count, dtype=np.int32) % 40
    assign_splits(samples[:1000], strata[:1000], InputTable(validation=0.1), 0)  # what it imports and compiles
    tracemalloc.start()
    assign_splits(samples, strata, InputTable(validation=0.1, test=0.1), 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150 * count


def test_read_digests_come_back_as_they_were():
    expected = {"a": Digests(DIGEST, DIGEST, ""), "b": Digests(DIGEST, "image", "mask"), "c": Digests("x", "x", "")}
    read = ReadDigests()
    for key, digests in expected.items():
        read.add(key, digests)
    assert dict(read) == expected


def test_the_rows_of_a_samples_csv_come_back_as_they_were(tmp_path):
    paths = ["/photos/a.jpg", "a.jpg", "/elsewhere/b.jpg", ""]
    rows = [SampleRow("a.jpg", path, split="train", digest=f"sha256:{DIGEST}") for path in paths]
    for row in rows:
        file = SamplesFile(tmp_path / "samples.csv")
        file.write([row])
        assert dict(file.read_used()) == {"a.jpg": row}


@pytest.mark.parametrize("lines", [[], ["a"], ["a", "", "b"]])
def test_lines_have_the_digest_of_their_text(lines):
    assert digest_of_lines(iter(lines)) == hashlib.sha256("\n".join(lines).encode()).hexdigest()
