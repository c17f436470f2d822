"""What an exporter is given, made of any Keras model, and small networks with what converters get wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tlkit_heads import tlkit_heads

from tlkit import ExportContext, HeadContext, InputType, Quantization
from tlkit.models.assemble import Normalization, build_network
from tlkit.models.plugin import tlkit_backbones
from tlkit.models.tasks import learning_task
from tlkit.recipe.schema import Selection

METADATA = {
    "tlkit": "0.3.0",
    "card": json.dumps({"format": 1, "name": "Größe & <b>“x”</b>\n"}),
    "classes": json.dumps(["a", "b", "ç"]),
    "task": "classification",
    "colors": "RGB",
    "value_range": "0-255",
}
"""Some texts for the inside of a file, with letters that a format may lose."""


@dataclass(frozen=True)
class Recipe:
    """A small network.

    Args:
        backbone: the name of its backbone.
        head: the name of its head.
        size: (height, width) of its images.
        options: the options of the backbone.
        head_options: the options of the head.
        standardized: whether the images are standardized before the backbone.
    """

    backbone: str
    head: str = "linear"
    size: tuple[int, int] = (64, 64)
    options: Mapping[str, Any] = field(default_factory=dict)
    head_options: Mapping[str, Any] = field(default_factory=dict)
    standardized: bool = False


_CNN = {"filters": (4, 8), "batch_norm": True}
_FPN = {"pyramid_filters": 8, "filters": 8}
_UNET = {"filters": (8, 4)}
RECIPES: Mapping[str, Recipe] = {
    "cnn": Recipe("small_cnn", size=(24, 32), options=_CNN),
    "standardize": Recipe("small_cnn", size=(24, 32), options=_CNN, standardized=True),
    "unet_bilinear": Recipe("unet_encoder", "unet", (34, 26), {"filters": (4, 8), "batch_norm": True}, _UNET),
    "unet_transpose": Recipe(
        "unet_encoder", "unet", (34, 26), {"filters": (4, 8)}, {**_UNET, "upsampling": "transpose"}
    ),
    "mobilenet": Recipe("MobileNetV2", options={"alpha": 0.35}),
    "efficientnet": Recipe("EfficientNetB0"),
    "efficientnet_v2": Recipe("EfficientNetV2B0"),
    "convnext": Recipe("ConvNeXtTiny"),
    # At 128 pixels, the map at stride 2 is 61 x 61 and becomes 64 x 64.
    "xception_fpn": Recipe("Xception", "fpn", (128, 128), {}, _FPN),
    "deeplab": Recipe("MobileNetV2", "deeplabv3plus", (96, 96), {"alpha": 0.35}, {"filters": 8, "low_filters": 4}),
}
"""Name → a network; all but the first two and the U-Nets take seconds to build and to convert."""


def network(name: str, *, kind: str = "single", seed: int = 0) -> Any:
    """Return a Keras model from images to logits with random weights and statistics, one of ``RECIPES``.

    Args:
        name: the network's name.
        kind: the kind of labels: ``single``, ``binary`` or ``multi``.
        seed: for the random numbers.
    """
    recipe = RECIPES[name]
    body = {record.name: record for record in tlkit_backbones()}[recipe.backbone]
    top = {record.name: record for record in tlkit_heads()}[recipe.head]
    names = ("a", "b") if kind == "binary" else ("a", "b", "ç")
    built = build_network(
        Selection(body, body.options(weights="none", **recipe.options)),
        Selection(top, top.options(**recipe.head_options)),
        HeadContext(top.task, names, learning_task(top.task, kind, len(names)).units, recipe.size, seed),
        normalization=Normalization((101.0, 120.5, 90.0), (40.0, 60.0, 71.5)) if recipe.standardized else None,
    )
    randomize(built.model, seed)
    return built.model


def randomize(model: Any, seed: int = 0) -> None:
    """Give a model weights that show in its logits, and statistics that keep the signal alive."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if not isinstance(layer, keras.layers.BatchNormalization | keras.layers.Normalization):
            for variable in layer.trainable_variables:
                if not np.any(keras.ops.convert_to_numpy(variable)):
                    variable.assign(rng.normal(0, 0.5 if len(variable.shape) > 1 else 0.05, variable.shape))
    normalizations = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momentum = [layer.momentum for layer in normalizations]
    for layer in normalizations:
        layer.momentum = 0.0
    model(pictures(8, tuple(model.input.shape[1:3]), seed + 1).astype("float32"), training=True)
    for layer, before in zip(normalizations, momentum, strict=True):
        layer.momentum = before
        layer.moving_mean.assign_add(rng.uniform(-0.05, 0.05, layer.moving_mean.shape))
        for variable in (layer.gamma, layer.moving_variance):
            if variable is not None:
                variable.assign(variable * rng.uniform(0.9, 1.1, variable.shape))
        layer.moving_variance.assign_add(np.full(layer.moving_variance.shape, 1e-3))
    others = pictures(8, tuple(model.input.shape[1:3]), seed + 2).astype("float32")
    last = [layer for layer in model.layers if layer.trainable_variables][-1]
    deviation = float(np.std(model(others, training=False)))
    for variable in last.trainable_variables:
        variable.assign(variable * (2 / deviation))


def pictures(count: int, size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Return uint8 (count, H, W, 3): soft gradients with noise, which differ in colour."""
    rng = np.random.default_rng(seed)
    rows, columns = (np.linspace(0, 1, side)[:, None] for side in size)
    shade = rows[None, :, None, :] * rng.uniform(0, 1, (count, 1, 1, 3)) + columns[None, None] * rng.uniform(
        0, 1, (count, 1, 1, 3)
    )
    return np.clip(shade * 127 + rng.normal(0, 30, shade.shape), 0, 255).astype(np.uint8)


def activation(logits: Any, kind: str = "single") -> Any:
    """Return the probabilities of logits as a tensor: two columns for ``binary``."""
    if kind == "single":
        return tf.nn.softmax(logits)
    second = tf.nn.sigmoid(logits)
    return tf.concat([1 - second, second], -1) if kind == "binary" else second


def expected(model: Any, images: np.ndarray, kind: str = "single") -> Mapping[str, np.ndarray]:
    """Return what a Keras model says of uint8 images."""
    logits = model(images.astype("float32"), training=False)
    return {"logits": np.asarray(logits), "probabilities": np.asarray(activation(logits, kind))}


def export_context(
    model: Any,
    folder: Path,
    *,
    kind: str = "single",
    input_type: InputType = "uint8",
    quantize: Quantization | None = None,
    images: np.ndarray | None = None,
    metadata: Mapping[str, str] = METADATA,
) -> ExportContext:
    """Return what an exporter is given.

    Args:
        model: a Keras model from float32 (N, H, W, 3) in 0-255 to logits.
        folder: an existing folder for the SavedModel and for the exporter's temporary files.
        kind: the kind of labels, for the probabilities.
        input_type: the type of the images.
        quantize: the quantization.
        images: to calibrate it, uint8 (N, H, W, 3); None: 150 made-up ones.
        metadata: the texts for the inside of the file.
    """
    size = tuple(model.input.shape[1:3])

    def answer(images: Any) -> dict[str, Any]:
        logits = model(tf.cast(images, tf.float32), training=False)
        return {"logits": logits, "probabilities": activation(logits, kind)}

    spec = tf.TensorSpec((None, *size, 3), input_type, name="images")
    function = tf.function(answer, input_signature=[spec], autograph=False)
    module = tf.Module()
    module.model = [variable.value for variable in model.variables]
    module.function = function
    scratch = folder / "scratch"
    scratch.mkdir()

    def save(into: Path) -> None:
        tf.saved_model.save(module, str(into), signatures={"serving_default": function.get_concrete_function()})

    if images is None:
        images = pictures(150 if quantize else 0, size, seed=1)
    return ExportContext(model, function, save, size, input_type, quantize, images, metadata, scratch)
