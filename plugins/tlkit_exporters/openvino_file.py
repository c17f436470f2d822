"""Running OpenVINO's files: https://docs.openvino.ai."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import tlkit
from tlkit_exporters.interface import OUTPUTS, input_type
from tlkit_exporters.messages import last_line
from tlkit_exporters.openvino_export import TEXTS

_TYPES = {"u8": np.uint8, "f32": np.float32}
_PRECISIONS = {"f32": "float32", "f16": "float16", "bf16": "bfloat16", "I8": "int8", "i8": "int8"}
_MULTIPLY = ("Convolution", "Deconvolution", "FullyConnected", "MatMul")


def open_openvino(path: Path, threads: int) -> tlkit.ExportedModel:
    """Compile a file for the CPU.

    Args:
        path: the .xml file; the .bin file is beside it.
        threads: the number of threads that compute an image.

    Raises:
        DataError: OpenVINO can't run it, or it has other inputs or outputs.
    """
    import openvino

    core = openvino.Core()
    settings = {
        # Where a processor has bfloat16, that is the default.
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
    }
    try:
        model = core.read_model(path)
        kind = input_type(path, _TYPES, _given(model), {name for each in model.outputs for name in each.names})
        compiled = core.compile_model(model, "CPU", settings)
    except RuntimeError as error:
        raise tlkit.DataError(f"{path}: OpenVINO can't run it: {last_line(error)}") from error
    request = compiled.create_infer_request()

    def run(images: np.ndarray) -> Mapping[str, np.ndarray]:
        request.infer({"images": np.ascontiguousarray(images, kind)})
        return {name: request.get_tensor(name).data.copy() for name in OUTPUTS}

    version = openvino.__version__.partition("-")[0]
    return tlkit.ExportedModel(
        run=run, metadata=_texts(model), precision=_precision(compiled), runtime=f"OpenVINO {version}"
    )


def _given(model: Any) -> list[tuple[str, str, int]]:
    return [
        (", ".join(sorted(each.names)), each.element_type.get_type_name(), len(each.partial_shape))
        for each in model.inputs
    ]


def _texts(model: Any) -> dict[str, str]:
    if not model.has_rt_info([TEXTS]):
        return {}
    return {key: value.astype(str) for key, value in model.get_rt_info([TEXTS]).astype(dict).items()}


def _precision(compiled: Any) -> str:
    """Return in which format the layers multiply that OpenVINO chose for this processor."""
    kinds: Counter[str] = Counter()
    for node in compiled.get_runtime_model().get_ops():
        info = node.get_rt_info()
        if _text(info["layerType"]) in _MULTIPLY:
            name = _text(info["primitiveType"]).rpartition("_")[2]  # the kernel, such as brgconv_avx512_f32
            kinds[_PRECISIONS.get(name, name)] += 1
    if len(kinds) < 2:
        hint = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        return next(iter(kinds), _PRECISIONS.get(hint, hint))
    (most, _), *others = kinds.most_common()
    rest = " and ".join(f"{count} of {kinds.total()} layers {name}" for name, count in others)
    return f"{most}; {rest}"


def _text(value: Any) -> str:
    return str(value.astype(str) if hasattr(value, "astype") else value)
