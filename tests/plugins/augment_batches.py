"""Batches and helpers for the tests of augmentation policies."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf
import tlkit_augment

import tlkit

RECORDS = {record.name: record for record in tlkit_augment.tlkit_augmentations()}
SIZE = (32, 48)
IGNORE = 255
LEVELS = (0, 1, 2, IGNORE)
SEED = (3, 4)

Augment = Callable[[dict[str, Any], Any], dict[str, Any]]


def build(name: str, task: tlkit.contracts.Task = "segmentation", **table: Any) -> Augment | None:
    """Build a policy from a recipe table, read as the core reads it."""
    record = RECORDS[name]
    context = tlkit.AugmentContext(task=task, image_size=SIZE, classes=3)
    return record.build(context, record.options.model_validate_json(json.dumps(table)))


def made(name: str, task: tlkit.contracts.Task = "segmentation", **table: Any) -> Augment:
    """Build a policy that is not None."""
    augment = build(name, task, **table)
    assert augment is not None
    return augment


@cache
def built(name: str) -> Augment:
    """Build a policy with its defaults, traced once for all tests."""
    return made(name)


def scene(count: int = 8, *, one_hot: bool = False) -> dict[str, Any]:
    """Return images of 4 × 4 rectangles with grey values 0, 85, 170 and 255 for the classes 0, 1, 2 and ignored."""
    height, width = SIZE
    index = np.random.default_rng(0).integers(0, len(LEVELS), (count, 4, 4))
    index = index.repeat(height // 4, 1).repeat(width // 4, 2)
    images = np.repeat(index[..., np.newaxis] * 85.0, 3, axis=-1)
    masks = tf.constant(np.asarray(LEVELS)[index], tf.int32)
    return {
        "images": tf.constant(images, tf.float32),
        "segmentation_masks": tf.one_hot(masks, 3) if one_hot else masks[..., tf.newaxis],
    }


def scene_for(name: str, count: int = 8) -> dict[str, Any]:
    """Return the scene in the form in which the core passes it to the policy."""
    return scene(count, one_hot=RECORDS[name].soft_labels)


def photos(count: int = 8) -> dict[str, Any]:
    """Return smooth coloured images with labels."""
    values = np.random.default_rng(1).uniform(0, 255, (count, 4, 6, 3))
    return {
        "images": tf.image.resize(tf.constant(values, tf.float32), SIZE),
        "labels": tf.range(count, dtype=tf.int32),
    }


def photos_for(name: str, count: int = 8) -> dict[str, Any]:
    """Return the photos in the form in which the core passes them to the policy, each with its own class."""
    batch = photos(count)
    return {**batch, "labels": tf.one_hot(batch["labels"], count)} if RECORDS[name].soft_labels else batch


def plain(values: np.ndarray) -> dict[str, Any]:
    """Return images of one grey value each."""
    return {"images": tf.constant(np.broadcast_to(values[:, None, None, None], (len(values), *SIZE, 3)), tf.float32)}


def arrays(augment: Augment, batch: dict[str, Any], seed: tuple[int, int] = SEED) -> dict[str, np.ndarray]:
    return {key: np.asarray(value) for key, value in augment(batch, tf.constant(seed, tf.int32)).items()}


def assert_same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert first.keys() == second.keys()
    for key in first:
        np.testing.assert_array_equal(first[key], second[key])


def is_rectangle(where: np.ndarray) -> bool:
    """Return whether the True pixels (H, W) fill their bounding box; also if there are none."""
    return where.any(axis=0).sum() * where.any(axis=1).sum() == where.sum()
