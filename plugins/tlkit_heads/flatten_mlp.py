"""Dense layers on the flattened feature map: the top of AlexNet and VGG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import layers

from tlkit import HeadContext
from tlkit_heads.options import FlattenMlpOptions


def build(features: Mapping[int, Any], ctx: HeadContext, options: FlattenMlpOptions) -> Any:
    """Return float32 logits (N, units); the weights fit only the image size they were trained with."""
    x = layers.Flatten(name="head_flatten")(features[max(features)])
    for number, units in enumerate(options.units, 1):
        x = layers.Dense(units, activation=options.activation, name=f"head_hidden{number}")(x)
        if options.dropout:
            x = layers.Dropout(options.dropout, seed=ctx.seed, name=f"head_dropout{number}")(x)
    return layers.Dense(ctx.units, dtype="float32", name="head_logits")(x)
