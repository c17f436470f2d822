"""Feature maps of an image: which to compute, and their picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tlkit.models.summary import GroupRow
from tlkit.report.figures import drawing, new_figure, shorten, to_png

_MAX_MAPS = 8
"""Feature maps per block."""
_MAX_BLOCKS = 12


def feature_page(image: np.ndarray, maps: Mapping[str, np.ndarray], title: str) -> bytes:
    """Draw an image and, one row per block, the feature maps that vary most over it.

    Args:
        image: uint8 (H, W, 3).
        maps: block → float (h, w, channels).
        title: the title of the page.

    Returns:
        the content of a PNG file.
    """
    with drawing():
        figure = new_figure(1.35 * _MAX_MAPS + 0.6, 1.5 * (len(maps) + 1) + 0.4)
        panels = figure.subplots(len(maps) + 1, _MAX_MAPS, squeeze=False)
        for panel in panels[0]:
            panel.set_axis_off()
        panels[0, 0].imshow(image)
        panels[0, 0].set_title("image", fontsize=7)
        for row, (name, values) in enumerate(maps.items(), 1):
            spread = values.reshape(-1, values.shape[-1]).std(0)
            chosen = np.argsort(-spread, kind="stable")[:_MAX_MAPS]
            for panel in panels[row]:
                panel.set(xticks=[], yticks=[])
                panel.spines[:].set_visible(False)
            for column, channel in enumerate(chosen):
                panels[row, column].imshow(values[..., channel], cmap="viridis", interpolation="nearest")
                panels[row, column].set_title(f"channel {channel}", fontsize=6.5)
            shape = "×".join(str(size) for size in values.shape)
            flat = int((spread == 0).sum())
            note = f"\n{flat} of {len(spread)} constant" if flat else ""
            panels[row, 0].set_ylabel(f"{shorten(name, 16)}\n{shape}{note}", fontsize=7)
        figure.suptitle(shorten(title, 100), fontsize=10)
        return to_png(figure, dpi=100)


def block_outputs(model: Any, groups: Sequence[GroupRow]) -> dict[str, Any]:
    """Return the symbolic feature map at the end of each block before the head; evenly spaced blocks if there are many.

    Args:
        model: the Keras model.
        groups: its groups in graph order.

    Returns:
        group name → a symbolic tensor (None, h, w, channels), for at most 12 groups.
    """
    layers = {layer.name: layer for layer in model.layers}
    maps_by_group = {}
    for group in groups:
        if group.name.startswith("head") or group.name == "input":
            continue
        outputs = [layers[name].output for name in group.layers if name in layers]
        maps = [tensor for tensor in outputs if len(tensor.shape) == 4 and tensor.shape[1] > 1]
        if maps:
            maps_by_group[group.name] = maps[-1]
    names = list(maps_by_group)
    if len(names) > _MAX_BLOCKS:
        names = [names[round(place)] for place in np.linspace(0, len(names) - 1, _MAX_BLOCKS)]
    return {name: maps_by_group[name] for name in names}
