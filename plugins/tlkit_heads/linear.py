"""A dense layer on the pooled features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import layers

from tlkit import HeadContext
from tlkit_heads.options import LinearOptions


def build(features: Mapping[int, Any], ctx: HeadContext, options: LinearOptions) -> Any:
    """Return float32 logits (N, units), from the global average of the backbone's last feature map.

    The kernel starts at zero. With fewer images than features, training never changes the part of a random kernel
    that is orthogonal to the images' features, and that part costs a point or two of accuracy on new images.
    """
    x = layers.GlobalAveragePooling2D(name="head_pooling")(features[max(features)])
    if options.dropout:
        x = layers.Dropout(options.dropout, name="head_dropout")(x)
    return layers.Dense(ctx.units, kernel_initializer="zeros", dtype="float32", name="head_logits")(x)
