from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from augment_batches import (
    LEVELS,
    RECORDS,
    SEED,
    SIZE,
    arrays,
    assert_same,
    build,
    built,
    made,
    photos,
    photos_for,
    plain,
    scene,
    scene_for,
)

from tlkit.testing import check_augmentation

MOVING = ("flip", "shift_flip", "flip_rotate_zoom", "basic", "rand_augment")
STAYING = ("color_jitter", "random_erasing", "aug_mix")
MIXING = ("mixup", "cutmix")
POLICIES = (*MOVING, *STAYING, *MIXING)


def flat(masks: np.ndarray, window: int) -> np.ndarray:
    """Return where a mask (N, H, W) has a single value in the window around a pixel; False at the border."""
    padded = np.pad(masks, ((0, 0), (window // 2,) * 2, (window // 2,) * 2), constant_values=-1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (window, window), axis=(1, 2))
    return windows.max(axis=(-1, -2)) == windows.min(axis=(-1, -2))


def test_the_policies_are_offered_for_both_tasks() -> None:
    assert set(RECORDS) == {"none", *POLICIES}
    assert {record.tasks for record in RECORDS.values()} == {("classification", "segmentation")}


def test_only_the_mixing_policies_declare_soft_labels() -> None:
    assert {name for name, record in RECORDS.items() if record.soft_labels} == set(MIXING)


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_a_policy_passes_the_check_of_augmentations(name: str) -> None:
    check_augmentation(RECORDS[name])


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
def test_a_policy_with_everything_switched_off_is_none(name: str, table: dict[str, Any]) -> None:
    assert build(name, **table) is None


@pytest.mark.parametrize("name", POLICIES)
def test_the_same_seed_gives_the_same_result_whatever_ran_before(name: str) -> None:
    first = arrays(built(name), scene_for(name))
    arrays(built(name), scene_for(name), seed=(9, 9))
    assert_same(first, arrays(built(name), scene_for(name)))


@pytest.mark.parametrize("seed", [(3, 5), (4, 4)])
@pytest.mark.parametrize("name", POLICIES)
def test_another_seed_gives_another_result(name: str, seed: tuple[int, int]) -> None:
    first, second = arrays(built(name), scene_for(name)), arrays(built(name), scene_for(name), seed=seed)
    assert not np.array_equal(first["images"], second["images"])
    assert np.array_equal(first["segmentation_masks"], second["segmentation_masks"]) == (name in STAYING)


@pytest.mark.parametrize("name", [*MOVING, *STAYING])
def test_each_image_of_a_batch_is_changed_differently(name: str) -> None:
    images = arrays(built(name), {key: tf.repeat(value[:1], 8, axis=0) for key, value in scene().items()})["images"]
    assert len(np.unique(images.reshape(8, -1), axis=0)) > 1


@pytest.mark.parametrize(
    ("name", "autograph"), [*((name, False) for name in POLICIES), ("rand_augment", True), ("cutmix", True)]
)
def test_a_parallel_map_over_batches_of_unknown_size_draws_like_a_direct_call(name: str, autograph: bool) -> None:
    size, sizes = 3, (3, 3, 1)
    batch = scene_for(name, sum(sizes))

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
        np.testing.assert_allclose(result["segmentation_masks"], direct["segmentation_masks"], atol=1e-5)
        # TensorFlow may sum over an image in another order.
        np.testing.assert_allclose(result["images"], direct["images"], atol=0.01)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("flip", {"vertical": True}),
        ("shift_flip", {"shift": 0.5}),
        ("shift_flip", {"shift": 0.5, "fill_mode": "reflect"}),
        ("shift_flip", {"shift": 0.5, "fill_mode": "constant", "fill_value": 255}),
        ("flip_rotate_zoom", {}),
        ("basic", {"color": 0}),
        ("basic", {"color": 0, "flip": False, "rotate": 0, "zoom": 0, "shift": 0.5}),
        ("basic", {"color": 0, "flip": False, "shift": 0, "zoom": 0, "rotate": 180}),
        ("basic", {"color": 0, "flip": False, "shift": 0, "rotate": 0, "zoom": 0.5}),
    ],
)
def test_masks_move_with_their_images_up_to_the_border(name: str, table: dict[str, Any]) -> None:
    augment = made(name, **table)
    before = scene()
    after = arrays(augment, before)
    masks = after["segmentation_masks"][..., 0]
    seen = np.asarray(LEVELS)[np.rint(after["images"][..., 0] / 85).astype(int)]
    inside = flat(masks, 5)
    assert inside.mean() > 0.1
    np.testing.assert_array_equal(seen[inside], masks[inside])
    # An edge between classes just outside the image still blends into the pixels at its border.
    agree = seen == masks
    assert min(agree[:, [0, -1]].mean(), agree[:, :, [0, -1]].mean()) > 0.9
    assert (masks != before["segmentation_masks"].numpy()[..., 0]).any()


def test_masks_move_with_their_images_in_rand_augment() -> None:
    before = scene(24)
    after = arrays(built("rand_augment"), before)
    masks, grey = after["segmentation_masks"][..., 0], after["images"][..., 0]
    inside = flat(masks, 7)
    moved = (masks != before["segmentation_masks"].numpy()[..., 0]).any(axis=(1, 2))
    assert moved.sum() > len(moved) / 4
    # Colour changes map equal grey values of an image to equal ones, so each class must keep a single value.
    for mask, image, where in zip(masks, grey, inside, strict=True):
        for number in LEVELS:
            values = image[where & (mask == number)]
            assert values.size == 0 or np.ptp(values) < 1


def test_rand_augment_without_geometry_leaves_masks_alone() -> None:
    augment = made("rand_augment", geometric=False)
    before = scene()
    after = arrays(augment, before)
    np.testing.assert_array_equal(after["segmentation_masks"], before["segmentation_masks"])
    assert not np.array_equal(after["images"], before["images"])


@pytest.mark.parametrize("name", STAYING)
def test_policies_that_move_no_pixel_leave_masks_of_any_form_alone(name: str) -> None:
    for batch in (scene(), scene(one_hot=True)):
        after = built(name)(batch, tf.constant(SEED))
        assert after["segmentation_masks"] is batch["segmentation_masks"]
        assert not np.array_equal(after["images"], batch["images"])


@pytest.mark.parametrize("name", [*MOVING, *STAYING])
def test_masks_stay_class_numbers_and_keep_ignored_pixels(name: str) -> None:
    masks = arrays(built(name), scene())["segmentation_masks"]
    assert masks.dtype == np.int32
    assert masks.shape == (8, *SIZE, 1)
    assert set(np.unique(masks)) == set(LEVELS)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("flip", {}),
        ("shift_flip", {}),
        ("flip_rotate_zoom", {}),
        ("basic", {"color": 1.0}),
        ("color_jitter", {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.5}),
        ("rand_augment", {"magnitude": 1.0, "rate": 1.0}),
        ("aug_mix", {"severity": 1.0}),
        ("random_erasing", {}),
        ("mixup", {}),
        ("cutmix", {}),
    ],
)
def test_images_stay_in_their_range(name: str, table: dict[str, Any]) -> None:
    images = arrays(made(name, "classification", **table), photos_for(name))["images"]
    assert images.dtype == np.float32
    assert images.shape == (8, *SIZE, 3)
    assert images.min() >= 0
    assert images.max() <= 255
    assert images.max() > 100


@pytest.mark.parametrize("name", POLICIES)
def test_images_of_one_colour_stay_finite(name: str) -> None:
    images = arrays(built(name), plain(np.array([0.0, 1.0, 2.0, 127.0, 127.5, 128.0, 254.0, 255.0])))["images"]
    assert np.isfinite(images).all()


@pytest.mark.parametrize("name", [*MOVING, *STAYING])
def test_labels_and_other_entries_stay_as_they_are(name: str) -> None:
    # One-hot, as after an earlier policy that mixes.
    batch = {**photos(), "labels": tf.one_hot(tf.range(8), 9), "weights": tf.ones(8)}
    after = built(name)(batch, tf.constant(SEED))
    assert after.keys() == batch.keys()
    assert after["labels"] is batch["labels"]
    assert after["weights"] is batch["weights"]
    assert not np.array_equal(after["images"], batch["images"])


@pytest.mark.parametrize("name", POLICIES)
def test_masks_do_not_change_what_happens_to_the_images(name: str) -> None:
    batch = scene_for(name)
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
    augment = made("basic", **{**off, part: RECORDS["basic"].options().model_dump()[part]})
    batch = scene()
    after = arrays(augment, batch)
    assert not np.array_equal(after["images"], batch["images"])
    assert np.array_equal(after["segmentation_masks"], batch["segmentation_masks"]) == (part == "color")


def test_rand_augment_at_rate_0_changes_nothing() -> None:
    augment = made("rand_augment", rate=0)
    assert_same(arrays(augment, scene()), {key: value.numpy() for key, value in scene().items()})


@pytest.mark.parametrize("part", ["brightness", "contrast", "saturation", "hue"])
def test_each_part_of_color_jitter_works_alone(part: str) -> None:
    off = {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}
    before = photos()
    after = arrays(made("color_jitter", **{**off, part: 0.3}), before)["images"]
    assert np.abs(after - before["images"]).max() > 5


def test_brightness_adds_one_amount_to_an_image() -> None:
    before = photos()
    after = arrays(made("color_jitter", contrast=0, saturation=0, hue=0), before)["images"]
    amounts = []
    for old, new in zip(before["images"].numpy(), after, strict=True):
        added = (new - old)[(new > 0) & (new < 255)]
        assert np.ptp(added) < 0.01
        amounts.append(added.mean())
    assert max(amounts) <= 0.15 * 255
    assert min(amounts) >= -0.15 * 255
    assert np.ptp(amounts) > 10


def test_saturation_and_hue_leave_grey_images_alone() -> None:
    augment = made("color_jitter", brightness=0, contrast=0, saturation=1, hue=0.5)
    batch = scene()
    np.testing.assert_allclose(arrays(augment, batch)["images"], batch["images"], atol=0.01)


def test_hue_keeps_the_brightest_and_the_darkest_channel() -> None:
    augment = made("color_jitter", brightness=0, contrast=0, saturation=0, hue=0.5)
    batch = photos()
    before, after = batch["images"].numpy(), arrays(augment, batch)["images"]
    np.testing.assert_allclose(after.max(axis=-1), before.max(axis=-1), atol=0.01)
    np.testing.assert_allclose(after.min(axis=-1), before.min(axis=-1), atol=0.01)
    assert not np.allclose(after, before, atol=5)


def shifted(fill_mode: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the top or bottom rows of shifted images, dark above and bright below, and of their masks."""
    rows = np.linspace(20, 220, SIZE[0], dtype=np.float32)
    images = np.broadcast_to(rows[None, :, None, None], (32, *SIZE, 3))
    batch = {"images": tf.constant(images), "segmentation_masks": tf.ones((32, *SIZE, 1), tf.int32)}
    after = arrays(made("shift_flip", flip=False, shift=0.5, fill_mode=fill_mode, fill_value=7), batch)
    return after["images"][:, :, SIZE[1] // 2, 0], after["segmentation_masks"][..., SIZE[1] // 2, 0]


def test_shift_flip_repeats_the_border_by_default() -> None:
    columns, masks = shifted(RECORDS["shift_flip"].options().fill_mode)
    assert (np.diff(columns, axis=1) > -0.01).all()
    assert ((columns[:, 0] == 20) | (columns[:, -1] == 220)).all()
    assert (masks == 1).all()


def test_shift_flip_can_reflect() -> None:
    columns, masks = shifted("reflect")
    turns = np.abs(np.diff(np.sign(np.diff(columns, axis=1)), axis=1)).sum(axis=1)
    assert (turns > 0).mean() > 0.8
    assert (masks == 1).all()


def test_shift_flip_can_fill_with_a_constant_that_masks_ignore() -> None:
    columns, masks = shifted("constant")
    assert set(np.unique(masks)) == {1, 255}
    assert (columns[masks == 255] < 20 + 220 / SIZE[0]).mean() > 0.5
    assert (columns == 7).any()
    assert (masks[columns == 7] == 255).all()


@pytest.mark.parametrize(("name", "most"), [("shift_flip", 1 / 8), ("basic", 1 / 10)])
def test_images_are_shifted_by_at_most_the_options_value(name: str, most: float) -> None:
    off = {"rotate": 0, "zoom": 0, "color": 0} if name == "basic" else {}
    # One bright pixel in the middle; the centre of mass tells where it moved.
    images = np.zeros((64, *SIZE, 3), np.float32)
    images[:, SIZE[0] // 2, SIZE[1] // 2] = 255
    after = arrays(made(name, flip=False, **off), {"images": tf.constant(images)})["images"][..., 0]
    for axis, length in enumerate(SIZE):
        mass = after.sum(axis=2 - axis)
        moved = (mass * np.arange(length)).sum(axis=1) / mass.sum(axis=1) - length // 2
        assert np.abs(moved).max() <= most * length + 0.01
        assert np.abs(moved).max() > 0.8 * most * length


@pytest.fixture
def half_precision() -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.usefixtures("half_precision")
@pytest.mark.parametrize("name", POLICIES)
def test_mixed_precision_does_not_affect_the_images(name: str) -> None:
    assert_same(arrays(made(name), scene_for(name)), arrays(built(name), scene_for(name)))


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("none", {"strength": 1}),
        ("flip", {"horizontal": "yes"}),
        ("basic", {"shift": -0.1}),
        ("basic", {"rotate": 181}),
        ("basic", {"color": 1.1}),
        ("shift_flip", {"shift": 0.6}),
        ("shift_flip", {"fill_mode": "wrap"}),
        ("shift_flip", {"fill_value": 256}),
        ("flip_rotate_zoom", {"zoom": 1.0}),
        ("color_jitter", {"brightness": 1.1}),
        ("color_jitter", {"hue": 0.6}),
        ("rand_augment", {"magnitude": 1.5}),
        ("aug_mix", {"severity": 0}),
        ("aug_mix", {"width": 0}),
        ("aug_mix", {"depth": [0, 3]}),
        ("aug_mix", {"depth": 3}),
        ("aug_mix", {"alpha": 0}),
        ("random_erasing", {"rate": 1.1}),
        ("random_erasing", {"area": [0, 0.4]}),
        ("random_erasing", {"area": [0.1, 1.1]}),
        ("random_erasing", {"aspect": [0.01, 1]}),
        ("random_erasing", {"fill": "black"}),
        ("random_erasing", {"mask": "erase"}),
        ("mixup", {"alpha": 0}),
        ("mixup", {"rate": -0.1}),
        ("cutmix", {"alpha": 0}),
        ("cutmix", {"rate": 2}),
        ("rand_augment", {"augmentations_per_image": 0}),
    ],
)
def test_bad_options_are_refused(name: str, table: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(table))):
        RECORDS[name].options.model_validate_json(json.dumps(table))


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("aug_mix", {"depth": [3, 1]}),
        ("random_erasing", {"area": [0.4, 0.02]}),
        ("random_erasing", {"aspect": [3, 0.3]}),
    ],
)
def test_a_range_whose_bounds_are_swapped_is_refused(name: str, table: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected the lower bound first"):
        RECORDS[name].options.model_validate_json(json.dumps(table))
