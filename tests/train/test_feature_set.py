"""Cached features: whatever lies in the place of a shard, the features are those that the frozen part computes."""

from __future__ import annotations

import json
import os
import shutil
import threading

import numpy as np
import pytest

from tlkit.data.store import shards
from tlkit.system import cache as disk_cache
from tlkit.train import feature_set
from tlkit.train.feature_set import FeatureSet

ROWS = np.arange(10)
BATCH = 2


class Part:
    """Stands in for a frozen part: three numbers for each image, from its row."""

    shapes = ((3,),)
    bytes_per_image = 12
    calls = 0

    def __call__(self, images):
        Part.calls += len(images)
        return [np.stack([images, images + 0.5, -images], 1).astype(np.float32)]


class Feed:
    """Stands in for a feed: an image is the number of its row."""

    batch_size = BATCH
    targets = ("labels",)

    def epoch(self, order, _seeds=None, start=0):
        for first in range(start * BATCH, len(order), BATCH):
            rows = order[first : first + BATCH]
            yield {"images": rows.astype(np.float64), "index": rows, "labels": (rows * 7).astype(np.int32)}


EXPECTED = np.stack([ROWS, ROWS + 0.5, -ROWS], 1).astype(np.float32)


@pytest.fixture
def features(tmp_path, monkeypatch):
    """Makes a set of features in shards of four images."""
    monkeypatch.setattr(feature_set, "_SHARD_BATCHES", 2)
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path / "cache"))
    folder = disk_cache.features_folder() / "set"
    monkeypatch.setattr(Part, "calls", 0)

    def make(key="a key", seeds=None):
        return FeatureSet(folder, Part(), Feed(), ROWS, seeds, key=key, about="a test")

    return make


def filled(each):
    each.fill()
    np.testing.assert_array_equal(each.batch(ROWS)["feature0"], EXPECTED)
    return each


def test_features_that_others_compute_fill_the_same_shards(features):
    filled(features())
    expected = {file.name: file.read_bytes() for file in features().folder.glob("*.shard")}
    assert len(expected) == 3
    (features().folder / "0000.shard").unlink()
    (features().folder / "0002.shard").unlink()
    sent = []

    def compute(batches, count):
        assert count == 3
        for images in batches:
            sent.append(images)
            yield Part()(images.astype(np.float64))

    again = features()
    assert again.fill(compute=compute) == 6
    assert [each.tolist() for each in sent] == [[0, 1], [2, 3], [8, 9]]
    assert {each.dtype for each in sent} == {np.dtype(np.uint8)}
    assert {file.name: file.read_bytes() for file in again.folder.glob("*.shard")} == expected


def test_no_flipped_bit_of_a_file_gives_a_wrong_feature(features):
    filled(features())
    file = features().folder / "0001.shard"
    with file.open("r+b", buffering=0) as stream:
        for place, byte in enumerate(file.read_bytes()):
            for bit in range(8):
                os.pwrite(stream.fileno(), bytes([byte ^ 1 << bit]), place)
                flipped = features()
                assert flipped._usable(1) is None
                assert len(flipped.unusable) == 1
            os.pwrite(stream.fileno(), bytes([byte]), place)
    assert features()._usable(1) is not None


def test_two_shards_that_were_exchanged_are_computed_again_and_named(features):
    folder = filled(features()).folder
    one, other = folder / "0000.shard", folder / "0001.shard"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    again = filled(features())
    assert [each.file for each in again.unusable] == [one, other]
    assert "belongs to something else" in str(again.unusable[0])
    assert (one.read_bytes(), other.read_bytes()) == (first, second)


def test_features_of_another_key_in_the_same_folder_are_computed_again(features):
    filled(features())
    assert features("another key").missing == len(ROWS)
    assert len(filled(features("another key")).unusable) == 3


def test_arrays_of_other_shapes_or_types_are_computed_again(features):
    folder = filled(features()).folder
    for arrays in (
        {"feature0": np.zeros((4, 2), np.float32)},
        {"feature0": np.zeros((4, 3), np.float64)},
        {"feature0": np.zeros((3, 3), np.float32)},
        {"feature0": np.zeros((4, 3), np.float32), "feature1": np.zeros((4, 3), np.float32)},
        {"other": np.zeros((4, 3), np.float32)},
        {},
    ):
        shards.write_shard(folder, "0001", "a key 0001", arrays, {})
        assert len(filled(features()).unusable) == 1
    assert features(seeds=np.zeros((5, 2), np.int32)).missing == len(ROWS)


def test_a_folder_or_pipe_in_the_place_of_a_shard_is_an_error_of_the_system_or_replaced(features):
    folder = filled(features()).folder
    file = folder / "0001.shard"
    file.unlink()
    os.mkfifo(file)
    assert "is not a file" in str(filled(features()).unusable[0])
    file.unlink()
    file.mkdir()
    with pytest.raises(OSError, match=r"0001\.shard"):
        features().fill()


@pytest.mark.parametrize(
    "act",
    [
        disk_cache.clear,
        lambda: disk_cache.set_limit(0),
        lambda: shutil.rmtree(disk_cache.cache_folder(), ignore_errors=True),
    ],
    ids=["clear", "limit 0", "removed"],
)
def test_a_cache_that_is_cleared_while_features_are_computed_changes_nothing(features, monkeypatch, act):
    calling = Part.__call__
    monkeypatch.setattr(Part, "__call__", lambda part, images: (act(), calling(part, images))[1])
    filled(features())
    assert Part.calls == len(ROWS)


def test_features_that_were_read_stay_when_the_cache_is_cleared(features):
    filled(features())
    each = filled(features())
    disk_cache.clear()
    np.testing.assert_array_equal(each.batch(ROWS[::-1])["feature0"], EXPECTED[::-1])
    assert Part.calls == len(ROWS)


def test_several_processes_may_fill_the_same_features(features):
    """Threads stand in for processes: they share nothing but the folder."""
    sets, errors = [features() for _ in range(6)], []

    def fill(each):
        try:
            for _ in range(5):
                filled(each)
                each._arrays.clear()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=fill, args=(each,)) for each in sets]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert errors == []
    assert not [each for each in sets if each.unusable]
    assert sorted(each.name for each in sets[0].folder.iterdir()) == [
        "0000.shard",
        "0001.shard",
        "0002.shard",
        "about.txt",
    ]


def test_features_of_an_older_version_are_neither_used_nor_touched(features):
    folder = features().folder
    folder.mkdir(parents=True)
    for number in range(3):
        np.save(folder / f"{number:04d}-feature0.npy", np.zeros((4, 3), np.float32))
        (folder / f"{number:04d}.json").write_text(json.dumps({"images": 4, "crc32": {"feature0": 0}}))
    assert filled(features()).unusable == []
    assert len(list(folder.glob("*.npy"))) == 3
