"""U-Net's decoder (Ronneberger et al. 2015, arXiv:1505.04597) on any backbone, with padding kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import layers

from tlkit import HeadContext
from tlkit_heads import UnetOptions
from tlkit_heads.decoder import logits, norm_relu, stages


def build(features: Mapping[int, Any], ctx: HeadContext, options: UnetOptions) -> Any:
    """Logits (N, H/output_stride, W/output_stride, units), float32.

    Each stage doubles the feature map, joins the backbone's map of the same stride where there is one, and has two
    3x3 convolutions.
    """
    deepest = max(features)
    x = features[deepest]
    for stride, filters in stages(deepest, options):
        prefix = f"head_stride{stride}"
        x = _double(x, filters, options, f"{prefix}_up")
        if stride in features:
            x = layers.Concatenate(name=f"{prefix}_skip")([x, features[stride]])
        for number in (1, 2):
            name = f"{prefix}_conv{number}"
            x = layers.Conv2D(
                filters,
                3,
                padding="same",
                use_bias=not options.batch_norm,
                kernel_initializer="he_normal",
                name=name,
            )(x)
            x = norm_relu(x, options, name)
    return logits(x, ctx.units, options)


def _double(x: Any, filters: int, options: UnetOptions, name: str) -> Any:
    if options.upsampling == "transpose":
        return layers.Conv2DTranspose(filters, 2, 2, padding="same", kernel_initializer="he_normal", name=name)(x)
    return layers.UpSampling2D(2, interpolation=options.upsampling, name=name)(x)
