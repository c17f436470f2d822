"""Splits leave each class, and each label of a multi-label data set, something to train on."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from tlkit import Sample
from tlkit.data.splits.assign import assign_splits
from tlkit.data.splits.group_numbers import numbered_groups
from tlkit.data.splits.iterative import deal_folds
from tlkit.data.splits.split_column import SplitColumn
from tlkit.data.store.decoding import Digests
from tlkit.jobs.folds.splits import fold_notes, fold_splits
from tlkit.recipe.schema import InputTable


def samples(count, group=lambda i: None):
    return [Sample(f"{i:03d}.png", Path(f"{i:03d}.png"), group=group(i)) for i in range(count)]


def chest(n):
    """The labels of the n-th of 60 images: 0 and 1 occur together, 2 is rare, and many images have none."""
    if n % 5 == 0:
        return () if n % 10 else (0, 1, 2)
    return ((0, 1), (0,), ())[n % 3]


def counts_of(splits, strata):
    counts = {split: Counter() for split in ("train", "validation", "test")}
    for split, labels in zip(splits.tolist(), strata, strict=True):
        counts[split].update(labels)
    return counts


@pytest.mark.parametrize("seed", range(5))
def test_each_of_120_classes_of_two_images_trains(seed):
    strata = [i // 2 for i in range(240)]
    splits = assign_splits(samples(240), strata, InputTable(validation=0.2, test=0.1), seed)
    trained = {stratum for stratum, split in zip(strata, splits.splits, strict=True) if split == "train"}
    assert trained == set(range(120))
    assert Counter(splits.splits.tolist()) == {"train": 172, "validation": 44, "test": 24}
    for split, note in (("test", splits.notes[1]), ("validation", splits.notes[3])):
        held = {stratum for stratum, each in zip(strata, splits.splits, strict=True) if each == split}
        assert note == f"classes without a {split} image: {120 - len(held)} of 120"


def test_a_split_that_trains_each_class_is_scikit_learns_as_before():
    strata = [0] * 30 + [1] * 20 + [2] * 2
    found = samples(52)
    splits = assign_splits(found, strata, InputTable(validation=0.2), 3).splits
    _, held = train_test_split(list(range(52)), test_size=0.2, random_state=3, stratify=strata)
    assert np.flatnonzero(splits == "validation").tolist() == sorted(held)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [0.25, 12])
def test_groups_are_exchanged_so_that_each_class_trains(size, seed):
    # Six groups: the two of class 1 would both be held out by some of the seeds.
    strata = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1] * 4
    found = samples(48, group=lambda i: f"g{i % 12 // 2}")
    splits = assign_splits(found, strata, InputTable(validation=size), seed).splits
    assert {strata[i] for i in range(48) if splits[i] == "train"} == {0, 1}
    assert "validation" in splits


@pytest.mark.parametrize("seed", range(5))
def test_labels_that_occur_together_are_split_in_proportion(seed):
    strata = [chest(n) for n in range(60)]
    splits = assign_splits(samples(60), strata, InputTable(validation=0.2, test=0.1), seed)
    assert Counter(splits.splits.tolist()) == {"train": 43, "validation": 11, "test": 6}
    every = Counter(label for labels in strata for label in labels)
    for split, share in (("validation", 11 / 60), ("test", 0.1)):
        for label, count in every.items():
            assert counts_of(splits.splits, strata)[split][label] == pytest.approx(count * share, abs=1.01)
    assert splits.notes == ()


@pytest.mark.parametrize("seed", range(10))
def test_each_label_with_two_images_trains(seed):
    draw = random.Random(seed)
    strata = [tuple(sorted({draw.randrange(5) for _ in range(draw.randint(0, 3))})) for _ in range(60)]
    strata += [(5, 6), (5, 6), (7,), (7, 0)]
    splits = assign_splits(samples(64), strata, InputTable(validation=0.3, test=0.2), seed).splits
    assert set(counts_of(splits, strata)["train"]) == set(range(8))


def test_the_split_of_labels_depends_on_the_seed_but_not_on_the_order():
    found, strata = samples(60), [chest(n) for n in range(60)]
    order = list(range(60))
    random.Random(0).shuffle(order)

    def by_key(order, seed):
        chosen = [found[i] for i in order]
        splits = assign_splits(chosen, [strata[i] for i in order], InputTable(), seed).splits
        return {sample.key: split for sample, split in zip(chosen, splits.tolist(), strict=True)}

    first = by_key(range(60), 1)
    assert by_key(order, 1) == first
    assert by_key(range(60), 2) != first


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [0.25, 30])
def test_groups_of_images_with_several_labels_stay_whole_and_have_their_share(size, seed):
    draw = random.Random(seed)
    groups = [f"p{number}" for number in range(30) for _ in range(draw.randint(1, 8))]
    strata = [tuple(label for label, share in enumerate((0.6, 0.3, 0.1)) if draw.random() < share) for _ in groups]
    splits = assign_splits(samples(len(groups), groups.__getitem__), strata, InputTable(validation=size), seed).splits
    assert len({(group, split) for group, split in zip(groups, splits.tolist(), strict=True)}) == 30
    wanted = size * len(groups) if size < 1 else size
    assert (splits == "validation").sum() == pytest.approx(wanted, abs=4)
    assert set(counts_of(splits, strata)["train"]) == {0, 1, 2}


def test_an_image_of_several_copies_counts_as_several():
    strata = [(i % 2,) for i in range(20)]
    splits = assign_splits(samples(20), strata, InputTable(validation=8), 0, [4] * 4 + [1] * 16).splits
    assert sum(4 if i < 4 else 1 for i in range(20) if splits[i] == "validation") == 8


@pytest.mark.parametrize("seed", range(5))
def test_two_copies_of_an_image_leave_the_classes_in_proportion(seed):
    strata = [i % 37 for i in range(735)]
    files = [2] + [1] * 734
    splits = assign_splits(samples(735), strata, InputTable(validation=0.1), seed, files).splits
    held = Counter()
    for stratum, count, split in zip(strata, files, splits.tolist(), strict=True):
        held[stratum] += count * (split == "validation")
    assert held == dict.fromkeys(range(37), 2)


@pytest.mark.parametrize("grouped", [False, True])
def test_folds_spread_each_label(grouped):
    strata = [chest(n) for n in range(60)]
    groups = [f"g{n // 2}" if grouped else f"\0{n}" for n in range(60)]
    folds = deal_folds(strata, numbered_groups(groups), 5, 0)
    assert sorted(place for fold in folds for place in fold) == list(range(60))
    for fold in folds:
        assert len(fold) == pytest.approx(12, abs=1 if grouped else 0)
        assert {groups[i] for i in fold}.isdisjoint(groups[i] for i in range(60) if i not in fold)
        counts = Counter(label for i in fold for label in strata[i])
        assert all(
            counts[label] == pytest.approx(total / 5, abs=2 if grouped else 1)
            for label, total in Counter(label for labels in strata for label in labels).items()
        )


def test_a_cross_validation_spreads_each_label():
    strata = [chest(n) for n in range(60)]
    labels = np.zeros((60, 3), np.float32)
    for row, numbers in enumerate(strata):
        labels[row, list(numbers)] = 1
    data = SimpleNamespace(
        samples=samples(60),
        splits=SplitColumn.of(["test"] * 6 + ["train"] * 44 + ["validation"] * 10),
        groups=[None] * 60,
        labels=labels,
        classes=("a", "b", "c"),
        store=SimpleNamespace(read={each.key: Digests(each.key, each.key, "") for each in samples(60)}),
    )
    folds = fold_splits(data, 3, 0)
    assert all((splits[:6] == "test").all() for splits in folds)
    assert sum((splits == "validation").astype(int) for splits in folds)[6:].tolist() == [1] * 54
    for splits in folds:
        counts = counts_of(splits, strata)
        assert all(
            counts["train"][label] == pytest.approx(2 * counts["validation"][label], abs=3) for label in range(3)
        )
    assert fold_notes(data, folds) == []
