"""Backbones: networks that turn images into feature maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

if TYPE_CHECKING:
    from tlkit.contracts.base import Tensor
from tlkit.contracts.base import ImageSize, Options


class BackboneOptions(Options):
    """Options that every backbone has; a backbone's own options derive from this class."""

    weights: str = Field(
        "imagenet",
        description='"imagenet", "none" (random), a weights file (.weights.h5 or .h5), or the folder of an earlier run',
    )


@dataclass(frozen=True)
class BackboneContext:
    """What a backbone is built for.

    Args:
        image_size: (height, width) in pixels of the images that it gets, padding included.
        seed: for the initialisers.
        standardized: whether the images come centred and scaled by the training set's statistics instead of in 0-255;
            scaling of the backbone's own has to be left out then.
    """

    image_size: ImageSize
    seed: int
    standardized: bool = False


@dataclass(frozen=True)
class Block:
    """A named stretch of a backbone that a schedule can unfreeze from.

    Args:
        name: such as ``conv5`` or ``block4``, as the architecture's own layers are called.
        layers: names of the layers in it, in graph order.
        stride: at which most of its layers work, in input pixels.
    """

    name: str
    layers: tuple[str, ...]
    stride: int


@dataclass(frozen=True)
class BuiltBackbone:
    """What ``Backbone.build`` returns.

    Args:
        features: stride → symbolic feature map (N, about H/stride, about W/stride, channels). The greatest stride is
            the backbone's output.
        blocks: from the input to the output; every layer that has weights is in exactly one.
    """

    features: Mapping[int, Tensor]
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class PretrainedFile:
    """Where a backbone's published weights are.

    Args:
        url: of the file.
        file_name: its name in the cache folder, which is ``$KERAS_HOME/models``.
        digest: ``md5:…`` or ``sha256:…`` of the file, None where the publisher gives none.
    """

    url: str
    file_name: str
    digest: str | None


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A network that turns images into feature maps.

    Args:
        name: the name in ``[backbone] name = "…"``.
        summary: one line for ``tlkit plugins``.
        options: a subclass of ``BackboneOptions``.
        build: ``build(images, ctx, options)``: ``images`` is a symbolic tensor (N, H, W, 3) of raw RGB, float32 in
            0–255; preprocessing is part of what is built. Weights are initialised at random; the core loads them.
        pretrained: ``pretrained(options)`` tells where the ImageNet weights of this variant are; None when there are
            none. It may raise ``DataError`` for a variant that has none.
        loaded: ``loaded(layers, options)`` is called after a published file or a user's weights file was loaded, with
            layer name → layer, for what the file's format needs; None where nothing is to be done.
        takes_standardized: whether ``build`` heeds ``ctx.standardized``; ``[input] normalize`` is refused otherwise.
    """

    name: str
    summary: str
    options: type[BackboneOptions]
    build: Callable[[Tensor, BackboneContext, Any], BuiltBackbone]
    pretrained: Callable[[Any], PretrainedFile] | None = None
    loaded: Callable[[Mapping[str, Any], Any], None] | None = None
    takes_standardized: bool = False
