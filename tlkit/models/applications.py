"""keras.applications as backbones: flat graphs with the preprocessing inside, features by stride, named blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unittest import mock

import keras
import numpy as np

from tlkit.contracts import BackboneContext, BackboneOptions, BuiltBackbone, PretrainedFile
from tlkit.errors import DataError
from tlkit.models.families import BLOCKS, ENDS_BLOCK, Application
from tlkit.models.graph import blocks_by_name, blocks_by_stride, feature_maps, name_layers

_IMAGENET_STD = (0.229, 0.224, 0.225)
_IMAGENET_MEAN = (0.485, 0.456, 0.406)


def preprocess(images: Any, mode: str) -> Any:
    """What ``keras.applications.….preprocess_input`` does, with layers that any Keras can load.

    Args:
        images: symbolic (N, H, W, 3), RGB in 0-255.
        mode: ``caffe`` (BGR, mean subtracted), ``tf`` (-1 to 1), ``torch`` (mean and deviation), or ``inside``.
    """
    if mode == "caffe":
        bgr = keras.ops.flip(images, axis=-1)
        return keras.layers.Rescaling(1.0, offset=[-103.939, -116.779, -123.68], name="preprocessing")(bgr)
    if mode == "tf":
        return keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="preprocessing")(images)
    if mode == "torch":
        scale = [1 / (255 * deviation) for deviation in _IMAGENET_STD]
        offset = [-mean / deviation for mean, deviation in zip(_IMAGENET_MEAN, _IMAGENET_STD, strict=True)]
        return keras.layers.Rescaling(scale, offset=offset, name="preprocessing")(images)
    return images


def build_application(
    application: Application, images: Any, ctx: BackboneContext, options: BackboneOptions
) -> BuiltBackbone:
    """Build a model of keras.applications on ``images``, with random weights.

    Raises:
        DataError: the images are smaller than the family takes.
    """
    if min(ctx.image_size) < application.minimum:
        raise DataError(
            f"input.image_size: {application.name} needs {application.minimum} x {application.minimum} pixels at the "
            f"least, received {ctx.image_size[0]} x {ctx.image_size[1]}"
        )
    model = _constructor(application)(
        include_top=False,
        weights=None,
        input_tensor=preprocess(images, application.preprocessing),
        **_arguments(options),
    )
    name_layers(model, "backbone_")
    patterns = BLOCKS.get(application.family)
    blocks = (
        blocks_by_stride(model)
        if patterns is None
        else blocks_by_name(model, patterns, last_layer_matches=application.family in ENDS_BLOCK)
    )
    return BuiltBackbone(feature_maps(model), blocks)


def _constructor(application: Application) -> Any:
    return getattr(keras.applications, application.name)


def _arguments(options: BackboneOptions) -> dict[str, Any]:
    return options.model_dump(exclude={"weights", "weights_size"})


class _AskedFor(Exception):  # noqa: N818 - a message from Keras to us, not an error
    def __init__(self, file: PretrainedFile) -> None:
        super().__init__(file.url)
        self.file = file


def pretrained_file(application: Application, options: BackboneOptions) -> PretrainedFile:
    """Which file Keras itself would fetch for this variant.

    Keras is asked rather than its tables copied: its constructor runs with the download intercepted, so the answer is
    right for the version that is installed.

    Raises:
        DataError: Keras has no ImageNet weights for these options.
    """

    def asked(fname: str, origin: str, file_hash: str | None = None, **_: Any) -> str:
        digest = None if not file_hash else f"{'sha256' if len(file_hash) == 64 else 'md5'}:{file_hash}"
        raise _AskedFor(PretrainedFile(origin, fname, digest))

    with mock.patch("keras.src.utils.file_utils.get_file", asked):
        try:
            _constructor(application)(
                include_top=False,
                weights="imagenet",
                input_shape=_pretrained_shape(application, options),
                **_arguments(options),
            )
        except _AskedFor as answer:
            return answer.file
        except ValueError as error:
            raise DataError(
                f"backbone.weights: {application.name} has no ImageNet weights for {_arguments(options)}: {error}; "
                'expected other options, or weights = "none" or a file'
            ) from error
    raise DataError(f"backbone.weights: Keras names no ImageNet weights for {application.name}")


def _pretrained_shape(application: Application, options: BackboneOptions) -> tuple[int, int, int]:
    """As small as Keras takes it; some families have other weights, or none, for other sizes."""
    fixed = {"MobileNetV3Small": 224, "MobileNetV3Large": 224, "NASNetMobile": 224, "NASNetLarge": 331}
    side = getattr(options, "weights_size", fixed.get(application.name, application.minimum))
    return (side, side, 3)


def fold_efficientnet_rescaling(layers: Mapping[str, Any], options: BackboneOptions) -> None:  # noqa: ARG001
    """Give EfficientNet B0-B7 the numbers that its published weights were made for.

    With ``weights="imagenet"`` Keras divides by sqrt(std) once more, behind the Normalization layer, and leaves that
    layer out otherwise (tensorflow#62193). Here one graph serves all weights, and the factor goes into the variance.
    """
    for layer in layers.values():
        if isinstance(layer, keras.layers.Normalization):
            variance = keras.ops.convert_to_numpy(layer.adapt_variance)
            layer.adapt_variance.assign(variance * np.asarray(_IMAGENET_STD, np.float32))
            layer.finalize_state()
