"""U-Net's decoder (Ronneberger et al. 2015, arXiv:1505.04597) on any backbone, with padded convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import layers

from tlkit import HeadContext
from tlkit_heads.decoder import conv_norm_relu, logits, stages
from tlkit_heads.options import UnetOptions


def build(features: Mapping[int, Any], ctx: HeadContext, options: UnetOptions) -> Any:
    """Return float32 logits (N, H/output_stride, W/output_stride, units).

    Each stage doubles the feature map, concatenates the backbone's map of the same stride if there is one, and
    applies two 3x3 convolutions.
    """
    deepest = max(features)
    x = features[deepest]
    for stride, filters in stages(deepest, options):
        prefix = f"head_stride{stride}"
        x = _double(x, filters, options, f"{prefix}_up")
        if stride in features:
            x = layers.Concatenate(name=f"{prefix}_skip")([x, features[stride]])
        for number in (1, 2):
            x = conv_norm_relu(x, filters, 3, f"{prefix}_conv{number}", batch_norm=options.batch_norm)
    return logits(x, ctx.units, options.dropout)


def _double(x: Any, filters: int, options: UnetOptions, name: str) -> Any:
    if options.upsampling == "transpose":
        return layers.Conv2DTranspose(filters, 2, 2, padding="same", kernel_initializer="he_normal", name=name)(x)
    return layers.UpSampling2D(2, interpolation=options.upsampling, name=name)(x)
