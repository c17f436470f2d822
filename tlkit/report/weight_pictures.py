"""Pictures of a network's weights: kernels of a convolution, histograms."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tlkit.report.colors import BLUE, ORANGE
from tlkit.report.figures import drawing, new_figure, shorten, to_png

_MAX_KERNELS = 64


def kernel_grid(kernels: Mapping[str, np.ndarray], layer: str) -> bytes:
    """Draw the kernels of a convolution, one grid per state of the network, all on one scale.

    Kernels with three input channels are drawn in colour, others as the mean over their input channels; zero is grey
    or white.

    Args:
        kernels: state, such as ``trained`` → float (height, width, input channels, output channels).
        layer: the name of the convolution.

    Returns:
        the content of a PNG file.
    """
    pictures = {state: _as_grid(kernel) for state, kernel in kernels.items()}
    largest = max(float(np.abs(picture[np.isfinite(picture)]).max()) for picture in pictures.values()) or 1.0
    with drawing():
        figure = new_figure(4.6 * len(pictures), 4.9)
        panels = figure.subplots(1, len(pictures), squeeze=False)[0]
        for panel, (state, picture) in zip(panels, pictures.items(), strict=True):
            if picture.shape[-1] == 3:
                shown = np.where(np.isfinite(picture), 0.5 + picture / (2 * largest), 1.0)
                panel.imshow(np.clip(shown, 0, 1), interpolation="nearest")
            else:
                panel.imshow(picture[..., 0], cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest")
            panel.set_axis_off()
            panel.set_title(state)
        first = next(iter(kernels.values()))
        height, width, channels, total = first.shape
        count = f"the first {_MAX_KERNELS} of {total}" if total > _MAX_KERNELS else str(total)
        what = "in colour" if channels == 3 else f"mean over {channels} channels"
        figure.suptitle(shorten(f"{layer}: {count} kernels of {height}×{width}, {what}; ±{largest:.3g}", 90))
        return to_png(figure)


def _as_grid(kernel: np.ndarray) -> np.ndarray:
    """Arrange the first kernels in a grid (rows, columns, 3 or 1) with NaN between them."""
    kernel = kernel[..., :_MAX_KERNELS]
    if kernel.shape[2] != 3:
        kernel = kernel.mean(2, keepdims=True)
    height, width, channels, count = kernel.shape
    across = math.ceil(math.sqrt(count))
    down = math.ceil(count / across)
    grid = np.full((down * (height + 1) + 1, across * (width + 1) + 1, channels), np.nan)
    for number in range(count):
        row, column = divmod(number, across)
        top, left = row * (height + 1) + 1, column * (width + 1) + 1
        grid[top : top + height, left : left + width] = kernel[..., number]
    return grid


def weight_histograms(layers: Mapping[str, Mapping[str, np.ndarray]]) -> bytes:
    """Draw histograms of weights with mean and standard deviation, one panel per layer.

    Args:
        layers: layer → state, such as ``trained`` → the layer's weights, of any shape.

    Returns:
        the content of a PNG file.
    """
    from matplotlib.ticker import MaxNLocator

    with drawing():
        figure = new_figure(4.4 * len(layers), 3.6)
        panels = figure.subplots(1, len(layers), squeeze=False)[0]
        for panel, (layer, states) in zip(panels, layers.items(), strict=True):
            values = {state: np.asarray(weights, np.float64).ravel() for state, weights in states.items()}
            low, high = (
                function([each for v in values.values() for each in (v.min(), v.max())]) for function in (min, max)
            )
            edges = np.linspace(low, high if high > low else low + 1e-6, 61)
            for (state, each), color in zip(values.items(), (BLUE, ORANGE), strict=False):
                label = f"{state}: mean {each.mean():.2g}, std {each.std():.2g}"
                shares = np.full(len(each), 1 / len(each))
                panel.hist(each, edges, weights=shares, histtype="stepfilled", color=color, alpha=0.35, label=label)
                panel.hist(each, edges, weights=shares, histtype="step", color=color, linewidth=1.2)
            panel.set_title(f"{shorten(layer, 40, middle=True)} ({len(next(iter(values.values()))):,} weights)")
            panel.set_xlabel("weight")
            panel.xaxis.set_major_locator(MaxNLocator(5))
            panel.set_ylabel("share of the weights")
            panel.set_ylim(0, panel.get_ylim()[1] * 1.3)
            panel.legend(frameon=False, fontsize=7.5, loc="upper left")
        return to_png(figure)
