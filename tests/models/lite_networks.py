"""The LiteRT files of the models that tlkit can save, and the operations in them.

``python tests/models/lite_networks.py`` prints where they and ``tlkit.models.lite_shapes.RULES`` differ: run it with a
new TensorFlow, Keras, backbone or head, and then change the table. It takes ten minutes and 6 GB.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import keras
from ai_edge_litert import schema_py_generated as schema
from saved_models import ONE_OF_EACH, applications, small_models

from tlkit.models.convert import convert_to_litert
from tlkit.models.lite_shapes import RULES
from tlkit.models.outputs import logits_model

_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}


def lite_files(models: Iterator[Any]) -> Iterator[tuple[Any, bytes]]:
    """Yield each model of single precision, from images to logits, and its LiteRT file."""
    for model in models:
        if all(layer.dtype_policy.name == "float32" for layer in model.layers):
            logits = logits_model(model)
            yield logits, convert_to_litert(logits)
            keras.backend.clear_session()


def versions(content: bytes) -> Mapping[str, int]:
    """Return operation → its highest version in a file."""
    model = schema.Model.GetRootAs(content, 0)
    codes = [model.OperatorCodes(number) for number in range(model.OperatorCodesLength())]
    return {_NAMES[each.BuiltinCode()]: each.Version() for each in codes}


def main() -> None:
    """Print the operations that the table lacks, and those that it has and no model needs."""
    found: dict[str, int] = {}
    for models in (small_models(), applications(ONE_OF_EACH)):
        for _, content in lite_files(models):
            for name, version in versions(content).items():
                found[name] = max(version, found.get(name, 0))
    table = {name: rule.version for name, rule in RULES.items()}
    for name in sorted({*found, *table}):
        if found.get(name) != table.get(name):
            print(f"{name}: version {found.get(name)} is needed, {table.get(name)} is allowed")


if __name__ == "__main__":
    sys.exit(main())
