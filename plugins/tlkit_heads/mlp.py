"""Hidden dense layers on the pooled features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import layers

from tlkit import HeadContext
from tlkit_heads.options import MlpOptions


def build(features: Mapping[int, Any], ctx: HeadContext, options: MlpOptions) -> Any:
    """Return float32 logits (N, units), through one hidden layer per entry of ``options.units``."""
    x = layers.GlobalAveragePooling2D(name="head_pooling")(features[max(features)])
    for number, units in enumerate(options.units, 1):
        name = f"head_dense{number}"
        x = layers.Dense(units, use_bias=not options.batch_norm, kernel_initializer="he_normal", name=name)(x)
        if options.batch_norm:
            x = layers.BatchNormalization(name=f"{name}_bn")(x)
        x = layers.Activation(options.activation, name=f"{name}_{options.activation}")(x)
        if options.dropout:
            x = layers.Dropout(options.dropout, name=f"{name}_dropout")(x)
    return layers.Dense(ctx.units, dtype="float32", name="head_logits")(x)
