"""Augmentation policies, many of them on keras-cv 0.9's layers; ``_POLICIES`` lists them.

keras-cv lives in this package and nowhere else, and is imported when a policy is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

import tlkit
from tlkit_augment import options as _options

Augment = Callable[[dict[str, Any], Any], dict[str, Any]]


def _build_none(ctx: tlkit.AugmentContext, options: _options.NoneOptions) -> None:
    """Nothing is to be done."""


class _Build:
    """Calls ``NAME`` of a module, which is imported then."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def __call__(self, ctx: tlkit.AugmentContext, options: Any) -> Augment | None:
        build = getattr(import_module(f"tlkit_augment.{self._module}"), self._name)
        built: Augment | None = build(ctx, options)
        return built


_POLICIES: tuple[tuple[str, str, type[tlkit.Options], str], ...] = (
    ("flip", "policies", _options.FlipOptions, "mirror half of the images, masks alike"),
    (
        "basic",
        "policies",
        _options.BasicOptions,
        "mirror, shift, rotate, zoom and mild colour; masks alike, borders are reflected",
    ),
    ("shift_flip", "policies", _options.ShiftFlipOptions, "shift by up to an eighth and mirror; masks alike"),
    ("flip_rotate_zoom", "policies", _options.FlipRotateZoomOptions, "mirror, rotate and zoom; masks alike"),
    ("color_jitter", "policies", _options.ColorJitterOptions, "brightness, contrast, saturation and hue"),
    (
        "rand_augment",
        "policies",
        _options.RandAugmentOptions,
        "RandAugment: some random changes for each image; masks alike, borders are reflected (arXiv:1909.13719)",
    ),
    (
        "aug_mix",
        "augmix",
        _options.AugMixOptions,
        "AugMix: chains of changes mixed with the image; of masks' images only the colours (arXiv:1912.02781)",
    ),
    (
        "random_erasing",
        "erasing",
        _options.RandomErasingOptions,
        "a rectangle of each image is lost (arXiv:1708.04896)",
    ),
    ("mixup", "mixing", _options.MixUpOptions, "images and targets mixed in pairs (arXiv:1710.09412)"),
    ("cutmix", "mixing", _options.CutMixOptions, "a rectangle of another image, its targets too (arXiv:1905.04899)"),
)


@tlkit.hookimpl
def tlkit_augmentations() -> Iterable[tlkit.Augmentation]:
    """The policies of this package."""
    none = tlkit.Augmentation(
        name="none", summary="leave the images as they are", options=_options.NoneOptions, build=_build_none
    )
    return [
        none,
        *(
            tlkit.Augmentation(
                name=name,
                summary=summary,
                options=options,
                build=_Build(module, name),
                soft_labels=module == "mixing",
            )
            for name, module, options, summary in _POLICIES
        ),
    ]
