"""The pictures and the page of ``tlkit inspect``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tlkit.errors import DataError
from tlkit.jobs.inspect import Inspection
from tlkit.jobs.inspect_files import TITLES
from tlkit.models.summary import kernels
from tlkit.report.feature_maps import block_outputs, feature_page
from tlkit.report.html_page import embedded, render_page
from tlkit.report.network_drawing import network_drawing
from tlkit.report.weight_pictures import kernel_grid, weight_histograms
from tlkit.system.memory import explained_memory
from tlkit.system.text import did_you_mean


@explained_memory("use a machine with more memory")
def pictures(inspection: Inspection, layer: str | None = None) -> dict[str, bytes]:
    """Draw everything that can be shown of a network.

    Args:
        inspection: the network.
        layer: the layer whose weights the histogram shows; None for the first, a middle and the last layer with a
            kernel.

    Returns:
        file name → PNG.

    Raises:
        DataError: no layer of that name has a kernel.
    """
    before = dict(kernels(inspection.network.model))
    trained = {} if inspection.trained is None else dict(kernels(inspection.trained))

    def values(name: str) -> dict[str, np.ndarray]:
        states = {"trained": trained.get(name), inspection.before_of(name): before[name]}
        return {state: np.array(kernel) for state, kernel in states.items() if kernel is not None}

    names = list(before)
    if layer is not None and layer not in before:
        hint = did_you_mean(layer, names, f"; there are {', '.join(names[:12])}, …")
        raise DataError(f'--layer: no layer "{layer}" with a kernel{hint}')
    title = f"{inspection.title}: {inspection.network.model.count_params():,} weights"
    phases = [phase.name for phase in inspection.phases]
    drawn = {"model.png": network_drawing(inspection.groups, phases, title)}
    first = next((name for name in names if len(before[name].shape) == 4 and max(before[name].shape[:2]) > 1), None)
    if first is not None:
        drawn["kernels.png"] = kernel_grid(values(first), first)
    chosen = [layer] if layer else list(dict.fromkeys((names[0], names[len(names) // 2], names[-1]))) if names else []
    if chosen:
        drawn["weights.png"] = weight_histograms({name: values(name) for name in chosen})
    if inspection.image is not None:
        drawn["features.png"] = _features(inspection, inspection.image)
    return drawn


def _features(inspection: Inspection, image: np.ndarray) -> bytes:
    import keras

    model = inspection.network.model if inspection.trained is None else inspection.trained
    outputs = block_outputs(model, inspection.groups)
    values = keras.Model(model.input, list(outputs.values()))(image[None].astype(np.float32), training=False)
    maps = {
        name: np.asarray(keras.ops.convert_to_numpy(value), np.float32)[0]
        for name, value in zip(outputs, values if isinstance(values, list) else [values], strict=True)
    }
    return feature_page(image, maps, f"{inspection.title}, {inspection.state}: the maps that vary most in each block")


def page(inspection: Inspection, drawn: Mapping[str, bytes]) -> str:
    """Return ``index.html`` with the tables and the pictures."""
    return render_page(
        "inspect.html.j2",
        title=inspection.title,
        lead=f"{len(inspection.groups)} blocks, {len(inspection.layers)} layers, phases: "
        + ", ".join(phase.name for phase in inspection.phases),
        groups=inspection.groups,
        layers=inspection.layers,
        totals=inspection.totals,
        notes=inspection.notes,
        pictures=[{"title": TITLES[name], "data": embedded(content)} for name, content in drawn.items()],
    )
