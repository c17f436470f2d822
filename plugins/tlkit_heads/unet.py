"""U-Net's decoder (Ronneberger et al. 2015, arXiv:1505.04597) on any backbone, with padded convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import layers

from tlkit import HeadContext
from tlkit_heads.decoder import conv_norm_relu, logits, norm_relu, separable, stages
from tlkit_heads.options import UnetOptions


def build(features: Mapping[int, Any], ctx: HeadContext, options: UnetOptions) -> Any:
    """Return float32 logits (N, H/output_stride, W/output_stride, units).

    Each stage doubles the feature map, joins it with the backbone's map of the same stride if there is one, and
    applies ``options.convs`` 3x3 convolutions.
    """
    deepest = max(features)
    x = features[deepest]
    for stride, filters in stages(deepest, options):
        prefix = f"head_stride{stride}"
        join = _added if options.join == "add" else _concatenated
        x = join(x, features.get(stride), filters, options, prefix)
        for number in range(1, options.convs + 1):
            convolve = separable if options.convolution == "separable" else conv_norm_relu
            x = convolve(x, filters, 3, f"{prefix}_conv{number}", batch_norm=options.batch_norm)
    return logits(x, ctx.units, options.dropout)


def _concatenated(x: Any, skip: Any, filters: int, options: UnetOptions, prefix: str) -> Any:
    x = _double(x, filters, options, f"{prefix}_up")
    return x if skip is None else layers.Concatenate(name=f"{prefix}_skip")([x, skip])


def _added(x: Any, skip: Any, filters: int, options: UnetOptions, prefix: str) -> Any:
    """Add the doubled map and the skip, each brought to ``filters`` channels by a 1x1 convolution.

    The sum is what a 1x1 convolution of their concatenation gives. Interpolation and a 1x1 convolution can change
    places; before the doubling, the convolution has a quarter of the positions.
    """
    if options.upsampling != "transpose":
        x = _reduce(x, filters, f"{prefix}_reduce")
    x = _double(x, filters, options, f"{prefix}_up")
    if skip is not None:
        x = layers.Add(name=f"{prefix}_skip")([x, _reduce(skip, filters, f"{prefix}_lateral")])
    return norm_relu(x, f"{prefix}_join", batch_norm=options.batch_norm)


def _reduce(x: Any, filters: int, name: str) -> Any:
    return layers.Conv2D(filters, 1, use_bias=False, kernel_initializer="he_normal", name=name)(x)


def _double(x: Any, filters: int, options: UnetOptions, name: str) -> Any:
    if options.upsampling == "transpose":
        return layers.Conv2DTranspose(filters, 2, 2, padding="same", kernel_initializer="he_normal", name=name)(x)
    return layers.UpSampling2D(2, interpolation=options.upsampling, name=name)(x)
