"""The core's own backbones, offered through the same hook as those of plugins. Imports nothing heavy."""

from __future__ import annotations

from functools import partial

from tlkit.contracts import Backbone, BackboneOptions, lazy
from tlkit.hookspecs import hookimpl
from tlkit.models.families import APPLICATIONS
from tlkit.models.scratch import scratch_backbones

_OPTIONS = {
    "mobilenet": lazy("tlkit.models.backbone_options:MobileNetOptions"),
    "mobilenet_v2": lazy("tlkit.models.backbone_options:MobileNetV2Options"),
    "mobilenet_v3": lazy("tlkit.models.backbone_options:MobileNetV3Options"),
}
_FOLD_RESCALING = lazy("tlkit.models.applications:fold_efficientnet_rescaling")


@hookimpl
def tlkit_backbones() -> list[Backbone]:
    """Offer the models of keras.applications under their Keras names, and the backbones built from scratch."""
    applications = [
        Backbone(
            name=application.name,
            summary=application.summary,
            options=_OPTIONS.get(application.family, BackboneOptions),
            build=partial(lazy("tlkit.models.applications:build_application"), application),
            pretrained=partial(lazy("tlkit.models.applications:pretrained_file"), application),
            loaded=_FOLD_RESCALING if application.family == "efficientnet" else None,
        )
        for application in APPLICATIONS
    ]
    encoder = Backbone(
        name="small_encoder",
        summary="from scratch: stages of 3x3 convolution, BatchNorm and ReLU, each at half the size of the last",
        options=lazy("tlkit.models.backbone_options:SmallEncoderOptions"),
        build=lazy("tlkit.models.encoder:build_small_encoder"),
        takes_standardized=True,
    )
    return [*applications, encoder, *scratch_backbones()]
