"""A small encoder from scratch, for quick runs and small images."""

from __future__ import annotations

from typing import Any

from keras import layers

from tlkit.contracts import BackboneContext, Block, BuiltBackbone


def build_small_encoder(images: Any, ctx: BackboneContext, options: Any) -> BuiltBackbone:
    """Build stages of 3x3 convolution, BatchNorm and ReLU; the first convolution of each stage has stride 2.

    Args:
        images: symbolic (N, H, W, 3), RGB in 0-255.
        ctx: what the encoder is built for; standardized images are not rescaled.
        options: ``filters``, the channels of each stage, and ``convs``, the convolutions per stage.
    """
    x = images if ctx.standardized else layers.Rescaling(1 / 127.5, offset=-1.0, name="preprocessing")(images)
    features = {}
    blocks = []
    for number, channels in enumerate(options.filters, 1):
        names = []
        for conv in range(1, options.convs + 1):
            prefix = f"block{number}_conv{conv}"
            stride = 2 if conv == 1 else 1
            x = layers.Conv2D(channels, 3, stride, "same", use_bias=False, kernel_initializer="he_normal", name=prefix)(
                x
            )
            x = layers.BatchNormalization(momentum=0.9, name=f"{prefix}_bn")(x)
            x = layers.ReLU(name=f"{prefix}_relu")(x)
            names += [prefix, f"{prefix}_bn", f"{prefix}_relu"]
        features[2**number] = x
        blocks.append(Block(f"block{number}", tuple(names), 2**number))
    return BuiltBackbone(features, tuple(blocks))
