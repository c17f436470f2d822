"""The folds of a cross-validation stay as they are: each seed gives those that it always gave, on 12,000 images."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest

from tlkit import Sample
from tlkit.data.splits.split_column import SplitColumn
from tlkit.data.store.decoding import Digests
from tlkit.jobs.folds.splits import fold_notes, fold_splits

COUNT = 12_000


def made(grouped, kind):
    """Return the part of ``Data`` that folds need: images of 30 classes in a random order, some of them copies."""
    chance = np.random.default_rng(0)
    groups = np.sort(chance.integers(0, 1500, COUNT))
    classes = np.where(chance.random(COUNT) < 0.2, chance.integers(0, 30, COUNT), groups % 30)
    keys = [f"{number:09d}/{place}.jpg" for place, number in enumerate(chance.integers(0, 10**9, COUNT))]
    named = np.ones(COUNT, bool) if grouped == "all" else groups % 3 > 0 if grouped == "some" else np.zeros(COUNT, bool)
    labels = {"single": classes.astype(np.int32), "none": None, "multi": np.eye(30, dtype=np.float32)[classes]}[kind]
    if kind == "multi":
        labels[np.arange(COUNT), (classes * 7 + 1) % 30] = 1
    digests = [
        hashlib.sha256(str(place // 2 if place % 500 < 2 else -place).encode()).hexdigest() for place in range(COUNT)
    ]
    return SimpleNamespace(
        samples=[
            Sample(key, place, label=int(label)) for place, (key, label) in enumerate(zip(keys, classes, strict=True))
        ],
        labels=labels,
        splits=SplitColumn.of(np.where(chance.random(COUNT) < 0.1, "test", "train")),
        groups=[f"patient{group}" if each else None for group, each in zip(groups, named, strict=True)],
        classes=tuple(f"class{number}" for number in range(30)),
        store=SimpleNamespace(
            read={key: Digests(each, each, "") for key, each in zip(keys, digests, strict=True)},
            images=np.broadcast_to(np.eye(8, dtype=np.uint8)[None, :, :, None], (COUNT, 8, 8, 3)),
        ),
    )


@pytest.mark.parametrize(
    ("grouped", "kind", "digest"),
    [
        ("none", "single", "e310d00a61d97016"),
        ("some", "single", "a1d3ea8710d75904"),
        ("all", "single", "5dab5538618913c8"),
        ("all", "none", "975d490ac47bd229"),
        ("none", "none", "25a5c595121e97f6"),
        ("some", "multi", "7300c18ac8b73efb"),
    ],
)
def test_folds_of_12000_images_are_those_of_earlier_versions(grouped, kind, digest):
    data = made(grouped, kind)
    folds = fold_splits(data, 5, seed=3)
    text = "\n".join([*(split for fold in folds for split in fold.tolist()), *fold_notes(data, folds)])
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == digest
