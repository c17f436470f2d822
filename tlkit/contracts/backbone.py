"""Backbones: networks that turn images into feature maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from tlkit.contracts.base import ImageSize, Options, Tensor
from tlkit.contracts.options_class import OptionsClass


class BackboneOptions(Options, defer_build=True):
    """Options that every backbone has; the options of a backbone derive from this class."""

    weights: str = Field(
        "imagenet",
        description='"imagenet", "none" (random), a weights file (.weights.h5 or .h5), or the folder of an earlier run',
    )


@dataclass(frozen=True)
class BackboneContext:
    """What a backbone is built for.

    Args:
        image_size: height and width in pixels of the images it receives, padding included.
        seed: seed for initializers that take one.
        standardized: whether the images arrive centred and scaled by the training set's statistics instead of in
            0–255; the backbone must then leave out its own scaling.
    """

    image_size: ImageSize
    seed: int
    standardized: bool = False


@dataclass(frozen=True)
class Block:
    """A named part of a backbone that a schedule can unfreeze from.

    Args:
        name: name such as ``conv5`` or ``block4``, following the names of the architecture's layers.
        layers: names of the layers in it, in graph order.
        stride: stride at which most of its layers work, in input pixels.
    """

    name: str
    layers: tuple[str, ...]
    stride: int


@dataclass(frozen=True)
class BuiltBackbone:
    """What ``Backbone.build`` returns.

    Args:
        features: stride → symbolic feature map (N, about H/stride, about W/stride, channels). The map with the
            greatest stride is the backbone's output.
        blocks: the blocks from input to output; every layer with weights belongs to exactly one.
    """

    features: Mapping[int, Tensor]
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class PretrainedFile:
    """Where to download a backbone's published weights.

    Args:
        url: address of the file.
        file_name: its name in the cache folder ``$KERAS_HOME/models``.
        digest: ``md5:…`` or ``sha256:…`` of the file; None if the publisher gives none.
    """

    url: str
    file_name: str
    digest: str | None


_BACKBONE_OPTIONS = OptionsClass(BackboneOptions)


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A network that turns images into feature maps.

    Args:
        name: the name in ``[backbone] name = "…"``.
        summary: one line for ``tlkit plugins``.
        options: class of its options, a subclass of ``BackboneOptions``; or ``lazy`` of one, which is imported when it
            is needed.
        build: ``build(images, ctx, options)`` → ``BuiltBackbone``. ``images`` is a symbolic tensor (N, H, W, 3) of raw
            RGB, float32 in 0–255, so preprocessing is part of the graph. Build with random weights; the core loads
            others.
        pretrained: ``pretrained(options)`` → where the ImageNet weights for these options are. Raises ``DataError`` if
            there are none for them; None if there are none at all.
        loaded: ``loaded(layers, options)``, called with layer name → layer after a published file or a user's weights
            file was loaded, for corrections that the file's format needs; None if there are none.
        takes_standardized: whether ``build`` respects ``ctx.standardized``; otherwise ``[input] normalize`` is refused.
    """

    name: str
    summary: str
    options: OptionsClass = _BACKBONE_OPTIONS
    build: Callable[[Tensor, BackboneContext, Any], BuiltBackbone]
    pretrained: Callable[[Any], PretrainedFile] | None = None
    loaded: Callable[[Mapping[str, Any], Any], None] | None = None
    takes_standardized: bool = False
