"""keras.applications as backbones: flat graphs that include the preprocessing, features by stride, named blocks."""

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
    """Preprocess as ``keras.applications.….preprocess_input`` does, with layers that any Keras can load.

    Args:
        images: symbolic (N, H, W, 3), RGB in 0-255.
        mode: ``caffe`` (BGR, mean subtracted), ``tf`` (-1 to 1), ``torch`` (mean subtracted, divided by the standard
            deviation), or ``inside`` (none here: the network does it itself).
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
        DataError: the images are smaller than the family accepts.
    """
    minimum, (height, width) = application.minimum, ctx.image_size
    if min(height, width) < minimum:
        raise DataError(
            f"input.image_size: {application.name} needs at least {minimum} x {minimum} pixels, "
            f"received {height} x {width}"
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


class _Requested(Exception):  # noqa: N818 - carries the file out of Keras's constructor; not an error
    def __init__(self, file: PretrainedFile) -> None:
        super().__init__(file.url)
        self.file = file


def pretrained_file(application: Application, options: BackboneOptions) -> PretrainedFile:
    """Return the weights file that Keras itself would download for this variant.

    Keras's constructor runs with its download function replaced, so the answer is right for the installed version and
    no table of Keras's is copied here.

    Raises:
        DataError: Keras has no ImageNet weights for these options.
    """

    def requested(fname: str, origin: str, file_hash: str | None = None, **_: Any) -> str:
        digest = None if not file_hash else f"{'sha256' if len(file_hash) == 64 else 'md5'}:{file_hash}"
        raise _Requested(PretrainedFile(origin, fname, digest))

    with mock.patch("keras.src.utils.file_utils.get_file", requested):
        try:
            _constructor(application)(
                include_top=False,
                weights="imagenet",
                input_shape=_pretrained_shape(application, options),
                **_arguments(options),
            )
        except _Requested as request:
            return request.file
        except ValueError as error:
            raise DataError(
                f"backbone.weights: {application.name} has no ImageNet weights for {_arguments(options)}: {error}; "
                'expected other options, or weights = "none" or a file'
            ) from error
    raise DataError(f"backbone.weights: Keras names no ImageNet weights for {application.name}")


def _pretrained_shape(application: Application, options: BackboneOptions) -> tuple[int, int, int]:
    """Return the smallest shape that Keras accepts; some families have other weights, or none, for other sizes."""
    fixed = {"MobileNetV3Small": 224, "MobileNetV3Large": 224, "NASNetMobile": 224, "NASNetLarge": 331}
    side = getattr(options, "weights_size", fixed.get(application.name, application.minimum))
    return (side, side, 3)


def fold_efficientnet_rescaling(layers: Mapping[str, Any], options: BackboneOptions) -> None:
    """Rescale the inputs of EfficientNet B0-B7 as its published weights expect.

    With ``weights="imagenet"`` Keras adds a layer after the Normalization layer that divides by sqrt(std) once more,
    and otherwise leaves it out (tensorflow#62193). Here one graph serves all weights, and the factor is multiplied into
    the Normalization layer's variance: for the published weights, and for the user's file if its Normalization layer
    has the published numbers. A file with other numbers is of a network without the second division, and stays as it
    is.
    """
    for layer in layers.values():
        if not isinstance(layer, keras.layers.Normalization):
            continue
        mean, variance = (keras.ops.convert_to_numpy(each).ravel() for each in (layer.adapt_mean, layer.adapt_variance))
        # The published layer has the deviation in place of the variance. Files of half precision are a little off.
        published = np.allclose(mean, _IMAGENET_MEAN, rtol=2e-3) and np.allclose(variance, _IMAGENET_STD, rtol=2e-3)
        if options.weights == "imagenet" or published:
            layer.adapt_variance.assign(layer.adapt_variance * np.asarray(_IMAGENET_STD, np.float32))
            layer.finalize_state()
