"""A ladder of transposed convolutions without skips, as in fully convolutional networks (arXiv:1411.4038)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import layers

from tlkit import HeadContext
from tlkit_heads.decoder import conv_norm_relu, logits, stages
from tlkit_heads.options import TransposeOptions


def build(features: Mapping[int, Any], ctx: HeadContext, options: TransposeOptions) -> Any:
    """Return float32 logits (N, H/output_stride, W/output_stride, units), from the last feature map alone."""
    deepest = max(features)
    x = features[deepest]
    for stride, filters in stages(deepest, options):
        for conv in range(1, options.convs + 1):
            x = conv_norm_relu(
                x,
                filters,
                options.kernel_size,
                f"head_stride{stride}" + (f"_{conv}" if options.convs > 1 else ""),
                batch_norm=options.batch_norm,
                strides=2 if conv == options.convs else 1,
                layer=layers.Conv2DTranspose,
            )
    return logits(x, ctx.units, options.dropout, kernel_size=options.logits_kernel)
