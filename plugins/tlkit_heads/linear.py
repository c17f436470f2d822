"""A dense layer on the pooled features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import layers

from tlkit import HeadContext
from tlkit_heads import LinearOptions


def build(features: Mapping[int, Any], ctx: HeadContext, options: LinearOptions) -> Any:
    """Logits (N, units), float32, from the global average of the backbone's last feature map.

    The kernel begins at zero: with fewer images than features, what a random kernel has outside the images' span is
    never unlearnt, and costs a point or two of accuracy on new images.
    """
    x = layers.GlobalAveragePooling2D(name="head_pooling")(features[max(features)])
    if options.dropout:
        x = layers.Dropout(options.dropout, name="head_dropout")(x)
    return layers.Dense(ctx.units, kernel_initializer="zeros", dtype="float32", name="head_logits")(x)
