"""A dense layer on the pooled features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import layers

from tlkit import HeadContext
from tlkit_heads import LinearOptions


def build(features: Mapping[int, Any], ctx: HeadContext, options: LinearOptions) -> Any:
    """Logits (N, units), float32, from the global average of the backbone's last feature map."""
    x = layers.GlobalAveragePooling2D(name="head_pooling")(features[max(features)])
    if options.dropout:
        x = layers.Dropout(options.dropout, name="head_dropout")(x)
    return layers.Dense(ctx.units, dtype="float32", name="head_logits")(x)
