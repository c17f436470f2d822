"""tlkit's own augmentation policies, on keras-cv 0.9's layers, and policies that mix images.

keras-cv is imported in this package and nowhere else, when a policy is built that needs it.
"""

from __future__ import annotations

import tlkit


def build_none(ctx: tlkit.AugmentContext, options: tlkit.Options) -> None:
    """Return None: the images stay as they are."""


_POLICIES = (
    tlkit.Augmentation(
        name="none",
        summary="leave the images as they are",
        options=tlkit.lazy("tlkit_augment.options:NoneOptions"),
        build=build_none,
    ),
    tlkit.Augmentation(
        name="flip",
        summary="mirror half of the images together with their masks",
        options=tlkit.lazy("tlkit_augment.options:FlipOptions"),
        build=tlkit.lazy("tlkit_augment.flips:flip"),
    ),
    tlkit.Augmentation(
        name="shift_flip",
        summary="shift by up to an eighth and mirror, as for ResNets on CIFAR; masks move along",
        options=tlkit.lazy("tlkit_augment.options:ShiftFlipOptions"),
        build=tlkit.lazy("tlkit_augment.policies:shift_flip"),
    ),
    tlkit.Augmentation(
        name="flip_rotate_zoom",
        summary="mirror, rotate and zoom; masks move along, borders are reflected",
        options=tlkit.lazy("tlkit_augment.options:FlipRotateZoomOptions"),
        build=tlkit.lazy("tlkit_augment.policies:flip_rotate_zoom"),
    ),
    tlkit.Augmentation(
        name="basic",
        summary="mirror, shift, rotate, zoom and mild colour changes; masks move along, borders are reflected",
        options=tlkit.lazy("tlkit_augment.options:BasicOptions"),
        build=tlkit.lazy("tlkit_augment.policies:basic"),
    ),
    tlkit.Augmentation(
        name="color_jitter",
        summary="brightness, contrast, saturation and hue",
        options=tlkit.lazy("tlkit_augment.options:ColorJitterOptions"),
        build=tlkit.lazy("tlkit_augment.policies:color_jitter"),
    ),
    tlkit.Augmentation(
        name="rand_augment",
        summary="RandAugment: a few random changes per image; masks move along, borders are reflected",
        options=tlkit.lazy("tlkit_augment.options:RandAugmentOptions"),
        build=tlkit.lazy("tlkit_augment.policies:rand_augment"),
    ),
    tlkit.Augmentation(
        name="aug_mix",
        summary="AugMix: each image mixed with chains of changes of itself; with masks, only colour changes",
        options=tlkit.lazy("tlkit_augment.options:AugMixOptions"),
        build=tlkit.lazy("tlkit_augment.augmix:aug_mix"),
    ),
    tlkit.Augmentation(
        name="random_erasing",
        summary="overwrite a rectangle of some images with noise or a colour",
        options=tlkit.lazy("tlkit_augment.options:RandomErasingOptions"),
        build=tlkit.lazy("tlkit_augment.erasing:random_erasing"),
    ),
    tlkit.Augmentation(
        name="mixup",
        summary="weighted means of two images and of their labels or masks",
        options=tlkit.lazy("tlkit_augment.options:MixUpOptions"),
        build=tlkit.lazy("tlkit_augment.mixing:mixup"),
        soft_labels=True,
    ),
    tlkit.Augmentation(
        name="cutmix",
        summary="paste a rectangle of another image and its mask; labels are mixed by area",
        options=tlkit.lazy("tlkit_augment.options:CutMixOptions"),
        build=tlkit.lazy("tlkit_augment.mixing:cutmix"),
        soft_labels=True,
    ),
)


@tlkit.hookimpl
def tlkit_augmentations() -> tuple[tlkit.Augmentation, ...]:
    """Offer the policies of this package."""
    return _POLICIES
