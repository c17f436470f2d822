"""A 1x1 convolution on one feature map: the FCN-32s of Long et al. 2015 (arXiv:1411.4038)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tlkit import HeadContext
from tlkit_heads.decoder import logits
from tlkit_heads.options import LinearSegOptions


def build(features: Mapping[int, Any], ctx: HeadContext, options: LinearSegOptions) -> Any:
    """Return float32 logits (N, H/stride, W/stride, units); the core resizes them to the image."""
    stride = max((each for each in features if each <= options.stride), default=min(features))
    return logits(features[stride], ctx.units, options.dropout, seed=ctx.seed)
