"""DeepLabv3+ (Chen et al. 2018, arXiv:1802.02611): parallel dilated convolutions and one skip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import layers

from tlkit import HeadContext
from tlkit_heads import DeepLabOptions


def build(features: Mapping[int, Any], ctx: HeadContext, options: DeepLabOptions) -> Any:
    """Logits (N, H/4, W/4, units), float32; at the backbone's finest stride where it has no 4.

    The paper dilates the backbone's last stages to stay at stride 16. Frozen weights were not trained so; here maps
    that are coarser than ``stride`` are resized to it and joined with it instead.
    """
    fine = 4 if 4 in features else min(features)
    at = max((each for each in features if fine <= each <= max(options.stride, fine)), default=fine)
    joined = [features[at]]
    for stride in sorted(features):
        if stride > at:
            up = layers.UpSampling2D(stride // at, interpolation="bilinear", name=f"head_from{stride}")
            joined.append(up(features[stride]))
    x = layers.Concatenate(name="head_deep")(joined) if len(joined) > 1 else joined[0]
    x = _pyramid_pooling(x, options)
    if at > fine:
        x = layers.UpSampling2D(at // fine, interpolation="bilinear", name="head_up")(x)
        low = _conv(features[fine], options.low_filters, 1, "head_low")
        x = layers.Concatenate(name="head_skip")([x, low])
    for number in (1, 2):
        x = _separable(x, options.filters, 1, f"head_refine{number}")
    if options.dropout:
        x = layers.SpatialDropout2D(options.dropout, seed=ctx.seed, name="head_dropout")(x)
    return layers.Conv2D(ctx.units, 1, dtype="float32", name="head_logits")(x)


def _pyramid_pooling(x: Any, options: DeepLabOptions) -> Any:
    """Atrous spatial pyramid pooling: 1x1, dilated 3x3 and the mean of the image, side by side."""
    height, width = x.shape[1:3]
    branches = [_conv(x, options.filters, 1, "head_aspp0")]
    branches += [
        _separable(x, options.filters, rate, f"head_aspp{number}") for number, rate in enumerate(options.rates, 1)
    ]
    # Without BatchNorm: a batch of one image has one value a channel here.
    pooled = layers.GlobalAveragePooling2D(keepdims=True, name="head_pool")(x)
    pooled = layers.Conv2D(options.filters, 1, activation="relu", name="head_pool_conv")(pooled)
    branches.append(layers.UpSampling2D((height, width), name="head_pool_up")(pooled))
    return _conv(layers.Concatenate(name="head_aspp")(branches), options.filters, 1, "head_project")


def _conv(x: Any, filters: int, kernel: int, name: str) -> Any:
    x = layers.Conv2D(filters, kernel, padding="same", use_bias=False, kernel_initializer="he_normal", name=name)(x)
    return layers.ReLU(name=f"{name}_relu")(layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x))


def _separable(x: Any, filters: int, rate: int, name: str) -> Any:
    x = layers.DepthwiseConv2D(3, padding="same", dilation_rate=rate, use_bias=False, name=f"{name}_depthwise")(x)
    x = layers.ReLU(name=f"{name}_depthwise_relu")(
        layers.BatchNormalization(momentum=0.9, name=f"{name}_depthwise_bn")(x)
    )
    return _conv(x, filters, 1, name)
