"""Feature pyramid for segmentation (Lin et al. 2017, arXiv:1612.03144; Kirillov et al. 2019, arXiv:1901.02446)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import layers

from tlkit import HeadContext
from tlkit_heads import FpnOptions


def build(features: Mapping[int, Any], ctx: HeadContext, options: FpnOptions) -> Any:
    """Logits (N, H/s, W/s, units), float32, with s the finest stride of the backbone from 4 on.

    Each map gets what the coarser ones saw (1x1 convolution, doubling, sum), then all are brought to the finest by
    3x3 convolutions with doubling between them, and summed.
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
    if options.dropout:
        x = layers.SpatialDropout2D(options.dropout, seed=ctx.seed, name="head_dropout")(x)
    return layers.Conv2D(ctx.units, 1, dtype="float32", name="head_logits")(x)


def _to_finest(x: Any, stride: int, finest: int, options: FpnOptions) -> Any:
    """As many 3x3 convolutions as doublings, but at least one; BatchNorm and ReLU behind each."""
    doublings = (stride // finest).bit_length() - 1
    for number in range(1, max(doublings, 1) + 1):
        name = f"head_level{stride}_conv{number}"
        x = layers.Conv2D(
            options.filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
        )(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
        x = layers.ReLU(name=f"{name}_relu")(x)
        if doublings:
            x = layers.UpSampling2D(2, interpolation="bilinear", name=f"head_level{stride}_up{number}")(x)
    return x
