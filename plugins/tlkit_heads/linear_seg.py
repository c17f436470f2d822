"""A 1x1 convolution on one feature map: the FCN-32s of Long et al. 2015 (arXiv:1411.4038)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import layers

from tlkit import HeadContext
from tlkit_heads import LinearSegOptions


def build(features: Mapping[int, Any], ctx: HeadContext, options: LinearSegOptions) -> Any:
    """Logits (N, H/stride, W/stride, units), float32; the core resizes them to the image."""
    stride = max((each for each in features if each <= options.stride), default=min(features))
    x = features[stride]
    if options.dropout:
        x = layers.SpatialDropout2D(options.dropout, seed=ctx.seed, name="head_dropout")(x)
    return layers.Conv2D(ctx.units, 1, dtype="float32", name="head_logits")(x)
