"""The licences of the published weights of keras.applications, as their publishers state them."""

from __future__ import annotations

from dataclasses import dataclass

from tlkit.models.families import APPLICATIONS


@dataclass(frozen=True)
class Statement:
    """What a publisher says about the licence of weights.

    Args:
        says: the licence, and who released the weights; empty if no statement was found.
        address: where it says so, or where the weights come from.
    """

    says: str
    address: str


_KERAS = (
    "https://github.com/keras-team/keras/blob/6c2c7613e673a847dc41ad6850dd446ddd3b7dd7/docs/templates/applications.md"
)
"""Keras's documentation of its applications while it had sections on licences, up to 2020."""
_APACHE = Statement("released under the Apache License 2.0 of tensorflow/models", _KERAS)
_VGG = Statement("ported from those of VGG at Oxford, under the Creative Commons Attribution License 4.0", _KERAS)

STATEMENTS = {
    "vgg16": _VGG,
    "vgg19": _VGG,
    "resnet": Statement("ported from those of Kaiming He, under the MIT licence", _KERAS),
    "resnet_v2": Statement("ported from those of Facebook (fb.resnet.torch), under the BSD licence", _KERAS),
    "xception": Statement("trained by Keras's authors, and released under the MIT licence", _KERAS),
    "inception_v3": _APACHE,
    "inception_resnet_v2": _APACHE,
    "mobilenet": _APACHE,
    "mobilenet_v2": _APACHE,
    "mobilenet_v3": Statement("", "https://github.com/tensorflow/models/tree/master/research/slim/nets/mobilenet"),
    "densenet": Statement("released under the BSD 3-clause licence of liuzhuang13/DenseNet", _KERAS),
    "nasnet": _APACHE,
    "efficientnet": Statement("", "https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet"),
    "efficientnet_v2": Statement("", "https://github.com/google/automl/tree/master/efficientnetv2"),
    "convnext": Statement(
        "ported from those of facebookresearch/ConvNeXt, a project released under the MIT licence",
        "https://github.com/facebookresearch/ConvNeXt#license",
    ),
}
"""Family of keras.applications → what is stated about its ImageNet weights. A code licence alone is no statement."""


def weights_statement(backbone: str) -> Statement | None:
    """Return what is stated about the ImageNet weights of a model of keras.applications; None for another backbone."""
    family = next((each.family for each in APPLICATIONS if each.name == backbone), None)
    return None if family is None else STATEMENTS[family]
