"""tlkit's own heads: classification heads and segmentation decoders. Importing it imports nothing heavy."""

from __future__ import annotations

import tlkit

_HEADS = (
    tlkit.Head(
        name="linear",
        summary="global average pooling, dropout, one dense layer",
        task="classification",
        options=tlkit.lazy("tlkit_heads.options:LinearOptions"),
        build=tlkit.lazy("tlkit_heads.linear:build"),
    ),
    tlkit.Head(
        name="mlp",
        summary="global average pooling and hidden dense layers",
        task="classification",
        options=tlkit.lazy("tlkit_heads.options:MlpOptions"),
        build=tlkit.lazy("tlkit_heads.mlp:build"),
    ),
    tlkit.Head(
        name="flatten_mlp",
        summary="hidden dense layers on the flattened feature map",
        task="classification",
        options=tlkit.lazy("tlkit_heads.options:FlattenMlpOptions"),
        build=tlkit.lazy("tlkit_heads.flatten_mlp:build"),
    ),
    tlkit.Head(
        name="unet",
        summary="decoder with skips from the backbone's strides (Ronneberger et al. 2015, arXiv:1505.04597)",
        task="segmentation",
        options=tlkit.lazy("tlkit_heads.options:UnetOptions"),
        build=tlkit.lazy("tlkit_heads.unet:build"),
    ),
    tlkit.Head(
        name="transpose",
        summary="ladder of stride-2 transposed convolutions, without skips",
        task="segmentation",
        options=tlkit.lazy("tlkit_heads.options:TransposeOptions"),
        build=tlkit.lazy("tlkit_heads.transpose:build"),
    ),
    tlkit.Head(
        name="fpn",
        summary="feature pyramid, its levels summed (Kirillov et al. 2019, arXiv:1901.02446)",
        task="segmentation",
        options=tlkit.lazy("tlkit_heads.options:FpnOptions"),
        build=tlkit.lazy("tlkit_heads.fpn:build"),
    ),
    tlkit.Head(
        name="deeplabv3plus",
        summary="parallel dilated convolutions and one skip (Chen et al. 2018, arXiv:1802.02611)",
        task="segmentation",
        options=tlkit.lazy("tlkit_heads.options:DeepLabOptions"),
        build=tlkit.lazy("tlkit_heads.deeplabv3plus:build"),
    ),
    tlkit.Head(
        name="linear_seg",
        summary="1x1 convolution and resizing (Long et al. 2015, arXiv:1411.4038)",
        task="segmentation",
        options=tlkit.lazy("tlkit_heads.options:LinearSegOptions"),
        build=tlkit.lazy("tlkit_heads.linear_seg:build"),
    ),
)


@tlkit.hookimpl
def tlkit_heads() -> tuple[tlkit.Head, ...]:
    """Offer the heads of this package."""
    return _HEADS
