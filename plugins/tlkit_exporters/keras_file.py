"""Write and open ``.keras`` files with the outputs ``logits`` and ``probabilities``, which plain Keras loads."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import tlkit
from tlkit_exporters import texts
from tlkit_exporters.tensorflow_runtime import in_batches, limit_threads

_NOTES = "metadata.json"
"""The entry of the archive in which Keras notes its version. Keras does not read it, so texts may be added."""
_KEY = "tlkit"


def write(ctx: tlkit.ExportContext, path: Path, _options: tlkit.Options) -> None:
    """Write the file. Keras converts images of either type, so both types make the same file."""
    plain = ctx.scratch / "plain.keras"
    _with_both_outputs(ctx).save(plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.infolist():
            if entry.filename == _NOTES:
                notes = {**json.loads(source.read(entry)), _KEY: dict(ctx.metadata)}
                target.writestr(entry, json.dumps(notes))
                continue
            with source.open(entry) as read, target.open(entry, "w", force_zip64=True) as written:
                while part := read.read(1 << 20):
                    written.write(part)
    plain.unlink()
    try:
        tlkit.load_model_file(path)
    except tlkit.RunError as error:
        raise tlkit.DataError(
            f"keras: plain Keras can't load the file, since the model has layers of a plugin; export it as savedmodel: "
            f"{error}"
        ) from error


def _with_both_outputs(ctx: tlkit.ExportContext) -> Any:
    """Return a model around the same layers with both outputs."""
    logits = ctx.model.output
    kind = json.loads(ctx.metadata["card"]).get("label_kind", "single")
    name = "probabilities"
    while any(layer.name.startswith(name) for layer in ctx.model.layers):
        name = f"output_{name}"
    if kind == "single":
        values = keras.layers.Softmax(dtype="float32", name=name)(logits)
    else:
        last = f"{name}_second" if kind == "binary" else name
        values = keras.layers.Activation("sigmoid", dtype="float32", name=last)(logits)
    if kind == "binary":
        first = keras.layers.Rescaling(-1.0, 1.0, dtype="float32", name=f"{name}_first")(values)
        values = keras.layers.Concatenate(dtype="float32", name=name)([first, values])
    return keras.Model(ctx.model.input, {"logits": logits, "probabilities": values}, name=ctx.model.name)


def check(path: Path) -> None:
    """Load the file with nothing in it executed, and nothing believed unchecked."""
    try:
        tlkit.load_model_file(path)
    except tlkit.RunError as error:
        raise tlkit.DataError(str(error)) from error


def open_file(path: Path, threads: int) -> tlkit.ExportedModel:
    """Open a file in Keras's safe mode."""
    limit_threads(threads)
    try:
        model = tlkit.load_model_file(path, trust=True)
    except tlkit.RunError as error:
        raise tlkit.DataError(str(error)) from error
    outputs = model.output if isinstance(model.output, dict) else {}
    if set(outputs) != {"logits", "probabilities"}:
        raise tlkit.DataError(f"{path}: expected the outputs logits and probabilities, received {sorted(outputs)}")
    step = tf.function(lambda images: model(images, training=False), reduce_retracing=True, autograph=False)
    run = in_batches(step, tf.float32)
    precision = model.layers[-1].compute_dtype
    return tlkit.ExportedModel(run, _texts(path), precision, f"Keras {keras.__version__}, TensorFlow {tf.__version__}")


def _texts(path: Path) -> Mapping[str, str]:
    with zipfile.ZipFile(path) as archive, archive.open(_NOTES) as source:
        return texts.checked(source.read(texts.MOST_BYTES + 1), path, _KEY)
