"""DeepLabv3+ (Chen et al. 2018, arXiv:1802.02611): parallel dilated convolutions and one skip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import layers

from tlkit import HeadContext
from tlkit_heads.decoder import conv_norm_relu, logits
from tlkit_heads.options import DeepLabOptions


def build(features: Mapping[int, Any], ctx: HeadContext, options: DeepLabOptions) -> Any:
    """Return float32 logits (N, H/4, W/4, units), or at the backbone's finest stride if it has no stride 4.

    The paper dilates the backbone's last stages to stay at stride 16. Frozen weights were not trained for that;
    here feature maps coarser than ``options.stride`` are resized to it and concatenated instead.
    """
    fine = 4 if 4 in features else min(features)
    stride = max((each for each in features if fine <= each <= max(options.stride, fine)), default=fine)
    joined = [features[stride]]
    for coarser in sorted(features):
        if coarser > stride:
            up = layers.UpSampling2D(coarser // stride, interpolation="bilinear", name=f"head_from{coarser}")
            joined.append(up(features[coarser]))
    x = layers.Concatenate(name="head_deep")(joined) if len(joined) > 1 else joined[0]
    x = _pyramid_pooling(x, options)
    if stride > fine:
        x = layers.UpSampling2D(stride // fine, interpolation="bilinear", name="head_up")(x)
        low = conv_norm_relu(features[fine], options.low_filters, 1, "head_low")
        x = layers.Concatenate(name="head_skip")([x, low])
    for number in (1, 2):
        x = _separable(x, options.filters, 1, f"head_refine{number}")
    return logits(x, ctx.units, options.dropout, seed=ctx.seed)


def _pyramid_pooling(x: Any, options: DeepLabOptions) -> Any:
    """Apply atrous spatial pyramid pooling: a 1x1, dilated 3x3 and an image-mean branch, concatenated."""
    height, width = x.shape[1:3]
    branches = [conv_norm_relu(x, options.filters, 1, "head_aspp0")]
    branches += [
        _separable(x, options.filters, rate, f"head_aspp{number}") for number, rate in enumerate(options.rates, 1)
    ]
    # Without BatchNormalization: in a batch of one image each channel has a single value here.
    pooled = layers.GlobalAveragePooling2D(keepdims=True, name="head_pool")(x)
    pooled = layers.Conv2D(options.filters, 1, activation="relu", name="head_pool_conv")(pooled)
    branches.append(layers.UpSampling2D((height, width), name="head_pool_up")(pooled))
    return conv_norm_relu(layers.Concatenate(name="head_aspp")(branches), options.filters, 1, "head_project")


def _separable(x: Any, filters: int, rate: int, name: str) -> Any:
    """Apply a depthwise separable 3x3 convolution, dilated by ``rate``."""
    x = layers.DepthwiseConv2D(3, padding="same", dilation_rate=rate, use_bias=False, name=f"{name}_depthwise")(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_depthwise_bn")(x)
    x = layers.ReLU(name=f"{name}_depthwise_relu")(x)
    return conv_norm_relu(x, filters, 1, name)
