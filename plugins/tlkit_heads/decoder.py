"""Layers that several segmentation heads build."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from keras import layers

from tlkit_heads.options import DecoderOptions


def stages(deepest: int, options: DecoderOptions) -> Iterator[tuple[int, int]]:
    """Yield (stride, channels) of each decoder stage, from the one after ``deepest`` to ``options.output_stride``."""
    stride = deepest // 2
    while stride >= options.output_stride:
        place = len(options.filters) - stride.bit_length()
        yield stride, options.filters[max(place, 0)]
        stride //= 2


def conv_norm_relu(
    x: Any,
    filters: int,
    kernel_size: int,
    name: str,
    *,
    batch_norm: bool = True,
    strides: int = 1,
    layer: Any = layers.Conv2D,
) -> Any:
    """Apply a convolution, BatchNormalization if wanted, and ReLU.

    Args:
        x: feature map (N, h, w, channels).
        filters: channels of the result.
        kernel_size: side of the convolution's kernel.
        name: name of the convolution; the other layers add ``_bn`` and ``_relu``.
        batch_norm: whether BatchNormalization follows; without it the convolution has a bias.
        strides: stride of the convolution.
        layer: ``layers.Conv2D`` or ``layers.Conv2DTranspose``.
    """
    x = layer(
        filters,
        kernel_size,
        strides,
        padding="same",
        use_bias=not batch_norm,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    return norm_relu(x, name, batch_norm=batch_norm)


def norm_relu(x: Any, name: str, *, batch_norm: bool = True) -> Any:
    """Apply BatchNormalization if wanted, and ReLU; the layers are called ``name`` with ``_bn`` and ``_relu``."""
    if batch_norm:
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def separable(x: Any, filters: int, kernel_size: int, name: str, *, batch_norm: bool = True) -> Any:
    """Apply a depthwise convolution and, as ``conv_norm_relu`` does, a 1x1 convolution; without a ReLU between them.

    Args:
        x: feature map (N, h, w, channels).
        filters: channels of the result.
        kernel_size: side of the depthwise convolution's kernel.
        name: name of the 1x1 convolution; the depthwise one adds ``_depthwise``.
        batch_norm: as in ``conv_norm_relu``.
    """
    x = layers.DepthwiseConv2D(kernel_size, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    return conv_norm_relu(x, filters, 1, name, batch_norm=batch_norm)


def logits(x: Any, units: int, dropout: float, *, seed: int | None = None, kernel_size: int = 1) -> Any:
    """Return float32 logits (N, h, w, units) of a feature map, with channels dropped before them.

    Args:
        x: feature map (N, h, w, channels).
        units: logits per pixel.
        dropout: fraction of the channels dropped; 0 adds no layer.
        seed: seed of the dropout; None draws one from Keras's global generator.
        kernel_size: side of the kernel of the convolution that computes the logits.
    """
    if dropout:
        x = layers.SpatialDropout2D(dropout, seed=seed, name="head_dropout")(x)
    return layers.Conv2D(units, kernel_size, padding="same", dtype="float32", name="head_logits")(x)
