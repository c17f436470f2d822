"""Write and open SavedModel folders, with the texts in ``assets.extra``, which TensorFlow leaves alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

import tlkit
from tlkit_exporters import texts
from tlkit_exporters.messages import first_line
from tlkit_exporters.tensorflow_runtime import in_batches, limit_threads

TEXTS = Path("assets.extra", "tlkit.json")
"""The file with the texts: a place of TensorFlow's for the files of others."""


def write(ctx: tlkit.ExportContext, path: Path, _options: tlkit.Options) -> None:
    """Write the folder: without the gradients of activations, which are functions of their own."""
    module = tf.Module()
    module.variables_of_the_model = [variable.value for variable in ctx.model.variables]
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    signatures = {"serving_default": ctx.function.get_concrete_function()}
    tf.saved_model.save(module, str(path), signatures=signatures, options=options)
    file = path / TEXTS
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(texts.written(ctx.metadata))


def open_file(path: Path, threads: int) -> tlkit.ExportedModel:
    """Open a folder."""
    limit_threads(threads)
    try:
        loaded = tf.saved_model.load(str(path))
        function = loaded.signatures["serving_default"]
        given = function.inputs[0]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, tf.errors.OpError) as error:
        raise tlkit.DataError(f"{path}: TensorFlow can't run it: {first_line(error)}") from error

    def step(images: Any) -> Any:
        assert loaded  # the function alone does not keep the variables
        if images.shape[1:] != given.shape[1:]:
            raise tlkit.DataError(f"{path}: takes images {given.shape[1:]}, received {images.shape[1:]}")
        return function(images=images)

    return tlkit.ExportedModel(in_batches(step, given.dtype), _texts(path), "float32", f"TensorFlow {tf.__version__}")


def _texts(path: Path) -> Mapping[str, str]:
    file = path / TEXTS
    content = None
    if file.is_file():
        with file.open("rb") as source:
            content = source.read(texts.MOST_BYTES + 1)
    return texts.checked(content, path)
