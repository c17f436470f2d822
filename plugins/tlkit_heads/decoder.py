"""What the segmentation heads share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from keras import layers

from tlkit_heads import DecoderOptions


def stages(deepest: int, options: DecoderOptions) -> Iterator[tuple[int, int]]:
    """(stride, channels) of the decoder's stages, from the one behind ``deepest`` to ``options.output_stride``."""
    stride = deepest // 2
    while stride >= options.output_stride:
        place = len(options.filters) - stride.bit_length()
        yield stride, options.filters[max(place, 0)]
        stride //= 2


def norm_relu(x: Any, options: DecoderOptions, name: str) -> Any:
    """BatchNormalization, where the options want it, and ReLU."""
    if options.batch_norm:
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def logits(x: Any, units: int, options: DecoderOptions, kernel_size: int = 1) -> Any:
    """Logits (N, h, w, units), float32, of a feature map."""
    if options.dropout:
        x = layers.SpatialDropout2D(options.dropout, name="head_dropout")(x)
    return layers.Conv2D(units, kernel_size, padding="same", dtype="float32", name="head_logits")(x)
