from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from augment_batches import SIZE, arrays, made, photos, scene
from PIL import Image, ImageOps


def changed_by_pillow(image: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Return Pillow's results of the operations that move no pixel; the paper's code uses Pillow."""
    picture = Image.fromarray(image.astype(np.uint8))
    yield "autocontrast", np.asarray(ImageOps.autocontrast(picture), np.float32)
    yield "equalize", np.asarray(ImageOps.equalize(picture), np.float32)
    yield "posterize", np.asarray(ImageOps.posterize(picture, 4), np.float32)
    for threshold in range(228, 256):
        yield "solarize", np.asarray(ImageOps.solarize(picture, threshold), np.float32)


def test_a_chain_of_one_operation_mixes_the_image_with_pillows_result_of_it() -> None:
    """At the paper's lowest severity, 1 of 10, solarize starts at 256 - 25.6 and posterize keeps 4 bits."""
    # The brightest value is rare because Pillow's equalize ignores its count, and keras-cv's the smallest count.
    before = np.rint(np.random.default_rng(2).triangular(20, 200, 254, (32, *SIZE, 3))).astype(np.float32)
    augment = made("aug_mix", severity=0.1, width=1, depth=[1, 1])
    after = arrays(augment, {"images": tf.constant(before)})["images"]
    seen = set()
    for old, new in zip(before, after, strict=True):
        fits = {}
        for name, changed in changed_by_pillow(old):
            change = changed - old
            weight = (change * (new - old)).sum() / max((change**2).sum(), 1.0)
            fits[name] = min(fits.get(name, np.inf), float(np.abs(new - old - weight * change).max()))
        best = min(fits, key=fits.__getitem__)
        # Pillow rounds down where keras-cv's layers keep fractions.
        assert fits[best] < 1.5
        seen.add(best)
    assert seen == {"autocontrast", "equalize", "posterize", "solarize"}


def test_with_masks_no_pixel_moves() -> None:
    before = scene(24)
    after = arrays(made("aug_mix", severity=1), before)["images"][..., 0]
    # Colour changes map equal grey values of an image to equal ones.
    for old, new in zip(before["images"].numpy()[..., 0], after, strict=True):
        assert all(np.ptp(new[old == level]) < 0.01 for level in np.unique(old))


def test_without_masks_pixels_move_too() -> None:
    before = scene(24)["images"]
    after = arrays(made("aug_mix", "classification", severity=1), {"images": before})["images"][..., 0]
    moved = [
        max(np.ptp(new[old == level]) for level in np.unique(old)) > 1
        for old, new in zip(before.numpy()[..., 0], after, strict=True)
    ]
    assert np.mean(moved) > 0.5


def test_chains_of_an_image_differ() -> None:
    image = photos(1)["images"]
    batch = {"images": tf.repeat(image, 32, axis=0)}
    one, many = (arrays(made("aug_mix", width=width, alpha=100), batch)["images"] for width in (1, 8))
    # A mean of many chains varies less from image to image than one chain does.
    assert many.std(axis=0).mean() < 0.7 * one.std(axis=0).mean()


def test_depth_is_the_number_of_operations_in_a_chain() -> None:
    batch = photos(32)
    near, far = (
        np.abs(arrays(made("aug_mix", width=1, depth=[depth, depth]), batch)["images"] - batch["images"]).mean()
        for depth in (1, 6)
    )
    assert far > 1.2 * near


def test_a_larger_alpha_mixes_more_evenly_with_the_original() -> None:
    batch = scene(64)
    kept = []
    for alpha in (0.01, 100.0):
        after = arrays(made("aug_mix", alpha=alpha), batch)["images"]
        kept.append(np.isclose(after, batch["images"], atol=0.01).all(axis=(1, 2, 3)).mean())
    # Nearly all or nothing at a small alpha, about one half at a large one.
    assert kept[0] > 0.3
    assert kept[1] < kept[0] - 0.1
