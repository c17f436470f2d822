"""Splits: shares and counts, groups, official splits, and repeating an earlier run."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from tlkit import DataError, Sample, SampleSet, SetAside
from tlkit.data.splits.assign import assign_splits
from tlkit.data.splits.repeat import drawn_splits, repeat_splits, within_samples_csv
from tlkit.data.splits.split_column import SplitColumn
from tlkit.recipe.input_table import InputTable


def samples(count, **fields):
    return [Sample(f"{i:03d}.png", Path(f"{i:03d}.png"), **{k: v(i) for k, v in fields.items()}) for i in range(count)]


def by_key(found, splits):
    return dict(zip((sample.key for sample in found), splits.splits.tolist(), strict=True))


def test_splits_are_stratified_and_have_their_shares():
    found = samples(200)
    strata = [0 if i < 160 else 1 for i in range(200)]
    splits = assign_splits(found, strata, InputTable(validation=0.25, test=0.2), 0).splits
    assert Counter(splits.tolist()) == {"train": 120, "validation": 40, "test": 40}
    for split, size in (("test", 40), ("validation", 40)):
        assert sum(strata[i] for i in range(200) if splits[i] == split) == size // 5


def test_the_split_depends_on_the_seed_but_not_on_the_order():
    found = samples(60)
    strata = [i % 3 for i in range(60)]
    first = by_key(found, assign_splits(found, strata, InputTable(), 1))
    order = list(range(60))
    random.Random(0).shuffle(order)
    shuffled = [found[i] for i in order]
    again = by_key(shuffled, assign_splits(shuffled, [strata[i] for i in order], InputTable(), 1))
    other = by_key(found, assign_splits(found, strata, InputTable(), 2))
    assert first == again
    assert first != other


def test_a_group_stays_in_one_split():
    found = samples(60, group=lambda i: f"patient{i % 12}")
    splits = by_key(found, assign_splits(found, [0] * 60, InputTable(validation=0.3, test=0.2), 0))
    splits_of = {}
    for sample in found:
        splits_of.setdefault(sample.group, set()).add(splits[sample.key])
    assert all(len(each) == 1 for each in splits_of.values())
    assert {"train", "validation", "test"} == {split for each in splits_of.values() for split in each}


def patients(images, classes, rare=()):
    """Groups of unequal size, each mostly of one class: what a split by groups alone gets wrong."""
    draw = random.Random(0)
    found, strata = [], []
    for number in range(images // 10):
        for _ in range(draw.randint(1, 19)):
            name = f"{len(found):04d}.png"
            found.append(Sample(name, Path(name), group=f"patient{number}"))
            strata.append(number % classes if draw.random() < 0.8 else draw.randrange(classes))
    for stratum, group in rare:
        name = f"rare{len(found):04d}.png"
        found.append(Sample(name, Path(name), group=group))
        strata.append(stratum)
    return found, strata


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.1, 0.15, 0.2, 0.3, 0.5, 0.8])
def test_groups_are_split_by_the_share_of_all_images_and_of_each_class(share, seed):
    found, strata = patients(800, 4)
    splits = assign_splits(found, strata, InputTable(validation=share), seed).splits
    sides = {(sample.group, split) for sample, split in zip(found, splits, strict=True)}
    assert len(sides) == len({sample.group for sample in found})
    assert (splits == "validation").mean() == pytest.approx(share, abs=0.03)
    for stratum in range(4):
        held = [split == "validation" for split, other in zip(splits, strata, strict=True) if other == stratum]
        assert sum(held) / len(held) == pytest.approx(share, abs=0.07)


def test_a_split_of_groups_depends_on_the_seed_but_not_on_the_order():
    found, strata = patients(300, 3)
    found = [Sample(each.key, each.image, group=each.group if i % 7 else None) for i, each in enumerate(found)]
    order = list(range(len(found)))
    random.Random(1).shuffle(order)
    shuffled = [found[i] for i in order]
    for classes in (strata, None):
        first = by_key(found, assign_splits(found, classes, InputTable(), 1))
        of_shuffled = None if classes is None else [classes[i] for i in order]
        assert by_key(shuffled, assign_splits(shuffled, of_shuffled, InputTable(), 1)) == first
        assert by_key(found, assign_splits(found, classes, InputTable(), 2)) != first


@pytest.mark.parametrize("seed", range(5))
def test_the_only_group_of_a_class_is_used_for_training(seed):
    found, strata = patients(200, 2, rare=[(2, "patient3"), (3, "alone"), (3, "alone")])
    splits = assign_splits(found, strata, InputTable(validation=0.5), seed)
    by_group = {sample.group: split for sample, split in zip(found, splits.splits.tolist(), strict=True)}
    assert (by_group["patient3"], by_group["alone"]) == ("train", "train")
    assert splits.notes == ("classes within a single group: 2; their groups are used for training only",)


def test_groups_are_chosen_for_their_classes():
    """Better than drawing groups at random: class shares come closer, and fewer classes lose all their images."""
    far, lost = Counter(), Counter()
    for seed in range(20):
        draw = random.Random(seed)
        groups = [(f"big{number}", number % 3) for number in range(24) for _ in range(draw.randint(1, 9))]
        groups += [(f"small{number}", 3 + number // 2) for number in range(12)]
        found = [Sample(f"{i:04d}.png", Path("x"), group=group) for i, (group, _) in enumerate(groups)]
        strata = np.array([stratum for _, stratum in groups])
        for share in (0.3, 0.6):
            ours = assign_splits(found, strata.tolist(), InputTable(validation=share), seed).splits == "validation"
            drawn = np.zeros(len(found), bool)
            splitter = GroupShuffleSplit(1, test_size=share, random_state=seed)
            drawn[next(splitter.split(found, groups=[group for group, _ in groups]))[1]] = True
            for name, held in (("ours", ours), ("drawn", drawn)):
                shares = np.array([held[strata == stratum].mean() for stratum in range(9)])
                far[name] += np.abs(shares - share).sum()
                lost[name] += (shares == 1).sum()
    assert far["ours"] < far["drawn"]
    assert lost["ours"] < lost["drawn"]


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_groups_of_unequal_size_are_split_by_the_share_of_their_images(share):
    found, _ = patients(800, 4)
    splits = assign_splits(found, None, InputTable(validation=share), 0).splits
    assert (splits == "validation").mean() == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("strata", [None, [i % 3 for i in range(60)]], ids=["plain", "stratified"])
def test_without_groups_the_split_is_scikit_learns(strata):
    found = samples(60)
    splits = assign_splits(found, strata, InputTable(validation=0.3), 5).splits
    _, held = train_test_split(range(60), test_size=0.3, random_state=5, stratify=strata)
    assert np.flatnonzero(splits == "validation").tolist() == sorted(held)


def test_one_group_per_class_is_split_without_strata():
    found = samples(40, group=lambda i: f"camera{i % 4}")
    splits = assign_splits(found, [i % 4 for i in range(40)], InputTable(validation=0.25), 0)
    assert Counter(splits.splits.tolist()) == {"train": 30, "validation": 10}
    assert splits.notes == (
        "too few groups for every class to be in validation; the split is not stratified",
        "classes without a validation image: 3 of 4",
    )


@pytest.mark.parametrize("strata", [None, [i % 2 for i in range(10)], [0] * 10])
@pytest.mark.parametrize("share", [0.05, 0.9])
def test_one_of_two_groups_is_used_for_training_whatever_the_share(share, strata):
    found = samples(10, group=lambda i: f"camera{i // 5}")
    splits = assign_splits(found, strata, InputTable(validation=share), 0).splits
    assert Counter(splits.tolist()) == {"train": 5, "validation": 5}


@pytest.mark.parametrize(
    ("count", "strata", "trained"), [(10, [i % 2 for i in range(10)], 2), (2, [0, 1], 1), (2, None, 1)]
)
def test_a_large_share_leaves_an_image_of_each_class_to_train_on(count, strata, trained):
    splits = assign_splits(samples(count), strata, InputTable(validation=0.95), 0).splits
    assert Counter(splits.tolist()) == {"train": trained, "validation": count - trained}


def test_a_pattern_on_the_key_makes_groups():
    found = [Sample(f"p{i // 5}_{i}.png", Path("x")) for i in range(50)]
    table = InputTable(validation=0.3, group_pattern=r"^(p\d+)_")
    splits = by_key(found, assign_splits(found, [0] * 50, table, 0))
    for group in range(10):
        assert len({splits[f"p{group}_{i}.png"] for i in range(group * 5, group * 5 + 5)}) == 1


def test_a_pattern_that_matches_nothing_is_an_error():
    with pytest.raises(DataError, match="matches none"):
        assign_splits(samples(9), None, InputTable(group_pattern="^(zz)"), 0)


def test_official_splits_stay_and_shares_do_not_apply_twice():
    found = samples(40, split=lambda i: "test" if i < 10 else None)
    splits = assign_splits(found, [i % 2 for i in range(40)], InputTable(validation=0.2, test=0.5), 0).splits
    assert set(splits[:10]) == {"test"}
    assert Counter(splits.tolist()) == {"test": 10, "validation": 6, "train": 24}


def test_a_missing_validation_split_is_drawn_from_the_official_train_images():
    found = samples(40, split=lambda i: "test" if i < 10 else "train")
    splits = assign_splits(found, [i % 2 for i in range(40)], InputTable(validation=0.2), 0).splits
    assert Counter(splits.tolist()) == {"test": 10, "validation": 6, "train": 24}


def test_a_note_says_that_a_size_has_no_effect_beside_an_official_split():
    found = samples(40, split=lambda i: "test" if i < 10 else "train")
    splits = assign_splits(found, [0] * 40, InputTable(test=0.5), 0)
    assert (splits.splits == "test").sum() == 10
    assert splits.notes == ("input.test has no effect: the data set has a test split of its own",)
    assert assign_splits(found, [0] * 40, InputTable(test=0.0), 0).notes == ()
    drawn = samples(40, split=lambda i: "validation" if i < 10 else None)
    assert assign_splits(drawn, [0] * 40, InputTable(), 0).notes == ()


def test_official_splits_that_divide_a_group_are_refused():
    found = samples(10, split=lambda i: "test" if i < 5 else "train", group=lambda i: "same")
    with pytest.raises(DataError, match='"same" in test and train'):
        assign_splits(found, None, InputTable(validation=0.0), 0)


def test_the_only_image_of_a_class_is_used_for_training():
    found = samples(41)
    strata = [i % 2 for i in range(40)] + [2]
    splits = assign_splits(found, strata, InputTable(validation=0.2), 0)
    assert splits.splits[40] == "train"
    assert "single image" in splits.notes[0]


def test_a_share_of_less_than_one_image_is_refused():
    with pytest.raises(DataError, match=r"input\.validation = 0\.1 of 3 images"):
        assign_splits(samples(3), None, InputTable(validation=0.1), 0)


def test_a_whole_number_is_a_number_of_images_in_proportion_to_the_classes():
    found = samples(200)
    strata = [0 if i < 150 else 1 for i in range(200)]
    splits = assign_splits(found, strata, InputTable(validation=40, test=20), 0).splits
    assert Counter(splits.tolist()) == {"train": 140, "validation": 40, "test": 20}
    for split, size in (("test", 20), ("validation", 40)):
        assert sum(strata[i] for i in range(200) if splits[i] == split) == size // 4


def test_one_is_one_image_and_not_all():
    splits = assign_splits(samples(10), None, InputTable(validation=1), 0).splits
    assert Counter(splits.tolist()) == {"train": 9, "validation": 1}


def test_a_count_gives_the_same_images_for_the_same_seed_in_any_order():
    found = samples(30, group=lambda i: f"g{i % 7}" if i % 3 else None)
    table = InputTable(validation=6, test=5)
    first = by_key(found, assign_splits(found, None, table, 3))
    assert by_key(found[::-1], assign_splits(found[::-1], None, table, 3)) == first
    assert by_key(found, assign_splits(found, None, table, 4)) != first


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (InputTable(validation=30), r"input\.validation = 30 leaves nothing to train on: there are 30 images that are"),
        (InputTable(test=10, validation=20), r"input\.validation = 20 leaves .* there are 20 images that are not test"),
        (InputTable(test=31), r"input\.test = 31 leaves nothing to train on: there are 30 images;"),
    ],
)
def test_a_part_that_leaves_nothing_to_train_on_is_refused_with_what_there_is(table, message):
    with pytest.raises(DataError, match=message):
        assign_splits(samples(30), [i % 2 for i in range(30)], table, 0)


def test_a_count_below_the_number_of_classes_is_met_without_strata():
    splits = assign_splits(samples(40), [i % 10 for i in range(40)], InputTable(validation=4), 0)
    assert (splits.splits == "validation").sum() == 4
    assert "the split is not stratified" in splits.notes[0]


def test_a_count_that_would_leave_a_class_without_a_training_image_is_not_met():
    splits = assign_splits(samples(20), [i % 2 for i in range(20)], InputTable(validation=19), 0)
    assert Counter(splits.splits.tolist()) == {"train": 2, "validation": 18}
    assert splits.notes[-1] == ("input.validation = 19: 18 images; more would leave a class without a training image")


def test_a_count_takes_the_whole_groups_that_come_closest():
    found = samples(100, group=lambda i: f"patient{i // 10}")
    splits = assign_splits(found, None, InputTable(validation=33), 0)
    sides = {sample.group: split for sample, split in zip(found, splits.splits.tolist(), strict=True)}
    assert list(sides.values()).count("validation") == 3
    assert splits.notes == ("input.validation = 33: 30 images, the closest that whole groups allow",)


def test_a_count_smaller_than_every_group_takes_the_smallest():
    found = samples(60, group=lambda i: "small" if i < 10 else "middle" if i < 30 else "large")
    splits = assign_splits(found, None, InputTable(validation=3), 0).splits
    assert {found[i].group for i in range(60) if splits[i] == "validation"} == {"small"}


def test_a_count_never_takes_the_last_group():
    found = samples(101, group=lambda i: "one" if i == 0 else "many")
    splits = assign_splits(found, None, InputTable(validation=100), 0).splits
    assert set(splits.tolist()) == {"train", "validation"}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("validation", "expected"), [(20, 20), (0.25, 80)])
def test_a_sample_that_stands_for_several_images_counts_as_several(validation, expected, seed):
    files = [21 if i < 12 else 1 for i in range(80)]
    strata = [i % 2 for i in range(80)]
    splits = assign_splits(samples(80), strata, InputTable(validation=validation), seed, files)
    held = Counter()
    for split, size, stratum in zip(splits.splits, files, strata, strict=True):
        held[stratum] += size if split == "validation" else 0
    assert held == {0: expected // 2, 1: expected // 2}
    assert splits.notes == ()


def test_a_note_says_when_samples_that_stand_for_several_images_can_not_meet_the_count():
    splits = assign_splits(samples(8), [i % 2 for i in range(8)], InputTable(validation=12), 0, [10] * 8)
    assert (splits.splits == "validation").sum() == 1
    assert splits.notes == (
        "input.validation = 12: 10 of 80 images, the closest possible with files of the same picture in one split",
    )


@pytest.mark.parametrize("validation", [5, 0.5, 36])
def test_each_class_keeps_a_sample_to_train_on_when_samples_stand_for_several_images(validation):
    strata = [0, 0, 1, 1, 2]
    splits = assign_splits(samples(5), strata, InputTable(validation=validation), 0, [10, 1, 10, 9, 10]).splits
    assert {strata[i] for i in range(5) if splits[i] == "train"} == {0, 1, 2}
    assert "validation" in splits


HEADER = "key,path,mask,split,label,group,width,height,digest,status,reason\n"


def test_a_split_is_repeated_and_changes_are_noted(tmp_path):
    file = tmp_path / "samples.csv"
    rows = [
        "000.png,,,test,,,1,1,sha256:aa,used,",
        "001.png,,,train,,,1,1,sha256:bb,used,",
        "x.png,,,,,,,,,set aside,broken",
    ]
    file.write_text(HEADER + "\n".join(rows) + "\n")
    splits = repeat_splits(file, samples(3), ["aa", "changed", "cc"])
    assert splits.splits.tolist() == ["test", "train", "left out"]
    assert any("changed since" in note and "001.png" in note for note in splits.notes)
    assert any(note.startswith("left out, because") and note.endswith("002.png") for note in splits.notes)


def test_a_run_keeps_the_splits_that_an_earlier_version_drew(tmp_path):
    file = tmp_path / "samples.csv"
    rows = [f"00{n}.png,,,{split},,,1,1,sha256:aa,used," for n, split in enumerate(("train", "validation", "test"))]
    file.write_text(HEADER + "\n".join(rows) + "\n")
    now = SplitColumn.of(["validation", "train", "validation"])
    official = samples(3, split=lambda i: "validation" if i == 2 else None)
    assert drawn_splits(file, official, now).tolist() == ["train", "validation", "validation"]
    assert drawn_splits(file, official[:2], now[:2]).tolist() == ["validation", "train"]  # other samples


def test_a_recorded_sample_that_is_missing_is_an_error(tmp_path):
    file = tmp_path / "samples.csv"
    file.write_text(HEADER + "gone.png,,,test,,,1,1,sha256:aa,used,\n")
    with pytest.raises(DataError, match=r"gone\.png"):
        repeat_splits(file, samples(2), ["a", "b"])


def test_a_recorded_sample_that_is_set_aside_is_named_with_its_reason(tmp_path):
    file = tmp_path / "samples.csv"
    file.write_text(HEADER + "cut.png,,,test,,,1,1,sha256:aa,used,\ngone.png,,,test,,,1,1,sha256:ab,used,\n")
    with pytest.raises(DataError, match=r"not there \(1\): gone\.png.* set aside \(1\): cut\.png \(ends too soon\)"):
        repeat_splits(file, samples(2), ["a", "b"], set_aside=[SetAside("cut.png", "ends too soon")])


def test_samples_whose_labels_changed_are_named(tmp_path):
    file = tmp_path / "samples.csv"
    rows = ["000.png,,,train,cat,,1,1,,used,", "001.png,,,test,cat,,1,1,,used,", "002.png,,,test,,,1,1,,used,"]
    file.write_text(HEADER + "\n".join(rows) + "\n")
    found = samples(3, label=lambda i: min(i, 1))
    with pytest.raises(DataError, match=r"other labels than in .* \(1\): 001\.png \(recorded as cat, now dog\)"):
        repeat_splits(file, found, ["", "", ""], classes=("cat", "dog"))
    assert repeat_splits(file, samples(3, label=lambda i: 0), ["", "", ""], classes=("cat", "dog")).notes == ()


@pytest.mark.parametrize("digests", [["e", "f"], ["", ""]], ids=["known", "unknown"])
def test_a_test_image_in_place_of_a_training_image_is_refused_whatever_its_mask(tmp_path, digests):
    file = tmp_path / "samples.csv"
    header = HEADER.replace("digest,", "digest,image_digest,")
    rows = ["000.png,,,train,,,1,1,sha256:a,sha256:b,used,", "001.png,,,test,,,1,1,sha256:c,sha256:d,used,"]
    file.write_text(header + "\n".join(rows) + "\n")
    with pytest.raises(DataError, match=r"have become training images: 000\.png"):
        repeat_splits(file, samples(2), digests, image_digest=lambda place: "db"[place])
    same = repeat_splits(file, samples(2), digests, image_digest=lambda place: "bd"[place])
    assert bool(same.notes) == bool(digests[0])  # the masks differ


def test_a_class_that_the_file_does_not_have_does_not_renumber_the_others(tmp_path):
    file = tmp_path / "samples.csv"
    file.write_text(HEADER + "001.png,,,train,cat,,1,1,,used,\n002.png,,,train,dog,,1,1,,used,\n")
    found = SampleSet(
        tuple(samples(4, label=lambda i: i % 3)),
        ("aardvark", "cat", "dog", "never"),
        colors={0: (1, 1, 1), 2: (2,) * 3},
    )
    within = within_samples_csv(found, file)
    assert within.classes == ("cat", "dog", "never")
    assert [(sample.key, sample.label) for sample in within.samples] == [("001.png", 0), ("002.png", 1)]
    assert [each.key for each in within.set_aside] == ["000.png", "003.png"]
    assert within.colors == {1: (2, 2, 2)}
