"""A ladder of transposed convolutions without skips, as fully convolutional networks have it (arXiv:1411.4038)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import layers

from tlkit import HeadContext
from tlkit_heads import TransposeOptions
from tlkit_heads.decoder import logits, norm_relu, stages


def build(features: Mapping[int, Any], ctx: HeadContext, options: TransposeOptions) -> Any:
    """Logits (N, H/output_stride, W/output_stride, units), float32, from the backbone's last feature map alone."""
    deepest = max(features)
    x = features[deepest]
    for stride, filters in stages(deepest, options):
        for conv in range(1, options.convs + 1):
            name = f"head_stride{stride}" + (f"_{conv}" if options.convs > 1 else "")
            x = layers.Conv2DTranspose(
                filters,
                options.kernel_size,
                2 if conv == options.convs else 1,
                padding="same",
                use_bias=not options.batch_norm,
                kernel_initializer="he_normal",
                name=name,
            )(x)
            x = norm_relu(x, options, name)
    return logits(x, ctx.units, options, options.logits_kernel)
