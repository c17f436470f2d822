"""Writing ONNX files: https://onnx.ai."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tlkit
from tlkit_exporters.onnx_float import float_model

_MAX_BYTES = 2**31 - 2**20
"""Protocol Buffers keep no message of 2 GiB or more."""


def write_onnx(ctx: tlkit.ExportContext, path: Path, _options: tlkit.Options) -> None:
    """Write the model as a single file with weights and texts.

    Raises:
        DataError: ONNX can't express the model.
    """
    import onnx

    model = onnx_model(ctx)
    onnx.helper.set_model_props(model, dict(ctx.metadata))
    model.producer_name, model.producer_version = "tlkit", ctx.metadata.get("tlkit", "")
    if model.ByteSize() > _MAX_BYTES:
        raise tlkit.DataError(
            f"onnx: the model has {model.ByteSize():,} bytes, and one file of this format holds {_MAX_BYTES:,}; "
            "expected another format, or a smaller backbone"
        )
    path.write_bytes(model.SerializeToString())


def onnx_model(ctx: tlkit.ExportContext, *, signed: bool = False) -> Any:
    """Return the model that the user asked for as an ``onnx.ModelProto``, without texts.

    Args:
        ctx: what the exporter was given.
        signed: whether int8 has signed weights.

    Raises:
        DataError: ONNX can't express the model.
    """
    model = float_model(ctx)
    if ctx.quantize is None:
        return model
    from tlkit_exporters.onnx_quantize import quantized

    return quantized(model, ctx, signed=signed)
