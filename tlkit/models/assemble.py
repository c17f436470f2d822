"""The finished model: one flat functional graph from raw RGB to logits."""

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


@dataclass(frozen=True)
class Normalization:
    """What becomes of the images before the backbone: (image - mean) / deviation, a channel at a time.

    Args:
        mean: of red, green and blue, in 0-255.
        deviation: of the same, above 0.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]


@dataclass(frozen=True)
class Network:
    """A model that can be trained by phases.

    Args:
        model: raw RGB (N, H, W, 3) float32 in 0-255 → float32 logits: (N, units), or (N, H, W, units).
        blocks: the backbone's.
        pretrained: whether the backbone's weights were loaded.
    """

    model: Any
    blocks: tuple[Block, ...]
    pretrained: bool

    @property
    def outline(self) -> Outline:
        """What a schedule may know."""
        return Outline(self.blocks, self.pretrained)

    @property
    def block_of(self) -> Mapping[str, str]:
        """Layer name → block name, for the backbone's layers."""
        return {layer: block.name for block in self.blocks for layer in block.layers}

    @property
    def head_layers(self) -> tuple[str, ...]:
        """The names of the layers with weights that are not the backbone's."""
        block_of = self.block_of
        return tuple(layer.name for layer in self.model.layers if layer.weights and layer.name not in block_of)


def build_network(
    backbone: Selection[Backbone],
    head: Selection[Head],
    *,
    task: Task,
    classes: tuple[str, ...],
    units: int,
    image_size: ImageSize,
    seed: int,
    precision: str = "float32",
    normalization: Normalization | None = None,
) -> Network:
    """Build a backbone, load its weights, and build the head on its tensors.

    For segmentation the images are padded to a multiple of the backbone's greatest stride inside the model, and the
    logits are resized and cropped to the images. Sets the global random seeds of Keras, NumPy and Python.

    Args:
        backbone: the recipe's choice.
        head: the recipe's choice.
        task: of the recipe.
        classes: class names.
        units: logits an image or a pixel.
        image_size: (height, width) of the images.
        seed: of the initial weights.
        precision: dtype policy of the layers; the logits are float32 always.
        normalization: by the training images' statistics; becomes the model's first layer.

    Raises:
        DataError: the images are too small, or the weights don't fit.
        PluginError: the backbone or the head returned what its contract does not allow.
    """
    keras.utils.set_random_seed(seed)
    with _policy(precision):
        images = keras.Input((*image_size, 3), name="images", dtype="float32")
        padding = _padding(image_size, task, backbone)
        padded_size = (image_size[0] + sum(padding[0]), image_size[1] + sum(padding[1]))
        padded = images
        if normalization is not None:
            variance = [deviation**2 for deviation in normalization.deviation]
            padded = keras.layers.Normalization(
                mean=normalization.mean, variance=variance, dtype="float32", name="input_normalization"
            )(images)
        if padded_size != image_size:
            padded = keras.layers.ZeroPadding2D(padding, name="input_padding")(padded)
        context = BackboneContext(padded_size, seed, standardized=normalization is not None)
        built = backbone.record.build(padded, context, backbone.options)
        _check_backbone(backbone.record.name, built)
        encoder = _model(f'backbone "{backbone.record.name}"', images, built.features[max(built.features)])
        blocks = _complete_blocks(backbone.record.name, built.blocks, encoder, name_layers(encoder, "backbone_"))
        pretrained = load_backbone_weights(encoder, backbone.record, backbone.options)
        features = dict(built.features)
        if task == "segmentation":
            features = {stride: _on_grid(tensor, stride, padded_size) for stride, tensor in features.items()}
        # The head begins alike whatever the backbone drew before.
        keras.utils.set_random_seed(seed)
        logits = head.record.build(features, HeadContext(task, classes, units, padded_size, seed), head.options)
        _check_logits(head.record.name, logits, task, units)
        if task == "segmentation":
            logits = _to_images(logits, padded_size, padding)
        logits = keras.layers.Activation("linear", dtype="float32", name="logits")(logits)
        model = _model(f'head "{head.record.name}"', images, logits)
        name_layers(model, "")
    return Network(model, blocks, pretrained)


@contextmanager
def _policy(precision: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _padding(
    image_size: ImageSize, task: Task, backbone: Selection[Backbone]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows above and below, columns left and right, that make the size a multiple of the greatest stride.

    The stride is only known of what is built, so the backbone is built once on a size that divides by 64.
    """
    if task == "classification":
        return ((0, 0), (0, 0))
    rounded = (-(-image_size[0] // 64) * 64, -(-image_size[1] // 64) * 64)
    if rounded == image_size:
        return ((0, 0), (0, 0))
    probe = keras.Input((max(rounded[0], 128), max(rounded[1], 128), 3))
    shape = (int(probe.shape[1]), int(probe.shape[2]))
    stride = max(backbone.record.build(probe, BackboneContext(shape, 0), backbone.options).features)
    rows, columns = (-size % stride for size in image_size)
    return ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2))


def _on_grid(tensor: Any, stride: int, size: ImageSize) -> Any:
    """A feature map at exactly size/stride: backbones with valid padding (Xception, Inception) are a little off."""
    wanted = (size[0] // stride, size[1] // stride)
    if tuple(tensor.shape[1:3]) == wanted:
        return tensor
    return keras.layers.Resizing(*wanted, interpolation="bilinear", name=f"grid_stride{stride}")(tensor)


def _to_images(logits: Any, padded_size: ImageSize, padding: tuple[tuple[int, int], tuple[int, int]]) -> Any:
    if tuple(logits.shape[1:3]) != padded_size:
        logits = keras.layers.Resizing(*padded_size, interpolation="bilinear", name="logits_upsampling")(logits)
    if any(sum(sides) for sides in padding):
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
    """The blocks under the layers' final names, with the layers without weights that were left out."""
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
            f'backbone "{name}": every layer with weights belongs to exactly one block; '
            f"in none: {', '.join(missing[:5])}"
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
        raise PluginError(f"{what}: what it returned makes no model of the images: {error}") from error


def _check_logits(name: str, logits: Any, task: Task, units: int) -> None:
    shape = tuple(getattr(logits, "shape", ()))
    rank = 2 if task == "classification" else 4
    if len(shape) != rank or shape[-1] != units:
        expected = f"(N, {units})" if rank == 2 else f"(N, h, w, {units})"
        raise PluginError(f'head "{name}": expected logits of shape {expected}, received {shape or logits!r}')
