"""Data sets made from what scikit-learn ships, without a download."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

import tlkit
from tlkit_datasets.options import DigitScenesOptions, DigitsOptions

_STROKE = 0.35
"""Minimum fraction of full ink at which a pixel counts as part of the digit."""


def open_digits(ctx: tlkit.DatasetContext, options: DigitsOptions) -> tlkit.SampleSet:  # noqa: ARG001
    """Read 1,797 handwritten digits (Alpaydin and Kaynak 1998), uint8 (8, 8)."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    samples = tuple(tlkit.Sample(f"digits/{row:04d}", row, label=int(label)) for row, label in enumerate(digits.target))
    return tlkit.SampleSet(samples=samples, classes=tuple(str(n) for n in range(10)), images=images)


def open_digit_scenes(ctx: tlkit.DatasetContext, options: DigitScenesOptions) -> tlkit.SampleSet:
    """Paste digits at random sizes, angles, colours and contrasts over crops of two photographs.

    The pasted pixels are the mask. The same seed gives the same scenes.
    """
    from sklearn.datasets import load_digits, load_sample_images

    digits = load_digits()
    inks = digits.images / 16
    photos = [Image.fromarray(photo) for photo in load_sample_images().images]
    size = options.size
    images = np.empty((options.count, size, size, 3), np.uint8)
    masks = np.zeros((options.count, size, size), np.uint8)
    for row in range(options.count):
        random = np.random.Generator(np.random.Philox(np.random.SeedSequence([ctx.seed, row])))
        scene = _background(photos[int(random.integers(len(photos)))], size, random)
        for _ in range(int(random.integers(1, options.digits + 1))):
            which = int(random.integers(len(inks)))
            number = 1 + int(digits.target[which]) if options.target == "ten" else 1
            _paste(scene, masks[row], inks[which], number, random)
        images[row] = np.clip(np.rint(scene), 0, 255).astype(np.uint8)
    names = tuple(str(n) for n in range(10)) if options.target == "ten" else ("digit",)
    samples = tuple(tlkit.Sample(f"scenes/{row:05d}", row, mask=row) for row in range(options.count))
    colors = {0: (40, 40, 60), **({} if options.target == "ten" else {1: (230, 159, 0)})}
    return tlkit.SampleSet(samples=samples, classes=("background", *names), images=images, masks=masks, colors=colors)


def _background(photo: Image.Image, size: int, random: np.random.Generator) -> np.ndarray:
    """Return a crop of the photo at a random place and scale, float64 (size, size, 3)."""
    side = int(random.integers(size, min(photo.size) + 1)) if min(photo.size) > size else min(photo.size)
    left = int(random.integers(photo.width - side + 1))
    top = int(random.integers(photo.height - side + 1))
    crop = photo.resize((size, size), Image.Resampling.BILINEAR, (left, top, left + side, top + side))
    return np.asarray(crop, np.float64)


def _paste(scene: np.ndarray, mask: np.ndarray, ink: np.ndarray, number: int, random: np.random.Generator) -> None:
    """Draw a digit into a scene, and its class number into the mask, at a random place."""
    size = scene.shape[0]
    side = int(random.uniform(0.22, 0.5) * size)
    angle = float(random.uniform(-35, 35))
    picture: Any = Image.fromarray((ink * 255).astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC)
    picture = picture.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    strength = np.clip(np.asarray(picture) / 255, 0, 1)
    height, width = strength.shape
    top = int(random.integers(0, max(1, size - height + 1)))
    left = int(random.integers(0, max(1, size - width + 1)))
    strength = strength[: size - top, : size - left]
    area = (slice(top, top + strength.shape[0]), slice(left, left + strength.shape[1]))
    around = scene[area].mean(axis=(0, 1))
    bright = float(random.uniform(190, 255)) if around.mean() < 128 else float(random.uniform(0, 65))
    color = np.clip(bright + random.uniform(-40, 40, 3), 0, 255)
    alpha = (np.minimum(1.0, strength / _STROKE) * float(random.uniform(0.65, 1.0)))[:, :, None]
    scene[area] = scene[area] * (1 - alpha) + color * alpha
    mask[area][strength > _STROKE] = number
