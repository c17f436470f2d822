"""Writing OpenVINO's files, an .xml of the graph and a .bin of the weights: https://docs.openvino.ai."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import tlkit
from tlkit_exporters.messages import last_line

TEXTS = "tlkit"
"""The part of ``rt_info`` that holds the texts."""


def write_openvino(ctx: tlkit.ExportContext, path: Path, _options: tlkit.Options) -> None:
    """Write the model as PATH and, beside it, its weights with the suffix ``.bin``.

    Raises:
        DataError: OpenVINO can't express the model, or a package for int8 is missing.
    """
    import openvino

    source = _quantized_onnx(ctx) if ctx.quantize == "int8" else ctx.saved_model
    try:
        model = openvino.convert_model(source)
    except RuntimeError as error:
        raise tlkit.DataError(f"openvino: the network can't be converted: {last_line(error)}") from error
    _name_outputs(model)
    # It would name folders of this computer.
    model.set_rt_info("tlkit", "conversion_parameters")
    for key, text in ctx.metadata.items():
        model.set_rt_info(text, [TEXTS, key])
    # OpenVINO's own default halves the weights.
    openvino.save_model(model, path, compress_to_fp16=ctx.quantize == "float16")


def _name_outputs(model: Any) -> None:
    for output in model.outputs:
        (name,) = {"logits", "probabilities"} & set(output.names)
        output.set_names({name})
    model.inputs[0].set_names({"images"})


def _quantized_onnx(ctx: tlkit.ExportContext) -> Path:
    """Return an ONNX file whose quantization OpenVINO takes over."""
    missing = [name for name in ("onnx", "onnxruntime", "tf2onnx") if find_spec(name) is None]
    if missing:
        raise tlkit.DataError(
            f"openvino: int8 is calibrated by ONNX Runtime, and {', '.join(missing)} can't be imported; "
            'install it with  pip install "tlkit[onnx,openvino]"'
        )
    from tlkit_exporters.onnx_export import onnx_model

    path = ctx.scratch / "quantized_for_openvino.onnx"
    path.write_bytes(onnx_model(ctx, signed=True).SerializeToString())
    return path
