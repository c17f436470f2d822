"""The record of OpenVINO's format. Imports nothing heavy."""

from __future__ import annotations

import tlkit

SNIPPET = """\
import openvino

network = openvino.Core().read_model(FILE)
compiled = openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
probabilities = compiled({"images": images})["probabilities"]
metadata = {key: value.astype(str) for key, value in network.get_rt_info("tlkit").astype(dict).items()}
"""
OPENVINO = tlkit.Exporter(
    name="openvino",
    summary="OpenVINO: an .xml file and a .bin file with the weights, for processors of Intel and others",
    options=tlkit.Options,
    suffix=".xml",
    quantizations=("float16", "int8"),
    writes_with=("openvino",),
    runs_with=("openvino",),
    extra="tlkit[openvino]",
    write=tlkit.lazy("tlkit_exporters.openvino_export:write_openvino"),
    open=tlkit.lazy("tlkit_exporters.openvino_file:open_openvino"),
    check=tlkit.lazy("tlkit_exporters.openvino_check:check_openvino"),
    snippet=SNIPPET,
)
