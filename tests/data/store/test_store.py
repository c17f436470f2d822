"""The store: images are decoded once and cached for later runs; damaged cached images are decoded again."""

from __future__ import annotations

import errno
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from tlkit import DataError, MaskTable, Sample, SampleSet
from tlkit.data.images import source
from tlkit.data.images.decode import decode_image, fit_image
from tlkit.data.store import pool, rows
from tlkit.data.store.decoding import Decoding
from tlkit.data.store.shards import release, write_shard
from tlkit.data.store.store import fill_store
from tlkit.system import cache as disk_cache


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def photos(tmp_path):
    """Makes a sample set of small images of noise, optionally with masks."""

    def make(count=7, *, masks=False, first=0):
        samples = []
        for number in range(first, first + count):
            random = np.random.default_rng(number)
            file, mask = tmp_path / f"{number}.png", tmp_path / f"{number}-mask.png"
            Image.fromarray(random.integers(0, 256, (30, 20 + number, 3), dtype=np.uint8)).save(file)
            Image.fromarray(random.integers(0, 3, (30, 20 + number), dtype=np.uint8)).save(mask)
            samples.append(Sample(file.name, file, mask=mask) if masks else Sample(file.name, file, label=0))
        table = MaskTable({0: 0, 1: 1, 2: 0}) if masks else None
        return SampleSet(tuple(samples), ("a", "b"), mask_table=table)

    return make


@pytest.fixture
def decoded(monkeypatch):
    """The names of the files that are decoded."""
    names = []
    original = source.decode_to_size
    monkeypatch.setattr(source, "decode_to_size", lambda path, *rest: names.append(path.name) or original(path, *rest))
    return names


def fill(found, folder, **options):
    folder.mkdir(exist_ok=True)
    return fill_store(found, Decoding((16, 12), "stretch"), folder, **{"cache": True, **options})


def expected(found):
    return np.stack([fit_image(decode_image(each.image), (16, 12), "stretch") for each in found.samples])


def test_images_are_those_of_the_files_in_the_order_of_the_samples(photos, tmp_path):
    found = photos()
    store, used, aside, notes = fill(found, tmp_path / "run", cache=False)
    np.testing.assert_array_equal(store.images[np.arange(7)], expected(found))
    np.testing.assert_array_equal(store.images[3], expected(found)[3])
    assert store.images.shape == (7, 16, 12, 3)
    assert store.sizes.tolist() == [[30, 20 + number] for number in range(7)]
    assert (used, aside, notes) == (found.samples, (), ())


def test_a_later_run_decodes_only_what_is_new(photos, tmp_path, decoded, monkeypatch):
    monkeypatch.setattr(pool, "_SHARD_BYTES", 3 * 16 * 12 * 3)
    fill(photos(5), tmp_path / "one")
    assert len(decoded) == 5
    decoded.clear()
    found = photos(4, first=3)
    store, *_ = fill(found, tmp_path / "two")
    assert sorted(decoded) == ["5.png", "6.png"]
    np.testing.assert_array_equal(store.images[np.array([3, 0, 2, 1])], expected(found)[[3, 0, 2, 1]])
    assert store.sizes[:, 1].tolist() == [23, 24, 25, 26]
    assert not list((tmp_path / "two").iterdir())


def test_other_settings_use_other_cached_images(photos, tmp_path, decoded):
    fill(photos(2), tmp_path / "run")
    fill(photos(2, masks=True), tmp_path / "run")
    fill_store(photos(2), Decoding((16, 12), "pad"), tmp_path / "run", cache=True)
    fill_store(photos(2), Decoding((12, 16), "stretch"), tmp_path / "run", cache=True)
    assert len(decoded) == 8


def test_a_changed_file_is_decoded_again(photos, tmp_path, decoded):
    fill(photos(3), tmp_path / "run")
    decoded.clear()
    found = photos(3)
    Image.new("RGB", (21, 30), "red").save(found.samples[1].image)
    store, *_ = fill(found, tmp_path / "run")
    assert decoded == ["1.png"]
    np.testing.assert_array_equal(store.images[np.arange(3)], expected(found))


def test_a_changed_mask_is_decoded_again(photos, tmp_path, decoded):
    fill(photos(3, masks=True), tmp_path / "run")
    decoded.clear()
    found = photos(3, masks=True)
    Image.new("L", (21, 30), 1).save(found.samples[1].mask)
    store, *_ = fill(found, tmp_path / "run")
    assert decoded == ["1.png"]
    assert (store.masks[1] == 1).all()


def test_a_damaged_shard_is_named_removed_and_decoded_again_once(photos, tmp_path, cache, decoded):
    found = photos(3)
    fill(found, tmp_path / "run")
    (file,) = (cache / "images").rglob("*.shard")
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(content)
    decoded.clear()
    store, _, _, notes = fill(found, tmp_path / "run")
    assert len(decoded) == 3
    np.testing.assert_array_equal(store.images[np.arange(3)], expected(found))
    assert notes == (f"cached images could not be used, so they were decoded again: {file}: its checksum differs",)
    assert not file.exists()
    decoded.clear()
    _, _, _, notes = fill(found, tmp_path / "run")
    assert (decoded, notes) == ([], ())


def test_no_flipped_bit_of_a_header_gives_a_wrong_image_or_size(photos, tmp_path, cache, monkeypatch):
    found = photos(2, masks=True)
    whole, *_ = fill(found, tmp_path / "run")
    (file,) = (cache / "images").rglob("*.shard")
    settings, content = file.parent.name.split("-")[0], file.read_bytes()
    monkeypatch.setattr(pool.Pool, "_drop", lambda self, error: self.unusable.append(error))
    used = []
    with file.open("r+b", buffering=0) as stream:
        for place, byte in enumerate(content[: len(content) - 2 * 16 * 12 * 4]):
            for bit in range(8):
                os.pwrite(stream.fileno(), bytes([byte ^ 1 << bit]), place)
                flipped = pool.Pool(cache / "images", (16, 12), with_masks=True, settings=settings)
                used += [each for each in whole.digests if flipped.find(each) is not None]
                assert len(flipped.unusable) == 1
            os.pwrite(stream.fileno(), bytes([byte]), place)
    assert used == []


def test_an_undamaged_copy_is_used_in_place_of_a_damaged_one(photos, tmp_path, cache, decoded):
    found = photos(2)
    fill(found, tmp_path / "run")
    (file,) = (cache / "images").rglob("*.shard")
    settings = file.parent.name.split("-")[0]
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    for name, damaged in (("-0", content), ("~", content)):
        other = file.parents[1] / f"{settings}-{name}"
        other.mkdir()
        (other / "0000.shard").write_bytes(damaged)
    decoded.clear()
    store, *_ = fill(found, tmp_path / "run")
    assert decoded == []
    np.testing.assert_array_equal(store.images[np.arange(2)], expected(found))


def test_a_shard_of_other_settings_is_not_used(photos, tmp_path, cache, decoded):
    found = photos(2)
    fill(found, tmp_path / "run")
    (stretched,) = (cache / "images").rglob("*.shard")
    fill_store(found, Decoding((16, 12), "pad"), tmp_path / "run", cache=True)
    (padded,) = set((cache / "images").rglob("*.shard")) - {stretched}
    stretched.write_bytes(padded.read_bytes())
    decoded.clear()
    store, _, _, notes = fill(found, tmp_path / "run")
    assert len(decoded) == 2
    np.testing.assert_array_equal(store.images[np.arange(2)], expected(found))
    assert "belongs to something else" in notes[0]


@pytest.mark.parametrize("note", [{}, {"digests": ["ab"]}, {"sizes": [[0, 1]]}, {"sizes": [[30.5, 1]]}, {"sizes": []}])
def test_a_note_that_is_not_as_expected_is_not_used(photos, tmp_path, cache, decoded, note):
    found = photos(1)
    store, *_ = fill(found, tmp_path / "run")
    (file,) = (cache / "images").rglob("*.shard")
    settings = file.parent.name.split("-")[0]
    whole = {"digests": list(store.digests), "sizes": [[30, 20]]} if note else {}
    write_shard(file.parent, "0000", settings, {"images": expected(found) + 1}, {**whole, **note})
    again, _, _, notes = fill(found, tmp_path / "run")
    np.testing.assert_array_equal(again.images[np.arange(1)], expected(found))
    assert again.sizes.tolist() == [[30, 20]]
    assert "its header is not as expected" in notes[0] or "other shapes" in notes[0]


def test_a_folder_or_pipe_in_the_place_of_a_shard_is_named_and_left_alone(photos, tmp_path, cache, decoded):
    found = photos(2)
    fill(found, tmp_path / "run")
    (file,) = (cache / "images").rglob("*.shard")
    file.unlink()
    for make in (file.mkdir, lambda: os.mkfifo(file)):
        make()
        decoded.clear()
        store, _, _, notes = fill(found, tmp_path / "run")
        np.testing.assert_array_equal(store.images[np.arange(2)], expected(found))
        assert "Is a directory" in notes[0] or "is not a file" in notes[0]
        (file.rmdir if file.is_dir() else file.unlink)()
        assert len(decoded) in (0, 2)


@pytest.mark.parametrize("act", [disk_cache.clear, lambda: disk_cache.set_limit(0)], ids=["clear", "limit 0"])
def test_a_cache_that_is_cleared_while_images_are_decoded_changes_nothing(
    photos, tmp_path, cache, decoded, monkeypatch, act
):
    monkeypatch.setattr(pool, "_SHARD_BYTES", 2 * 16 * 12 * 3)
    add = pool.Pool.add

    def cleared(each, image):
        act()
        return add(each, image)

    monkeypatch.setattr(pool.Pool, "add", cleared)
    found = photos(7)
    store, _, _, notes = fill(found, tmp_path / "run")
    np.testing.assert_array_equal(store.images[np.arange(7)], expected(found))
    assert (len(decoded), notes) == (7, ())


def test_a_cache_folder_that_is_removed_while_images_are_decoded_changes_nothing(photos, tmp_path, cache, monkeypatch):
    monkeypatch.setattr(pool, "_SHARD_BYTES", 2 * 16 * 12 * 3)
    add = pool.Pool.add

    def removed(each, image):
        shutil.rmtree(cache, ignore_errors=True)
        return add(each, image)

    monkeypatch.setattr(pool.Pool, "add", removed)
    found = photos(7)
    store, *_ = fill(found, tmp_path / "run")
    np.testing.assert_array_equal(store.images[np.arange(7)], expected(found))


def test_cached_images_of_an_older_version_are_neither_used_nor_touched(photos, tmp_path, cache, decoded):
    found = photos(2)
    store, *_ = fill(found, tmp_path / "run")
    (file,) = (cache / "images").rglob("*.shard")
    file.unlink()
    older = file.with_name("0000-images.npy")
    np.save(older, expected(found) + 1)
    note = {"digests": list(store.digests), "sizes": store.sizes.tolist(), "crc32": {"images": 0}}
    file.with_name("0000.json").write_text(json.dumps(note))
    decoded.clear()
    store, _, _, notes = fill(found, tmp_path / "run")
    np.testing.assert_array_equal(store.images[np.arange(2)], expected(found))
    assert (len(decoded), notes) == (2, ())
    assert older.exists()


def test_a_killed_run_leaves_whole_shards_that_the_next_run_uses(photos, tmp_path, decoded, monkeypatch):
    monkeypatch.setattr(pool, "_SHARD_BYTES", 2 * 16 * 12 * 3)
    written = []

    def killed(*arguments):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(arguments)
        return write(*arguments)

    write = pool.write_shard
    with monkeypatch.context() as patch:
        patch.setattr(pool, "write_shard", killed)
        with pytest.raises(KeyboardInterrupt):
            fill(photos(7), tmp_path / "run")
    assert [each.about for each in disk_cache.cache_entries()] == ["unfinished"]
    decoded.clear()
    found = photos(7)
    store, *_ = fill(found, tmp_path / "run")
    assert len(decoded) == 3
    np.testing.assert_array_equal(store.images[np.arange(7)], expected(found))


def test_a_limit_that_is_too_small_is_noted_and_nothing_is_cached(photos, tmp_path):
    disk_cache.set_limit(1e-6)
    _, _, _, notes = fill(photos(), tmp_path / "run")
    assert notes == (
        "decoded images are not cached for later runs: they take 4.0 kB, but tlkit cache limit allows 1.0 kB",
    )
    assert disk_cache.cache_entries() == []
    assert list((tmp_path / "run").glob("*/*.shard"))


def test_a_full_disk_of_the_cache_is_noted_and_the_run_continues(photos, tmp_path, cache, monkeypatch):
    write = pool.write_shard

    def full(folder, *rest):
        if cache in folder.parents:
            raise OSError(errno.ENOSPC, "No space left on device", str(folder))
        return write(folder, *rest)

    monkeypatch.setattr(pool, "write_shard", full)
    found = photos()
    store, _, _, notes = fill(found, tmp_path / "run")
    assert "No space left on device" in notes[0]
    assert disk_cache.cache_entries() == []
    np.testing.assert_array_equal(store.images[np.arange(7)], expected(found))


def test_a_full_disk_of_the_run_folder_names_the_folder(photos, tmp_path, monkeypatch):
    def full(folder, *rest):
        raise OSError(errno.ENOSPC, "No space left on device", str(folder))

    monkeypatch.setattr(pool, "write_shard", full)
    with pytest.raises(DataError, match=r"run.*: can't be written: No space left on device"):
        fill(photos(), tmp_path / "run", cache=False)


def test_images_of_arrays_are_not_cached(tmp_path):
    images = np.zeros((4, 8, 8), np.uint8)
    found = SampleSet(tuple(Sample(str(row), row, label=0) for row in range(4)), ("a", "b"), images=images)
    fill(found, tmp_path / "run")
    assert disk_cache.cache_entries() == []


def test_files_that_can_not_be_decoded_are_set_aside_in_every_run(photos, tmp_path):
    found = photos(3)
    found.samples[1].image.write_bytes(b"no image")
    for _ in range(2):
        store, used, aside, _ = fill(found, tmp_path / "run")
        assert [each.key for each in used] == ["0.png", "2.png"]
        assert [each.key for each in aside] == ["1.png"]
        assert len(store.images) == 2


def test_mapped_pages_are_released_and_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "MAPPED_BYTES", 100)
    monkeypatch.setattr(rows, "AROUND_BYTES", 0)
    released = []
    monkeypatch.setattr(rows, "release", lambda values: released.append(values) or release(values))
    values = np.arange(400, dtype=np.uint8).reshape(20, 20)
    shard = write_shard(tmp_path, "0000", "a test", {"images": values}, {})
    found = rows.Rows([shard.arrays["images"]], np.stack([np.zeros(20, np.int64), np.arange(20)], 1))
    row = found[3]
    for _ in range(3):
        np.testing.assert_array_equal(found[np.arange(6)], values[:6])
    assert len(released) == 3
    np.testing.assert_array_equal(row, values[3])
