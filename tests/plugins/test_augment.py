from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tlkit_augment

import tlkit

RECORDS = {record.name: record for record in tlkit_augment.tlkit_augmentations()}
SIZE = (32, 48)
IGNORE = 255
LEVELS = (0, 1, 2, IGNORE)
SEED = (3, 4)
POLICIES = ("flip", "basic", "shift_flip", "flip_rotate_zoom", "rand_augment")
"""Those that move pixels, of images and masks alike."""

Augment = Callable[[dict[str, Any], Any], dict[str, Any]]


def context(task: tlkit.contracts.Task = "segmentation") -> tlkit.AugmentContext:
    return tlkit.AugmentContext(task=task, image_size=SIZE, classes=3)


def build(name: str, **table: Any) -> Augment | None:
    """A policy from a recipe table, read as the core reads it."""
    record = RECORDS[name]
    return record.build(context(), record.options.model_validate_json(json.dumps(table)))


@cache
def built(name: str) -> Augment:
    augment = build(name)
    assert augment is not None
    return augment


def scene(count: int = 8) -> dict[str, Any]:
    """Images of 4 × 4 rectangles whose grey value tells the class: 0, 85, 170 and 255 for 0, 1, 2 and ignored."""
    height, width = SIZE
    index = np.random.default_rng(0).integers(0, len(LEVELS), (count, 4, 4))
    index = index.repeat(height // 4, 1).repeat(width // 4, 2)
    images = np.repeat(index[..., np.newaxis] * 85.0, 3, axis=-1)
    return {
        "images": tf.constant(images, tf.float32),
        "segmentation_masks": tf.constant(np.asarray(LEVELS)[index][..., np.newaxis], tf.int32),
    }


def photos(count: int = 8) -> dict[str, Any]:
    """Smooth coloured images with labels, as a classification has them."""
    values = np.random.default_rng(1).uniform(0, 255, (count, 4, 6, 3))
    return {
        "images": tf.image.resize(tf.constant(values, tf.float32), SIZE),
        "labels": tf.range(count, dtype=tf.int32),
    }


def arrays(augment: Augment, batch: dict[str, Any], seed: tuple[int, int] = SEED) -> dict[str, np.ndarray]:
    return {key: np.asarray(value) for key, value in augment(batch, tf.constant(seed, tf.int32)).items()}


def assert_same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert first.keys() == second.keys()
    for key in first:
        np.testing.assert_array_equal(first[key], second[key])


def flat(masks: np.ndarray, window: int) -> np.ndarray:
    """Where a mask (N, H, W) has one value in the window around a pixel, which must lie in the image."""
    padded = np.pad(masks, ((0, 0), (window // 2,) * 2, (window // 2,) * 2), constant_values=-1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (window, window), axis=(1, 2))
    return windows.max(axis=(-1, -2)) == windows.min(axis=(-1, -2))


def test_import_is_light() -> None:
    code = "import sys, tlkit_augment; print([m for m in ('tensorflow', 'keras', 'keras_cv') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_every_option_has_a_description(name: str) -> None:
    assert all(field.description for field in RECORDS[name].options.model_fields.values())


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("none", {}),
        ("flip", {"horizontal": False, "vertical": False}),
        ("basic", {"flip": False, "shift": 0, "rotate": 0, "zoom": 0, "color": 0}),
        ("shift_flip", {"flip": False, "shift": 0}),
        ("flip_rotate_zoom", {"flip": False, "rotate": 0, "zoom": 0}),
        ("color_jitter", {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}),
        ("random_erasing", {"rate": 0}),
        ("mixup", {"rate": 0}),
        ("cutmix", {"rate": 0}),
    ],
)
def test_nothing_is_built_when_nothing_is_to_be_done(name: str, table: dict[str, Any]) -> None:
    assert build(name, **table) is None


@pytest.mark.parametrize("name", POLICIES)
def test_the_same_seed_gives_the_same_result_whatever_ran_before(name: str) -> None:
    first = arrays(built(name), scene())
    arrays(built(name), scene(), seed=(9, 9))
    assert_same(first, arrays(built(name), scene()))


@pytest.mark.parametrize("name", POLICIES)
def test_two_functions_built_separately_draw_the_same(name: str) -> None:
    other = build(name)
    assert other is not None
    assert_same(arrays(built(name), scene()), arrays(other, scene()))


@pytest.mark.parametrize("seed", [(3, 5), (4, 4)])
@pytest.mark.parametrize("name", POLICIES)
def test_another_seed_gives_another_result(name: str, seed: tuple[int, int]) -> None:
    first, second = arrays(built(name), scene()), arrays(built(name), scene(), seed=seed)
    assert not np.array_equal(first["images"], second["images"])
    assert not np.array_equal(first["segmentation_masks"], second["segmentation_masks"])


@pytest.mark.parametrize("name", POLICIES)
def test_images_of_a_batch_are_changed_each_in_its_own_way(name: str) -> None:
    images = arrays(built(name), {"images": tf.repeat(scene(1)["images"], 16, axis=0)})["images"]
    assert len(np.unique(images.reshape(16, -1), axis=0)) > 1


@pytest.mark.parametrize("autograph", [True, False])
@pytest.mark.parametrize("name", POLICIES)
def test_a_parallel_map_over_batches_of_unknown_size_draws_as_a_direct_call(name: str, autograph: bool) -> None:
    size, sizes = 3, (3, 3, 2)
    batch = scene(sum(sizes))

    def step(number: Any, part: dict[str, Any]) -> dict[str, Any]:
        assert part["images"].shape[0] is None
        return built(name)(part, tf.stack([5, tf.cast(number, tf.int32)]))

    mapped = step if autograph else tf.autograph.experimental.do_not_convert(step)
    dataset = tf.data.Dataset.from_tensor_slices(batch).batch(size).enumerate().map(mapped, num_parallel_calls=3)
    results = list(dataset.as_numpy_iterator())
    assert tuple(len(result["images"]) for result in results) == sizes
    for number, result in enumerate(results):
        part = {key: value[number * size : (number + 1) * size] for key, value in batch.items()}
        direct = arrays(built(name), part, seed=(5, number))
        np.testing.assert_array_equal(result["segmentation_masks"], direct["segmentation_masks"])
        # A sum over an image may be taken in another order.
        np.testing.assert_allclose(result["images"], direct["images"], atol=0.01)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("flip", {"vertical": True}),
        ("basic", {"color": 0}),
        ("basic", {"color": 0, "flip": False, "rotate": 0, "zoom": 0, "shift": 0.5}),
        ("basic", {"color": 0, "flip": False, "shift": 0, "zoom": 0, "rotate": 180}),
        ("basic", {"color": 0, "flip": False, "shift": 0, "rotate": 0, "zoom": 0.5}),
        ("shift_flip", {"shift": 0.5}),
        ("shift_flip", {"shift": 0.5, "border": "reflect"}),
        ("flip_rotate_zoom", {}),
    ],
)
def test_masks_move_as_the_images_do_up_to_the_border(name: str, table: dict[str, Any]) -> None:
    augment = build(name, **table)
    assert augment is not None
    before = scene()
    after = arrays(augment, before)
    masks = after["segmentation_masks"][..., 0]
    seen = np.asarray(LEVELS)[np.rint(after["images"][..., 0] / 85).astype(int)]
    inside = flat(masks, 5)
    assert inside.mean() > 0.1
    np.testing.assert_array_equal(seen[inside], masks[inside])
    # An edge between classes just outside of the image still blends into the row or column at its border.
    agree = seen == masks
    assert min(agree[:, [0, -1]].mean(), agree[:, :, [0, -1]].mean()) > 0.9
    assert (masks != before["segmentation_masks"].numpy()[..., 0]).any()


def test_masks_move_as_the_images_do_in_rand_augment() -> None:
    before = scene(24)
    after = arrays(built("rand_augment"), before)
    masks, grey = after["segmentation_masks"][..., 0], after["images"][..., 0]
    inside = flat(masks, 7)
    moved = (masks != before["segmentation_masks"].numpy()[..., 0]).any(axis=(1, 2))
    assert moved.sum() > len(moved) / 4
    # Its colour changes send equal grey values of an image to equal ones, so each class must keep one value.
    for mask, image, where in zip(masks, grey, inside, strict=True):
        for number in LEVELS:
            values = image[where & (mask == number)]
            assert values.size == 0 or np.ptp(values) < 1


def test_rand_augment_without_geometry_leaves_masks_alone() -> None:
    augment = build("rand_augment", geometric=False)
    assert augment is not None
    before = scene()
    after = arrays(augment, before)
    np.testing.assert_array_equal(after["segmentation_masks"], before["segmentation_masks"])
    assert not np.array_equal(after["images"], before["images"])


@pytest.mark.parametrize("name", POLICIES)
def test_masks_stay_whole_class_numbers_and_keep_ignored_pixels(name: str) -> None:
    masks = arrays(built(name), scene())["segmentation_masks"]
    assert masks.dtype == np.int32
    assert masks.shape == (8, *SIZE, 1)
    assert set(np.unique(masks)) == set(LEVELS)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("flip", {}),
        ("basic", {"color": 1.0}),
        ("rand_augment", {"magnitude": 1.0, "rate": 1.0}),
        ("color_jitter", {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.5}),
        ("aug_mix", {"severity": 10.0}),
        ("random_erasing", {"rate": 1.0}),
    ],
)
def test_images_stay_in_their_range(name: str, table: dict[str, Any]) -> None:
    augment = build(name, **table)
    assert augment is not None
    images = arrays(augment, photos())["images"]
    assert images.dtype == np.float32
    assert images.shape == (8, *SIZE, 3)
    assert images.min() >= 0
    assert images.max() <= 255
    assert images.max() > 100


@pytest.mark.parametrize("name", POLICIES)
def test_labels_and_other_keys_are_passed_on(name: str) -> None:
    batch = {**photos(), "weights": tf.ones(8)}
    after = built(name)(batch, tf.constant(SEED))
    assert after.keys() == batch.keys()
    assert after["labels"] is batch["labels"]
    assert after["weights"] is batch["weights"]
    assert not np.array_equal(after["images"], batch["images"])


@pytest.mark.parametrize("name", POLICIES)
def test_masks_do_not_change_what_happens_to_the_images(name: str) -> None:
    batch = scene()
    alone = arrays(built(name), {"images": batch["images"]})
    np.testing.assert_allclose(alone["images"], arrays(built(name), batch)["images"], atol=0.01)


def test_flip_mirrors_left_and_right_for_some_images_only() -> None:
    before = scene(32)["images"].numpy()
    after = arrays(built("flip"), {"images": tf.constant(before)})["images"]
    mirrored = (after == before[:, :, ::-1]).all(axis=(1, 2, 3))
    kept = (after == before).all(axis=(1, 2, 3))
    assert (mirrored | kept).all()
    assert mirrored.any()
    assert kept.any()


@pytest.mark.parametrize("part", ["flip", "shift", "rotate", "zoom", "color"])
def test_each_part_of_basic_works_alone(part: str) -> None:
    off = {"flip": False, "shift": 0, "rotate": 0, "zoom": 0, "color": 0}
    augment = build("basic", **{**off, part: RECORDS["basic"].options().model_dump()[part]})
    assert augment is not None
    batch = scene()
    after = arrays(augment, batch)
    assert not np.array_equal(after["images"], batch["images"])
    assert np.array_equal(after["segmentation_masks"], batch["segmentation_masks"]) == (part == "color")


def test_a_black_border_is_ignored_in_masks() -> None:
    augment = build("shift_flip", shift=0.5, flip=False, border="constant")
    assert augment is not None
    batch = {"images": tf.fill((8, *SIZE, 3), 200.0), "segmentation_masks": tf.ones((8, *SIZE, 1), tf.int32)}
    after = arrays(augment, batch)
    outside = after["segmentation_masks"][..., 0] == IGNORE
    assert outside.any()
    assert (after["images"][outside] < 200).all()
    assert (after["images"][~outside] > 0).all()


@pytest.mark.parametrize("part", ["brightness", "contrast", "saturation", "hue"])
def test_each_part_of_color_jitter_works_alone_and_leaves_masks_alone(part: str) -> None:
    off = {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}
    augment = build("color_jitter", **{**off, part: 0.3})
    assert augment is not None
    batch = {**photos(), "segmentation_masks": scene()["segmentation_masks"]}
    after = arrays(augment, batch)
    assert not np.allclose(after["images"], batch["images"], atol=1)
    np.testing.assert_array_equal(after["segmentation_masks"], batch["segmentation_masks"])


def test_turning_the_hue_keeps_the_brightest_channels_value() -> None:
    augment = build("color_jitter", brightness=0, contrast=0, saturation=0, hue=0.5)
    assert augment is not None
    before = photos()["images"].numpy()
    after = arrays(augment, photos())["images"]
    np.testing.assert_allclose(after.max(-1), before.max(-1), atol=0.1)


def test_rand_augment_at_rate_0_changes_nothing() -> None:
    augment = build("rand_augment", rate=0)
    assert augment is not None
    assert_same(arrays(augment, scene()), {key: value.numpy() for key, value in scene().items()})


@pytest.fixture
def half_precision() -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.usefixtures("half_precision")
@pytest.mark.parametrize("name", POLICIES)
def test_the_models_precision_does_not_coarsen_the_images(name: str) -> None:
    augment = build(name)
    assert augment is not None
    assert_same(arrays(augment, scene()), arrays(built(name), scene()))


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("none", {"strength": 1}),
        ("flip", {"horizontal": "yes"}),
        ("basic", {"shift": -0.1}),
        ("basic", {"rotate": 181}),
        ("basic", {"color": 1.1}),
        ("rand_augment", {"magnitude": 1.5}),
        ("rand_augment", {"augmentations_per_image": 0}),
        ("shift_flip", {"border": "wrap"}),
        ("color_jitter", {"hue": 0.6}),
        ("random_erasing", {"area": [0.4, 0.2]}),
        ("random_erasing", {"aspect": [0.0, 1.0]}),
        ("mixup", {"alpha": 0}),
        ("cutmix", {"rate": 1.5}),
        ("aug_mix", {"depth": 0}),
    ],
)
def test_bad_options_are_refused(name: str, table: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(table))):
        RECORDS[name].options.model_validate_json(json.dumps(table))
