"""The draws of splits stay as they are: each seed gives the split that it always gave, on 20,000 samples."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from tlkit import Sample
from tlkit.data.splits.assign import assign_splits
from tlkit.data.splits.group_folds import deal_groups
from tlkit.data.splits.picture_splits import assign_with_pictures
from tlkit.recipe.input_table import InputTable

COUNT = 20_000


def samples(grouped):
    """Images in a random order, of 40 classes, with groups of up to 12 images, of which some have several classes."""
    chance = random.Random(0)
    found, strata, group, label = [], [], 0, 0
    for number in range(COUNT):
        if chance.random() < 1 / 6:
            group, label = group + 1, chance.randrange(40)
        if chance.random() < 0.1:
            label = chance.randrange(40)
        key = f"{chance.randrange(10**9):09d}/{number}.jpg"
        named = grouped == "all" or (grouped == "some" and group % 3)
        found.append(Sample(key, Path(key), label, group=f"patient{group}" if named else None))
        strata.append(label)
    return found, strata


def digest_of(splits):
    text = "\n".join([*splits.splits.tolist(), *splits.notes, str(np.array(splits.splits.tolist()).dtype)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("grouped", "table", "several", "digest"),
    [
        ("none", {"validation": 0.2, "test": 0.1}, False, "85cf4cfce3cd03a4"),
        ("all", {"validation": 0.2, "test": 0.1}, False, "8321e439c528d528"),
        ("some", {"validation": 0.15}, False, "2e363302d0fcf38f"),
        ("all", {"validation": 1500, "test": 0}, False, "0bf511731d548141"),
        ("none", {"group_pattern": r"^(\d\d)", "validation": 0.1}, False, "e83d5b1ceba5c5d8"),
        ("all", {"validation": 0.2}, None, "31b9ce4c236261a7"),
        ("none", {"validation": 0.2}, True, "a26d47b7df5b3d76"),
        ("some", {"validation": 0.2}, True, "49e032f354bc6819"),
        ("some", {"validation": 25, "test": 0.01}, False, "a8840b31144b6e34"),
        ("none", {"validation": 25}, False, "4b1ece03dec15fee"),
        ("none", {"validation": 25}, True, "48be22086238bb02"),
        ("none", {"validation": 0.2}, None, "e6d1594f769a9355"),
        ("some", {"validation": 1500}, None, "2a020300dc019d3e"),
    ],
)
def test_splits_of_20000_samples_are_those_of_earlier_versions(grouped, table, several, digest):
    found, classes = samples(grouped)
    strata = None if several is None else [(each, (each * 7 + 1) % 40) for each in classes] if several else classes
    splits = assign_splits(found, strata, InputTable(**table), seed=3)
    assert digest_of(splits) == digest


@pytest.mark.parametrize(("grouped", "digest"), [("none", "8824b91f8f4f0080"), ("some", "77b554129ec9b664")])
def test_samples_of_a_split_of_their_own_and_classes_of_a_single_image_are_drawn_as_in_earlier_versions(
    grouped, digest
):
    found, classes = samples(grouped)
    classes = [each if place % 997 else 40 + place // 997 for place, each in enumerate(classes)]
    held = {group for place, sample in enumerate(found) if place % 50 == 0 and (group := sample.group or sample.key)}
    found = [replace(each, split="test" if (each.group or each.key) in held else None) for each in found]
    assert digest_of(assign_splits(found, classes, InputTable(validation=0.2), seed=3)) == digest


@pytest.mark.parametrize(
    ("grouped", "several", "digest"),
    [("none", False, "568acf82be25c2a0"), ("some", False, "cc3963e76a131137"), ("none", True, "8268775de2335d7c")],
)
def test_files_of_the_same_picture_are_drawn_as_in_earlier_versions(grouped, several, digest):
    found, classes = samples(grouped)
    pictures = {each.key: place // 3 for place, each in enumerate(found) if place % 30 < 6}
    strata = [(each, (each * 7 + 1) % 40) for each in classes] if several else classes
    splits, groups = assign_with_pictures(found, strata, InputTable(validation=0.2, test=0.1), 3, pictures)
    text = "\n".join([digest_of(splits), *map(str, groups)])
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == digest


@pytest.mark.filterwarnings("ignore:The least populated class:UserWarning")
@pytest.mark.parametrize("classes", [1, 2, 9, 300])
@pytest.mark.parametrize("folds", [2, 7, 20])
def test_groups_are_dealt_into_the_folds_of_scikit_learn(classes, folds):
    chance = np.random.default_rng(classes)
    of_group = chance.integers(0, 60, 8000)
    strata = np.where(chance.random(8000) < 0.3, chance.integers(0, classes, 8000), of_group % classes)
    names, groups = np.unique(of_group, return_inverse=True)
    numbers = np.unique(strata, return_inverse=True)[1]
    fold_of = deal_groups(groups, numbers, folds, seed=5)
    theirs = StratifiedGroupKFold(folds, shuffle=True, random_state=5).split(names[groups], numbers, names[groups])
    for fold, (_, held) in enumerate(theirs):
        assert np.flatnonzero(fold_of == fold).tolist() == held.tolist()
