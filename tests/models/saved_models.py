"""The models that tlkit can save, and the classes and options in their configurations.

``python tests/models/saved_models.py`` prints where they and ``tlkit/models/allowed.toml`` differ: run it with a new
Keras, backbone, head or key of the recipe, and then change the table.
"""

from __future__ import annotations

import gc
import json
import sys
import zipfile
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import keras
from small_builders import SCRATCH
from tlkit_heads import tlkit_heads

from tlkit.contracts import HeadContext
from tlkit.models.allowed import WRITTEN, classes
from tlkit.models.assemble import Normalization, build_network
from tlkit.models.families import APPLICATIONS
from tlkit.models.outputs import with_probabilities
from tlkit.models.plugin import tlkit_backbones
from tlkit.models.tasks import learning_task
from tlkit.recipe.schema import Selection

BACKBONES = {record.name: record for record in tlkit_backbones()}
HEADS = {record.name: record for record in tlkit_heads()}
ONE_OF_EACH = list({each.family: each.name for each in reversed(APPLICATIONS)}.values())
FIXTURES = Path(__file__).parents[1] / "runs" / "fixtures"

_FURTHER: Mapping[str, Mapping[str, Any]] = {
    "small_cnn": {"batch_norm": True, "dropout": 0.1, "l2": 1e-4},
    "vgg": {"batch_norm": True},
    "alexnet": {"groups": 2},
    "unet_encoder": {"batch_norm": True},
}
SMALL = {name: {**options, **_FURTHER.get(name, {})} for name, options in SCRATCH.items()}
_ENCODER = "small_encoder"
_HEADS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("linear", {}),
    ("mlp", {"batch_norm": True}),
    *(
        (head, {"units": (4,), "activation": name})
        for head in ("mlp", "flatten_mlp")
        for name in ("gelu", "leaky_relu")
    ),
    *(("unet", {"filters": (8,), "upsampling": name, "dropout": 0.1}) for name in ("bilinear", "nearest", "transpose")),
    ("unet", {"filters": (8,), "batch_norm": False, "output_stride": 2}),
    ("transpose", {"filters": (8,), "convs": 2}),
    ("fpn", {"pyramid_filters": 8, "filters": 8}),
    ("deeplabv3plus", {"filters": 8, "low_filters": 4}),
    ("linear_seg", {}),
)
SOMETIMES = frozenset({"activity_regularizer", "trainable"})
"""Options of every layer that Keras writes for some only."""
Found = dict[tuple[str, str], set[str]]
"""(module, class) → the options that configurations have."""


def saved_model(
    backbone: str = _ENCODER,
    head: str = "linear",
    options: Mapping[str, Any] | None = None,
    *,
    size: tuple[int, int] = (96, 96),
    kind: str = "single",
    **more: Any,
) -> Any:
    """Return a model as tlkit saves it.

    Args:
        backbone: its name; those from scratch are small.
        head: its name.
        options: the head's options.
        size: (height, width) of the images.
        kind: the kind of labels.
        more: ``precision`` and ``normalization``, as of ``build_network``.
    """
    body, top = BACKBONES[backbone], HEADS[head]
    names = ("a", "b") if kind == "binary" else ("a", "b", "c")
    task = learning_task(top.task, kind, len(names))
    network = build_network(
        Selection(body, body.options(weights="none", **SMALL.get(backbone, {}))),
        Selection(top, top.options(**(options or {}))),
        HeadContext(top.task, names, task.units, size, seed=0),
        **more,
    )
    return with_probabilities(network.model, task)


def small_models() -> Iterator[Any]:
    """Yield models with every backbone from scratch and every head, label kind, precision and scaling."""
    normalization = Normalization((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    for backbone in SMALL:
        yield saved_model(backbone, normalization=normalization)
        yield saved_model(backbone, "unet", {"filters": (8,)}, size=(100, 90))
    for head, options in _HEADS:
        yield saved_model(head=head, options=options)
    for kind in ("binary", "multi"):
        yield saved_model(kind=kind)
    for precision in ("mixed_float16", "mixed_bfloat16"):
        for head, options in _HEADS:
            yield saved_model("small_cnn", head, options, precision=precision)


def applications(names: list[str]) -> Iterator[Any]:
    """Yield models of keras.applications with a head for classes and one for masks."""
    for name in names:
        yield saved_model(name)
        yield saved_model(name, "unet", {"filters": (8,)}, size=(140, 132))
        keras.backend.clear_session()
        gc.collect()


def configurations(models: Iterator[Any]) -> Iterator[dict[str, Any]]:
    """Yield the configuration of each model as its file has it, and those of the model files of tlkit 0.1.0."""
    for model in models:
        yield json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    for file in sorted(FIXTURES.glob("*/model.keras")):
        with zipfile.ZipFile(file) as archive:
            yield json.loads(archive.read("config.json"))


def collect(value: Any, found: Found) -> None:
    """Add the classes and options of a configuration."""
    if isinstance(value, dict):
        module, name = value.get("module"), value.get("class_name")
        checked = module not in (None, "keras.initializers") and name != "DTypePolicy"
        if checked and isinstance(name, str):
            found.setdefault((module, name), set()).update(value["config"])
        for each in value.values():
            collect(each, found)
    elif isinstance(value, list):
        for each in value:
            collect(each, found)


def main() -> None:
    """Print how what the models have differs from the table."""
    found: Found = {}
    models = chain(small_models(), applications([each.name for each in APPLICATIONS]))
    for number, config in enumerate(configurations(models), 1):
        collect(config, found)
        print(f"{number} models", end="\r", file=sys.stderr)
    table, written = classes(), classes(WRITTEN)
    for place in sorted({*found, *written}):
        missing = sorted(found.get(place, set()) - set(table.get(place, {})))
        unused = sorted(set(written.get(place, {})) - found.get(place, set()) - SOMETIMES)
        if missing or place not in written:
            print(f"{'.'.join(place)}: not allowed: {', '.join(missing) or 'the class'}")
        if unused or place not in found:
            print(f"{'.'.join(place)}: allowed, and in no saved model: {', '.join(unused)}")


if __name__ == "__main__":
    main()
