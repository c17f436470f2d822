"""Files that were replaced by others of the same length and time, and files that change while they are read."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from recipe_text import recipe_text

from tlkit import DataError
from tlkit.data.checks import facts_cache
from tlkit.data.checks.check import Checked
from tlkit.data.images import picture
from tlkit.data.images.decode import decode_to_size
from tlkit.data.run_data import Data
from tlkit.data.store import decoding
from tlkit.jobs.from_recipe import check_data, open_data, open_full_size
from tlkit.recipe.load import parse_recipe
from tlkit.registry import Registry
from tlkit.runs.samples import SamplesFile

STAMP = 1_600_000_000


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cache in a folder of this test, and take files that were written just now for old ones."""
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(facts_cache, "RACY", 0)


@pytest.fixture
def only_size_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files have nothing but their size and modification time, as on file systems that keep no more."""
    whole = Path.stat

    def stat(path: Path, **options: bool) -> os.stat_result:
        status = whole(path, **options)
        return os.stat_result((*status[:1], 1, *status[2:9], 1), {"st_mtime_ns": status.st_mtime_ns, "st_ctime_ns": 1})

    monkeypatch.setattr(facts_cache.Path, "stat", stat)


def image(seed: int, side: int = 40) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8))


def put(file: Path, seed: int) -> None:
    """Write an uncompressed image, always of the same length and time."""
    image(seed).save(file, "BMP")
    os.utime(file, (STAMP, STAMP))


def photos(root: Path, per_class: int = 15) -> Path:
    for number, label in enumerate(("cat", "dog")):
        (root / label).mkdir(parents=True)
        for place in range(per_class):
            put(root / label / f"{place:02d}.bmp", 100 * number + place)
    return root


def masks(root: Path, count: int = 20) -> Path:
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for number in range(count):
        put(root / "images" / f"{number:02d}.bmp", number)
        put_mask(root / "masks" / f"{number:02d}.bmp", number)
    return root


def put_mask(file: Path, seed: int) -> None:
    Image.fromarray(np.random.default_rng(seed).integers(0, 2, (40, 40), np.uint8)).save(file, "BMP")
    os.utime(file, (STAMP, STAMP))


Open = Callable[..., Data]


@pytest.fixture
def opened(registry: Registry, tmp_path: Path) -> Open:
    def make(data: dict[str, object], *overrides: str, task: str = "classification") -> Data:
        head = {"name": "unet"} if task == "segmentation" else {}
        text = recipe_text(name="x", task=task, data=data, **({"head": head} if head else {}))
        recipe = parse_recipe(text, registry, ["input.image_size=16", "input.max_bad_share=1.0", *overrides])
        (tmp_path / "store").mkdir(exist_ok=True)
        return open_data(recipe, tmp_path / "store")

    return make


def divided(data: Data) -> list[str]:
    """Return the digests of the images that stand in several splits."""
    splits = defaultdict(set)
    for sample, split in zip(data.samples, data.splits.tolist(), strict=True):
        splits[data.store.read[sample.key].image].add(split)
    return [digest for digest, its in splits.items() if len(its) > 1]


def copies(root: Path) -> None:
    """Replace pictures by copies of pictures that stand in another split before."""
    for number, label in enumerate(("cat", "dog")):
        for place in range(8):
            put(root / label / f"{place:02d}.bmp", 100 * number + place + 7)


def checked(data: Data) -> Checked:
    """Return the result of the check of the files."""
    assert data.checked is not None
    return data.checked


def again(data: Data) -> bool:
    return any("checked again" in note for note in data.notes)


def test_replaced_files_of_the_same_length_and_time_are_read_again(opened: Open, tmp_path: Path) -> None:
    recipe = {"name": "folder", "path": photos(tmp_path / "photos")}
    opened(recipe)
    copies(tmp_path / "photos")
    data = opened(recipe)
    assert (divided(data), again(data)) == ([], False)
    assert checked(data).kept == 14


@pytest.mark.parametrize("how", ["move", "copy", "rewrite"])
def test_a_file_is_known_by_its_inode_and_the_time_that_the_system_keeps(
    opened: Open, tmp_path: Path, how: str
) -> None:
    file = photos(tmp_path / "photos") / "cat" / "00.bmp"
    recipe = {"name": "folder", "path": tmp_path / "photos"}
    opened(recipe)
    put(tmp_path / "other.bmp", 500)
    if how == "move":
        (tmp_path / "other.bmp").replace(file)
    elif how == "copy":
        shutil.copy2(tmp_path / "other.bmp", file)
    else:
        put(file, 500)
    data = opened(recipe)
    assert (checked(data).kept, again(data)) == (29, False)


@pytest.mark.usefixtures("only_size_and_time")
def test_copies_stay_in_one_split_where_only_size_and_time_are_known(opened: Open, tmp_path: Path) -> None:
    recipe = {"name": "folder", "path": photos(tmp_path / "photos")}
    opened(recipe)
    copies(tmp_path / "photos")
    data = opened(recipe)
    assert (divided(data), again(data)) == ([], True)
    assert checked(data).digests == {key: each.image for key, each in data.store.read.items()}
    data = opened(recipe)
    assert (divided(data), again(data)) == ([], False)
    assert checked(data).kept == 30


@pytest.mark.usefixtures("only_size_and_time")
@pytest.mark.parametrize("cache", ["auto", "off"])
def test_copies_of_images_with_masks_stay_in_one_split(opened: Open, tmp_path: Path, cache: str) -> None:
    root = masks(tmp_path / "masks")
    recipe = {
        "name": "masks", "images": root / "images", "masks": root / "masks", "values": {"0": "a", "1": "b"}
    }  # fmt: skip
    opened(recipe, f"train.cache={cache}", task="segmentation")
    for place in range(10):
        put(root / "images" / f"{place:02d}.bmp", place + 9)
        put_mask(root / "masks" / f"{place:02d}.bmp", 50 + place)
    data = opened(recipe, f"train.cache={cache}", task="segmentation")
    assert (divided(data), again(data)) == ([], True)


@pytest.mark.usefixtures("only_size_and_time")
def test_replaced_masks_are_checked_again(opened: Open, tmp_path: Path) -> None:
    root = masks(tmp_path / "masks")
    recipe = {
        "name": "masks", "images": root / "images", "masks": root / "masks", "values": {"0": "a", "1": "b"}
    }  # fmt: skip
    opened(recipe, task="segmentation")
    bad = Image.fromarray(np.full((40, 40), 7, np.uint8))
    bad.save(root / "masks" / "03.bmp", "BMP")
    os.utime(root / "masks" / "03.bmp", (STAMP, STAMP))
    data = opened(recipe, task="segmentation")
    assert [each.key for each in data.set_aside] == ["03.bmp"]
    assert [each.kind for each in checked(data).report.findings if each.key == "03.bmp"] == ["mask_values"]


@pytest.mark.usefixtures("only_size_and_time")
def test_a_file_that_was_set_aside_and_is_whole_now_is_used(opened: Open, tmp_path: Path) -> None:
    file = photos(tmp_path / "photos") / "cat" / "00.bmp"
    whole = file.read_bytes()
    file.write_bytes(b"\0" * len(whole))
    os.utime(file, (STAMP, STAMP))
    recipe = {"name": "folder", "path": tmp_path / "photos"}
    assert len(opened(recipe).samples) == 29
    file.write_bytes(whole)
    os.utime(file, (STAMP, STAMP))
    assert len(opened(recipe).samples) == 30


@pytest.mark.usefixtures("only_size_and_time")
def test_errors_are_raised_about_the_files_as_they_are(opened: Open, tmp_path: Path) -> None:
    file = photos(tmp_path / "photos") / "cat" / "00.bmp"
    whole = file.read_bytes()
    file.write_bytes(b"\0" * len(whole))
    os.utime(file, (STAMP, STAMP))
    recipe = {"name": "folder", "path": tmp_path / "photos"}
    with pytest.raises(DataError, match="errors"):
        opened(recipe, "check.not_image=error")
    file.write_bytes(whole)
    os.utime(file, (STAMP, STAMP))
    assert len(opened(recipe, "check.not_image=error").samples) == 30


@pytest.mark.usefixtures("only_size_and_time")
def test_the_splits_of_an_export_come_from_the_files_as_they_are(registry: Registry, tmp_path: Path) -> None:
    root = masks(tmp_path / "masks")
    data = {"name": "masks", "images": root / "images", "masks": root / "masks", "values": {"0": "a", "1": "b"}}
    recipe = parse_recipe(recipe_text(name="x", task="segmentation", data=data, head={"name": "unet"}), registry)
    open_full_size(recipe)
    for place in range(10):
        put(root / "images" / f"{place:02d}.bmp", place + 9)
    found = open_full_size(recipe)
    splits = defaultdict(set)
    for sample in found.sample_set.samples:
        splits[Path(str(sample.image)).read_bytes()].add(found.splits[sample.key])
    assert all(len(each) == 1 for each in splits.values())


@pytest.mark.usefixtures("only_size_and_time")
def test_images_of_a_table_and_of_annotations_are_compared_as_well(opened: Open, tmp_path: Path) -> None:
    root = photos(tmp_path / "photos")
    rows = [f"{file.relative_to(root)},{file.parent.name}" for file in sorted(root.rglob("*.bmp"))]
    (root / "table.csv").write_text("\n".join(["image,label", *rows]), encoding="utf-8")
    recipe = {"name": "csv", "path": root / "table.csv"}
    opened(recipe)
    copies(root)
    data = opened(recipe)
    assert (divided(data), again(data)) == ([], True)


@pytest.mark.usefixtures("only_size_and_time")
def test_repeated_splits_tell_of_replaced_files(opened: Open, tmp_path: Path) -> None:
    recipe = {"name": "folder", "path": photos(tmp_path / "photos")}
    first = opened(recipe)
    first.write_samples_csv(tmp_path / "samples.csv")
    held = [each.key for each, split in zip(first.samples, first.splits, strict=True) if split != "train"]
    trained = [each.key for each, split in zip(first.samples, first.splits, strict=True) if split == "train"]
    written = f"input.samples={json.dumps(str(tmp_path / 'samples.csv'))}"
    file = tmp_path / "photos" / trained[0]
    before = file.read_bytes()
    file.write_bytes((tmp_path / "photos" / held[0]).read_bytes())
    os.utime(file, (STAMP, STAMP))
    with pytest.raises(DataError, match="have become training images"):
        opened(recipe, written)
    file.write_bytes(before)
    put(tmp_path / "photos" / held[0], 700)
    data = opened(recipe, written)
    assert any("changed since" in note and held[0] in note for note in data.notes)
    rows = SamplesFile(tmp_path / "samples.csv").read_used()
    assert dict(zip((each.key for each in data.samples), data.splits, strict=True)) == {
        key: row.split for key, row in rows.items()
    }


def test_a_file_that_changes_between_its_check_and_its_decoding_is_checked_again(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = photos(tmp_path / "photos")
    opened({"name": "folder", "path": root})  # The facts are cached: the next check reads no file.
    whole = decoding.image_of
    changes = iter(range(1))

    def image_of(sample: object, *rest: object) -> object:
        if next(changes, None) is not None:
            copies(root)
        return whole(sample, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(decoding, "image_of", image_of)
    data = opened({"name": "folder", "path": root})
    assert (divided(data), again(data)) == ([], True)


def test_files_that_keep_changing_end_the_run(opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = masks(tmp_path / "scenes")  # Images with masks are read twice: for their check, and to decode both.
    whole = decoding.decode_all
    seeds = iter(range(1000, 2000))

    def decode_all(*arguments: object) -> object:
        put(root / "images" / "00.bmp", next(seeds))
        return whole(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("tlkit.data.store.store.decode_all", decode_all)
    recipe = {"name": "masks", "images": root / "images", "masks": root / "masks", "values": {"0": "a", "1": "b"}}
    with pytest.raises(DataError, match=r"files change while they are read: 00.bmp"):
        opened(recipe, task="segmentation")


def test_a_file_is_read_once(opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = photos(tmp_path / "photos")
    read: Counter[str] = Counter()
    whole = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        read[str(path)] += path.suffix == ".bmp"
        return whole(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    data = opened({"name": "folder", "path": root})
    assert len(data.samples) == 30
    assert +read == Counter({str(each.image): 1 for each in data.samples})


@pytest.mark.parametrize(("side", "opens"), [(90, 1), (400, 2)])
def test_a_small_jpeg_is_decoded_once_for_its_facts_and_for_the_model(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: int, opens: int
) -> None:
    for label in ("cat", "dog"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for place in range(5):
            image(place + 5 * (label == "dog"), side).save(tmp_path / "photos" / label / f"{place}.jpg")
    counted: Counter[object] = Counter()
    whole = picture.open_image

    def open_image(path: Path, *rest: object) -> object:
        counted[path] += 1
        return whole(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(picture, "open_image", open_image)
    data = opened({"name": "folder", "path": tmp_path / "photos"}, "input.image_size=64")
    assert set(counted.values()) == {opens}
    expected = [decode_to_size(tmp_path / "photos" / each.key, None, (64, 64), "stretch")[0] for each in data.samples]
    np.testing.assert_array_equal(data.store.images[np.arange(10)], np.stack(expected))


def test_chosen_bands_of_colour_photos_are_no_reason_to_set_them_aside(opened: Open, tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for place in range(5):
            image(place + 5 * (label == "dog"), 200).save(tmp_path / "photos" / label / f"{place}.jpg")
    data = opened({"name": "folder", "path": tmp_path / "photos"}, "input.bands=[2, 1, 0]")
    assert (len(data.samples), data.set_aside) == (10, ())


def test_images_that_were_decoded_during_the_check_are_those_of_the_files(opened: Open, tmp_path: Path) -> None:
    root = photos(tmp_path / "photos")
    shutil.copy(root / "cat" / "00.bmp", root / "cat" / "copy.bmp")
    (root / "dog" / "damaged.bmp").write_bytes((root / "dog" / "00.bmp").read_bytes()[:500])
    early = opened({"name": "folder", "path": root})
    later = opened({"name": "folder", "path": root}, "check.before_run=false", "train.cache=off")
    assert early.samples == later.samples
    everything = np.arange(len(early.samples))
    np.testing.assert_array_equal(early.store.images[everything], later.store.images[everything])
    assert (early.store.digests, early.store.read.keys()) == (
        later.store.digests,
        later.store.read.keys() - {"dog/damaged.bmp"},
    )
    assert early.store.sizes.tolist() == later.store.sizes.tolist()


# No check -------------------------------------------------------------------------------------------------------------

UNCHECKED = "check.before_run=false"


def test_copies_among_files_that_were_not_checked_are_told(opened: Open, tmp_path: Path) -> None:
    recipe = {"name": "folder", "path": photos(tmp_path / "photos")}
    assert opened(recipe, UNCHECKED).notes == ()
    copies(tmp_path / "photos")
    data = opened(recipe, UNCHECKED)
    assert len(data.notes) == 1
    assert f"copies in several splits, which makes metrics too good: {len(divided(data))} images" in data.notes[0]


def test_a_link_that_leads_out_and_back_into_another_class_is_told(opened: Open, tmp_path: Path) -> None:
    root, outside = photos(tmp_path / "photos"), tmp_path / "outside"
    put(outside.parent / "one.bmp", 800)
    outside.mkdir()
    (tmp_path / "one.bmp").rename(outside / "one.bmp")
    (root / "cat" / "link").symlink_to(outside)
    (outside / "back").symlink_to(root / "dog")
    data = opened({"name": "folder", "path": root}, UNCHECKED)
    named = "copies in several classes: 15 images, such as cat/link/back/00.bmp and dog/00.bmp"
    assert any(named in each for each in data.notes)
    with pytest.raises(DataError, match="points to dog"):
        opened({"name": "folder", "path": root})


def test_images_of_one_colour_are_not_told_as_copies(opened: Open, tmp_path: Path) -> None:
    root = photos(tmp_path / "photos")
    for file in sorted(root.rglob("*.bmp"))[::2]:
        Image.new("RGB", (40, 40), (200, 20, 60)).save(file)
    assert opened({"name": "folder", "path": root}, UNCHECKED).notes == ()


# Times ---------------------------------------------------------------------------------------------------------------


def test_a_file_that_changed_just_now_is_not_taken_for_unchanged(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts_cache, "RACY", 3_000_000_000)
    root = photos(tmp_path / "photos")
    recipe = parse_recipe(recipe_text(name="x", data={"name": "folder", "path": root}), registry)
    assert [check_data(recipe).report.read for _ in range(2)] == [30, 30]
    monkeypatch.setattr(facts_cache, "RACY", 0)
    assert [check_data(recipe).report.read for _ in range(2)] == [30, 0]


def test_a_modification_time_in_the_future_is_a_time_like_others(tmp_path: Path) -> None:
    put(tmp_path / "a.bmp", 1)
    os.utime(tmp_path / "a.bmp", (4_000_000_000, 4_000_000_000))
    assert facts_cache.version_of(tmp_path / "a.bmp") is not None


@pytest.mark.parametrize("changes", ["st_ctime_ns", "st_mtime_ns"])
def test_a_file_is_racy_by_either_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: str) -> None:
    monkeypatch.setattr(facts_cache, "RACY", 3_000_000_000)
    times = {"st_mtime_ns": 10**18, "st_ctime_ns": 10**18}
    now = 1_700_000_000_000_000_000
    monkeypatch.setattr(facts_cache.time, "time_ns", lambda: now)

    def status(path: Path) -> os.stat_result:
        return os.stat_result((0o100644, 1, 1, 1, 0, 0, 5, 0, 0, 0), times)

    monkeypatch.setattr(facts_cache.Path, "stat", status)
    assert facts_cache.version_of(tmp_path) == (5, 10**18, 10**18, 1)
    times[changes] = now - 2_000_000_000
    assert facts_cache.version_of(tmp_path) is None
    times[changes] = now - 4_000_000_000
    assert facts_cache.version_of(tmp_path) is not None
