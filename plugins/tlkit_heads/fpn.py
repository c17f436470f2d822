"""Feature pyramid for segmentation (Lin et al. 2017, arXiv:1612.03144; Kirillov et al. 2019, arXiv:1901.02446)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import layers

from tlkit import HeadContext
from tlkit_heads.decoder import conv_norm_relu, logits
from tlkit_heads.options import FpnOptions


def build(features: Mapping[int, Any], ctx: HeadContext, options: FpnOptions) -> Any:
    """Return float32 logits (N, H/s, W/s, units), where s is the backbone's finest stride of at least 4.

    Top-down, each level adds the coarser level, doubled in size, to its own 1x1 convolution. Every level is then
    brought to the finest one by 3x3 convolutions with a doubling after each, and all are summed.
    """
    used = sorted(stride for stride in features if stride >= 4) or [max(features)]
    pyramid: dict[int, Any] = {}
    above: Any = None
    for stride in reversed(used):
        x = layers.Conv2D(options.pyramid_filters, 1, name=f"head_lateral{stride}")(features[stride])
        if above is not None:
            coarser = used[used.index(stride) + 1]
            up = layers.UpSampling2D(coarser // stride, name=f"head_topdown{stride}")(above)
            x = layers.Add(name=f"head_merge{stride}")([x, up])
        above = pyramid[stride] = x
    levels = [_to_finest(pyramid[stride], stride, used[0], options) for stride in used]
    x = layers.Add(name="head_sum")(levels) if len(levels) > 1 else levels[0]
    return logits(x, ctx.units, options.dropout, seed=ctx.seed)


def _to_finest(x: Any, stride: int, finest: int, options: FpnOptions) -> Any:
    """Apply one 3x3 convolution per doubling from ``stride`` to ``finest``, but at least one."""
    doublings = (stride // finest).bit_length() - 1
    for number in range(1, max(doublings, 1) + 1):
        x = conv_norm_relu(x, options.filters, 3, f"head_level{stride}_conv{number}")
        if doublings:
            x = layers.UpSampling2D(2, interpolation="bilinear", name=f"head_level{stride}_up{number}")(x)
    return x
