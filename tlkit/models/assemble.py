"""Assembling the model: one flat functional graph from raw RGB to logits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import keras

from tlkit.contracts import (
    Backbone,
    BackboneContext,
    Block,
    BuiltBackbone,
    Head,
    HeadContext,
    ImageSize,
    Outline,
    Task,
)
from tlkit.errors import PluginError
from tlkit.models.graph import name_layers, operations
from tlkit.models.weights import load_backbone_weights
from tlkit.recipe.schema import Selection
from tlkit.system.text import listed

Padding = tuple[tuple[int, int], tuple[int, int]]
"""Rows above and below, columns left and right."""
_NO_PADDING: Padding = ((0, 0), (0, 0))


@dataclass(frozen=True)
class Normalization:
    """How the images are normalized before the backbone: (image - mean) / deviation, per channel.

    Args:
        mean: the means of red, green and blue, in 0-255.
        deviation: their standard deviations, above 0.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]


@dataclass(frozen=True)
class Network:
    """A model that can be trained by phases.

    Args:
        model: raw RGB (N, H, W, 3) float32 in 0-255 → float32 logits (N, units) or (N, H, W, units).
        blocks: the backbone's blocks, from the input to the output.
        pretrained: whether the backbone's weights were loaded.
        last_map: the backbone's last feature map in the model's graph, symbolic (N, h, w, channels).
    """

    model: Any
    blocks: tuple[Block, ...]
    pretrained: bool
    last_map: Any = None

    @property
    def outline(self) -> Outline:
        """What a schedule may know about the network."""
        return Outline(self.blocks, self.pretrained)

    @property
    def block_of(self) -> Mapping[str, str]:
        """Layer name → block name, for the layers of the backbone."""
        return {layer: block.name for block in self.blocks for layer in block.layers}

    @property
    def head_layers(self) -> tuple[str, ...]:
        """The names of the layers with weights that are not the backbone's."""
        block_of = self.block_of
        return tuple(layer.name for layer in self.model.layers if layer.weights and layer.name not in block_of)


def build_network(
    backbone: Selection[Backbone],
    head: Selection[Head],
    context: HeadContext,
    *,
    precision: str = "float32",
    normalization: Normalization | None = None,
) -> Network:
    """Build a backbone, load its weights, and build the head on its feature maps.

    For segmentation the model pads the images to a multiple of the backbone's greatest stride, and resizes and crops
    the logits to the size of the images. Sets the global random seeds of Keras, NumPy and Python.

    Args:
        backbone: the recipe's backbone and its options.
        head: the recipe's head and its options.
        context: task, classes, units and seed; ``image_size`` is that of the images, before padding.
        precision: dtype policy of the layers; the logits are always float32.
        normalization: statistics of the training images, for the model's first layer; None for raw RGB.

    Raises:
        DataError: the images are too small, or the weights don't fit.
        PluginError: the backbone or the head returned something that its contract does not allow.
    """
    image_size, segmentation = context.image_size, context.task == "segmentation"
    keras.utils.set_random_seed(context.seed)
    with _policy(precision):
        images = keras.Input((*image_size, 3), name="images", dtype="float32")
        padding = _padding(image_size, backbone) if segmentation else _NO_PADDING
        padded_size = (image_size[0] + sum(padding[0]), image_size[1] + sum(padding[1]))
        inputs = _padded(images if normalization is None else _normalized(images, normalization), padding)
        built = backbone.record.build(
            inputs,
            BackboneContext(padded_size, context.seed, standardized=normalization is not None),
            backbone.options,
        )
        _check_backbone(backbone.record.name, built)
        encoder = _model(f'backbone "{backbone.record.name}"', images, built.features[max(built.features)])
        blocks = _complete_blocks(backbone.record.name, built.blocks, encoder, name_layers(encoder, "backbone_"))
        pretrained = load_backbone_weights(encoder, backbone.record, backbone.options)
        features = dict(built.features)
        if segmentation:
            features = {stride: _on_grid(tensor, stride, padded_size) for stride, tensor in features.items()}
        # The head starts from the same weights however many random numbers the backbone drew.
        keras.utils.set_random_seed(context.seed)
        logits = head.record.build(features, replace(context, image_size=padded_size), head.options)
        _check_logits(head.record.name, logits, context.task, context.units)
        if segmentation:
            logits = _to_images(logits, padded_size, padding)
        logits = keras.layers.Activation("linear", dtype="float32", name="logits")(logits)
        model = _model(f'head "{head.record.name}"', images, logits)
        name_layers(model, "")
    return Network(model, blocks, pretrained, built.features[max(built.features)])


@contextmanager
def _policy(precision: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _padding(image_size: ImageSize, backbone: Selection[Backbone]) -> Padding:
    """Return the padding that makes the size a multiple of the backbone's greatest stride.

    The stride is only known once the backbone is built, so it is built on a size that is divisible by 64 first.
    """
    rounded = (-(-image_size[0] // 64) * 64, -(-image_size[1] // 64) * 64)
    if rounded == image_size:
        return _NO_PADDING
    probe = keras.Input((max(rounded[0], 128), max(rounded[1], 128), 3))
    shape = (int(probe.shape[1]), int(probe.shape[2]))
    stride = max(backbone.record.build(probe, BackboneContext(shape, 0), backbone.options).features)
    rows, columns = (-size % stride for size in image_size)
    return ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2))


def _normalized(images: Any, normalization: Normalization) -> Any:
    variance = [deviation**2 for deviation in normalization.deviation]
    return keras.layers.Normalization(
        mean=normalization.mean, variance=variance, dtype="float32", name="input_normalization"
    )(images)


def _padded(images: Any, padding: Padding) -> Any:
    if padding == _NO_PADDING:
        return images
    return keras.layers.ZeroPadding2D(padding, name="input_padding")(images)


def _on_grid(tensor: Any, stride: int, size: ImageSize) -> Any:
    """Resize a feature map to exactly size/stride: with valid padding (Xception, Inception) it is slightly smaller."""
    expected = (size[0] // stride, size[1] // stride)
    if tuple(tensor.shape[1:3]) == expected:
        return tensor
    return keras.layers.Resizing(*expected, interpolation="bilinear", name=f"grid_stride{stride}")(tensor)


def _to_images(logits: Any, padded_size: ImageSize, padding: Padding) -> Any:
    if tuple(logits.shape[1:3]) != padded_size:
        logits = keras.layers.Resizing(*padded_size, interpolation="bilinear", name="logits_upsampling")(logits)
    if padding != _NO_PADDING:
        logits = keras.layers.Cropping2D(padding, name="logits_cropping")(logits)
    return logits


def _check_backbone(name: str, built: Any) -> None:
    if not isinstance(built, BuiltBackbone) or not built.features or not built.blocks:
        raise PluginError(
            f'backbone "{name}": expected build to return a BuiltBackbone with features and blocks, received {built!r}'
        )
    for stride, tensor in built.features.items():
        if len(getattr(tensor, "shape", ())) != 4:
            raise PluginError(f'backbone "{name}": the feature map at stride {stride} is not (N, h, w, channels)')


def _complete_blocks(
    name: str, blocks: tuple[Block, ...], encoder: Any, renamed: Mapping[str, str]
) -> tuple[Block, ...]:
    """Return the blocks with the layers' final names, and with the layers without weights that they left out."""
    block_of: dict[str, str] = {}
    for block in blocks:
        for old in block.layers:
            layer = renamed.get(old, old)
            if layer in block_of:
                raise PluginError(f'backbone "{name}": layer "{old}" is in two blocks: {block_of[layer]}, {block.name}')
            block_of[layer] = block.name
    missing = [layer.name for layer in encoder.layers if layer.weights and layer.name not in block_of]
    if missing:
        raise PluginError(
            f'backbone "{name}": every layer with weights must be in exactly one block; '
            f"in no block: {listed(missing, 5)}"
        )
    members: dict[str, list[str]] = {block.name: [] for block in blocks}
    current = blocks[0].name
    for operation in operations(encoder):
        current = block_of.get(operation.name, current)
        if operation.name in block_of or (isinstance(operation, keras.layers.Layer) and operation.variables):
            members[current].append(operation.name)
    return tuple(replace(block, layers=tuple(members[block.name])) for block in blocks)


def _model(what: str, images: Any, outputs: Any) -> Any:
    try:
        return keras.Model(images, outputs, name="tlkit")
    except ValueError as error:
        raise PluginError(f"{what}: no model can be made from the images and what it returned: {error}") from error


def _check_logits(name: str, logits: Any, task: Task, units: int) -> None:
    shape = tuple(getattr(logits, "shape", ()))
    rank = 2 if task == "classification" else 4
    if len(shape) != rank or shape[-1] != units:
        expected = f"(N, {units})" if rank == 2 else f"(N, h, w, {units})"
        raise PluginError(f'head "{name}": expected logits of shape {expected}, received {shape or logits!r}')
