"""Write a model in LiteRT's format, with built-in operations only, for any number of images.

The converter is given a function of one image: with an unknown number it leaves shapes to be computed at run time, and
dilated convolutions as three operations each. Then ``litert_batch`` frees the number of images.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import tlkit
from tlkit_exporters.litert_batch import with_any_batch, with_bytes_in
from tlkit_exporters.litert_concatenated import (
    IN_FLOAT32,
    first_convolution,
    normalizes_concatenated,
    ranges_of,
    with_own_scales,
)
from tlkit_exporters.litert_file import packed, parsed, with_texts
from tlkit_exporters.litert_mended import with_copied_scales, with_float_end
from tlkit_exporters.messages import first_line

_TOLERANCE = 1e-3
"""The largest difference between an image alone and in a batch, relative to the largest output."""


def write(ctx: tlkit.ExportContext, path: Path, _options: tlkit.Options) -> None:
    """Write the file."""
    if ctx.quantize in ("int8", "int16x8") and not len(ctx.images):
        raise tlkit.DataError(f"litert: {ctx.quantize} needs images to calibrate it; the training split has none")
    model = _model(ctx)
    if ctx.input_type == "uint8":
        with_bytes_in(model)
    with_any_batch(model)
    with_texts(model, ctx.metadata)
    content = packed(model)
    _check_batch(content, ctx)
    path.write_bytes(content)


def _model(ctx: tlkit.ExportContext) -> Any:
    """Return the ``ModelT`` for one image of float32."""
    folder = str(ctx.scratch / "one_image")
    spec = tf.TensorSpec((1, *ctx.image_size, 3), tf.float32, name="images")
    # The converter knows no cast for 16 bits, so the one from uint8 is added to the file.
    one = tf.function(ctx.function.python_function, input_signature=[spec], autograph=False)
    module = tf.Module()
    module.variables_of_the_model = [variable.value for variable in ctx.model.variables]
    tf.saved_model.save(module, folder, signatures={"serving_default": one.get_concrete_function()})
    converter = tf.lite.TFLiteConverter.from_saved_model(folder)
    if ctx.quantize in (None, "float16"):
        _set_quantization(converter, ctx)
        return parsed(_called(converter.convert))
    twin = parsed(_called(converter.convert))
    _set_quantization(converter, ctx)
    if ctx.quantize == "int8" and normalizes_concatenated(twin):
        model = _called(lambda: _partly_quantized(converter, first_convolution(twin)))
    else:
        model = parsed(_called(converter.convert))
    with_copied_scales(model)
    with_float_end(model, twin)
    return model


def _called(convert: Callable[[], Any]) -> Any:
    """Call what converts.

    Raises:
        DataError: the built-in operations can't express the model.
    """
    try:
        with _without_warnings(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the converter calls what TensorFlow is about to remove
            return convert()
    except Exception as error:  # the converter's own error class is not public
        if isinstance(error, MemoryError | tf.errors.ResourceExhaustedError):
            raise
        raise tlkit.DataError(
            f"litert: its built-in operations can't express the model: {first_line(error)}"
        ) from error


def _partly_quantized(converter: Any, first: str) -> Any:
    """Return the ``ModelT`` with all convolutions but the first in 8 bits, and what is between them in float32."""
    debugging = tf.lite.experimental
    debugger = debugging.QuantizationDebugger(
        converter=converter,
        debug_dataset=converter.representative_dataset,
        debug_options=debugging.QuantizationDebugOptions(denylisted_ops=list(IN_FLOAT32), denylisted_nodes=[first]),
    )
    model = parsed(bytes(debugger.get_nondebug_quantized_model()))
    with_own_scales(model, ranges_of(parsed(bytes(debugger.calibrated_model))))
    return model


def _set_quantization(converter: Any, ctx: tlkit.ExportContext) -> None:
    if ctx.quantize is None:
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if ctx.quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if ctx.quantize not in ("int8", "int16x8"):
        return
    operations = tf.lite.OpsSet
    converter.target_spec.supported_ops = [
        operations.TFLITE_BUILTINS_INT8
        if ctx.quantize == "int8"
        else operations.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    ]
    converter.representative_dataset = lambda: ({"images": image[None].astype(np.float32)} for image in ctx.images)


def _check_batch(content: bytes, ctx: tlkit.ExportContext) -> None:
    """Check that two images at once give what each gives alone."""
    images = np.random.default_rng(0).integers(0, 256, (2, *ctx.image_size, 3)).astype(ctx.input_type)
    try:
        interpreter = Interpreter(model_content=content, num_threads=1)
        alone = [interpreter.get_signature_runner("serving_default")(images=image[None]) for image in images]
        together = interpreter.get_signature_runner("serving_default")(images=images)
    except (RuntimeError, ValueError) as error:
        raise tlkit.DataError(f"litert: the runtime can't run the converted model: {error}") from error
    for name, values in together.items():
        expected = np.concatenate([each[name] for each in alone])
        largest = max(1.0, float(np.abs(expected).max()))
        if values.shape != expected.shape or not np.abs(values - expected).max() <= _TOLERANCE * largest:
            raise tlkit.DataError("litert: the converted model computes images in a batch otherwise than alone")


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Leave out what the converter logs besides errors."""
    logger = logging.getLogger("absl")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
