"""Pictures of a network: the drawing, first-layer kernels, histograms of weights, feature maps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tlkit.models.summary import GroupRow
from tlkit.report.canvas import drawing, new_figure, palette, shorten, to_png

_GREY = "#b9bcc2"
_MAPS = 8


def network_drawing(groups: Sequence[GroupRow], phases: Sequence[str], title: str) -> bytes:
    """The network group by group from left to right; the coarser a feature map, the lower and the smaller it stands.

    Args:
        groups: in graph order.
        phases: names of the phases; a group has the colour of the first in which it trains, grey when in none; white
            when it has no weights.
        title: above the picture.

    Returns:
        a PNG file.
    """
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch

    colors = {name: _hexadecimal(color) for name, color in zip(phases, palette(len(phases)), strict=True)}
    deepest = max((group.stride or 1 for group in groups), default=1)
    levels = [-math.log2(group.stride or deepest * 2) for group in groups]
    places = {group.name: number for number, group in enumerate(groups)}
    tallest = max((group.shape[0] for group in groups if len(group.shape) == 3), default=1)
    with drawing():
        width, depth = max(7.0, 1.25 * len(groups) + 0.6), math.log2(deepest) + 1
        figure = new_figure(min(width, 60.0), 0.95 * depth + 2.2)
        panel = figure.subplots()
        panel.set_axis_off()
        halves = [_half_height(group, tallest) for group in groups]
        for number, (group, level, half) in enumerate(zip(groups, levels, halves, strict=True)):
            color = colors[group.phases[0]] if group.phases else _GREY if group.weights else "white"
            box = FancyBboxPatch(
                (number - 0.34, level - half),
                0.68,
                2 * half,
                boxstyle="round,pad=0.02,rounding_size=0.06",
                facecolor=color,
                edgecolor="#33363b",
                linewidth=0.8,
                alpha=0.85,
            )
            panel.add_patch(box)
            panel.text(number, level + half + 0.08, shorten(group.name, 16), ha="center", va="bottom", fontsize=8)
            shape = "×".join(str(size) for size in group.shape)
            count = f"\n{_short_count(group.weights)}" if group.weights else ""
            panel.text(number, level - half - 0.07, f"{shape}{count}", ha="center", va="top", fontsize=7)
            for source in group.feeds_on:
                start = places[source]
                near = number - start == 1
                arrow = FancyArrowPatch(
                    (start + 0.38, levels[start]),
                    (number - 0.38, level),
                    connectionstyle="arc3" if near else "arc3,rad=-0.12",
                    arrowstyle="-|>",
                    mutation_scale=8,
                    linewidth=0.9 if near else 0.7,
                    color="#33363b" if near else "#8a8d93",
                    zorder=0,
                )
                panel.add_patch(arrow)
        panel.set_xlim(-0.7, len(groups) - 0.3)
        panel.set_ylim(min(levels) - 1.0, max(levels) + 0.95)
        never = (
            [Patch(color=_GREY, label="never trains")]
            if any(group.weights and not group.phases for group in groups)
            else []
        )
        used = {group.phases[0] for group in groups if group.phases}
        handles = [Patch(color=colors[name], label=f"trains from phase {name} on") for name in phases if name in used]
        figure.legend(handles=[*handles, *never], loc="outside lower center", ncols=4, frameon=False, fontsize=8)
        panel.set_title(shorten(title, 110))
        return to_png(figure, dpi=100)


def _half_height(group: GroupRow, tallest: int) -> float:
    if len(group.shape) != 3:
        return 0.1
    return 0.1 + 0.22 * math.log2(1 + group.shape[0]) / math.log2(1 + tallest)


def _short_count(number: int) -> str:
    for limit, unit in ((1_000_000, "M"), (1_000, "k")):
        if number >= limit:
            return f"{number / limit:.3g}{unit} weights"
    return f"{number} weights"


def _hexadecimal(color: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def kernel_grid(kernels: Mapping[str, np.ndarray], layer: str) -> bytes:
    """Kernels of a convolution as a grid, each column of the figure a state of the network, all on one scale.

    Args:
        kernels: state, such as ``trained`` → float (kh, kw, channels in, channels out); of three channels in, in
            colour, else their mean; grey (or white) is 0.
        layer: whose kernels they are.

    Returns:
        a PNG file.
    """
    pictures = {state: _as_grid(kernel) for state, kernel in kernels.items()}
    greatest = max(float(np.abs(picture[np.isfinite(picture)]).max()) for picture in pictures.values()) or 1.0
    with drawing():
        figure = new_figure(4.6 * len(pictures), 4.9)
        panels = figure.subplots(1, len(pictures), squeeze=False)[0]
        for panel, (state, picture) in zip(panels, pictures.items(), strict=True):
            if picture.shape[-1] == 3:
                shown = np.where(np.isfinite(picture), 0.5 + picture / (2 * greatest), 1.0)
                panel.imshow(np.clip(shown, 0, 1), interpolation="nearest")
            else:
                panel.imshow(picture[..., 0], cmap="RdBu_r", vmin=-greatest, vmax=greatest, interpolation="nearest")
            panel.set_axis_off()
            panel.set_title(state)
        first = next(iter(kernels.values()))
        shown_of = f"the first 64 of {first.shape[-1]}" if first.shape[-1] > 64 else str(first.shape[-1])
        what = "in colour" if first.shape[2] == 3 else f"means over {first.shape[2]} channels"
        figure.suptitle(
            shorten(f"{layer}: {shown_of} kernels of {first.shape[0]}×{first.shape[1]}, {what}; ±{greatest:.3g}", 90)
        )
        return to_png(figure)


def _as_grid(kernel: np.ndarray) -> np.ndarray:
    """(rows, columns, 3 or 1) of at most 64 kernels with NaN between them."""
    kernel = kernel[..., :64] if kernel.shape[2] == 3 else kernel[..., :64].mean(2, keepdims=True)
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
    """Histograms of the weights of layers, with mean and standard deviation, one panel a layer.

    Args:
        layers: layer → state, such as ``trained`` → its weights, of any shape.

    Returns:
        a PNG file.
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
            for (state, each), color in zip(values.items(), ("#0072b2", "#d55e00"), strict=False):
                label = f"{state}: mean {each.mean():.2g}, std {each.std():.2g}"
                shares = np.full(len(each), 1 / len(each))
                panel.hist(each, edges, weights=shares, histtype="stepfilled", color=color, alpha=0.35, label=label)
                panel.hist(each, edges, weights=shares, histtype="step", color=color, linewidth=1.2)
            panel.set_title(f"{shorten(layer, 40, middle=True)} ({len(next(iter(values.values()))):,} weights)")
            panel.set_xlabel("weight")
            panel.xaxis.set_major_locator(MaxNLocator(5))
            panel.set_ylabel("share")
            panel.set_ylim(0, panel.get_ylim()[1] * 1.3)
            panel.legend(frameon=False, fontsize=7.5, loc="upper left")
        return to_png(figure)


def feature_page(image: np.ndarray, maps: Mapping[str, np.ndarray], title: str) -> bytes:
    """An image and, a row a block, the feature maps that vary most over it.

    Args:
        image: uint8 (H, W, 3).
        maps: block → float (h, w, channels).
        title: above the page.

    Returns:
        a PNG file.
    """
    with drawing():
        figure = new_figure(1.35 * _MAPS + 0.6, 1.5 * (len(maps) + 1) + 0.4)
        panels = figure.subplots(len(maps) + 1, _MAPS, squeeze=False)
        for panel in panels[0]:
            panel.set_axis_off()
        panels[0, 0].imshow(image)
        panels[0, 0].set_title("image", fontsize=7)
        for row, (name, values) in enumerate(maps.items(), 1):
            spread = values.reshape(-1, values.shape[-1]).std(0)
            chosen = np.argsort(-spread, kind="stable")[:_MAPS]
            for panel in panels[row]:
                panel.set(xticks=[], yticks=[])
                panel.spines[:].set_visible(False)
            for column, channel in enumerate(chosen):
                panels[row, column].imshow(values[..., channel], cmap="viridis", interpolation="nearest")
                panels[row, column].set_title(f"channel {channel}", fontsize=6.5)
            shape = "×".join(str(size) for size in values.shape)
            flat = int((spread == 0).sum())
            note = f"\n{flat} of {len(spread)} flat" if flat else ""
            panels[row, 0].set_ylabel(f"{shorten(name, 16)}\n{shape}{note}", fontsize=7)
        figure.suptitle(shorten(title, 100), fontsize=10)
        return to_png(figure, dpi=100)


def block_outputs(model: Any, groups: Sequence[GroupRow], most: int = 12) -> dict[str, Any]:
    """Group → symbolic feature map of its last layer that has one, of the groups before the head, at most ``most``."""
    found = {}
    for group in groups:
        if group.name.startswith("head") or group.name == "input":
            continue
        outputs = [model.get_layer(name).output for name in group.layers if _is_layer(model, name)]
        maps = [tensor for tensor in outputs if len(tensor.shape) == 4 and tensor.shape[1] > 1]
        if maps:
            found[group.name] = maps[-1]
    names = list(found)
    if len(names) > most:
        names = [names[round(place)] for place in np.linspace(0, len(names) - 1, most)]
    return {name: found[name] for name in names}


def _is_layer(model: Any, name: str) -> bool:
    return any(layer.name == name for layer in model.layers)
