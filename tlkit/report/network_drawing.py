"""The drawing of a network, block by block."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tlkit.models.summary import GroupRow
from tlkit.report.colors import hexadecimal, phase_colors
from tlkit.report.figures import drawing, new_figure, shorten, to_png

_NEVER_TRAINED = "#b9bcc2"
_LINE = "#33363b"
_SKIP = "#8a8d93"


def network_drawing(groups: Sequence[GroupRow], phases: Sequence[str], title: str) -> bytes:
    """Draw a network from left to right, one box per group; coarser feature maps are lower and smaller.

    Args:
        groups: the groups in graph order.
        phases: the names of the phases. A group has the colour of the first phase that trains it; it is grey if none
            does, and white if it has no weights.
        title: the title of the picture.

    Returns:
        the content of a PNG file.
    """
    colors = {name: hexadecimal(color) for name, color in zip(phases, phase_colors(len(phases)), strict=True)}
    deepest = max((group.stride or 1 for group in groups), default=1)
    levels = {group.name: -math.log2(group.stride or deepest * 2) for group in groups}
    places = {group.name: number for number, group in enumerate(groups)}
    tallest = max((group.shape[0] for group in groups if len(group.shape) == 3), default=1)
    with drawing():
        width, depth = max(7.0, 1.25 * len(groups) + 0.6), math.log2(deepest) + 1
        figure = new_figure(min(width, 60.0), 0.95 * depth + 2.2)
        panel = figure.subplots()
        panel.set_axis_off()
        for group in groups:
            center = (places[group.name], levels[group.name])
            _draw_box(panel, group, center, _half_height(group, tallest), _color(group, colors))
            for source in group.feeds_on:
                _draw_arrow(panel, (places[source], levels[source]), center)
        panel.set_xlim(-0.7, len(groups) - 0.3)
        panel.set_ylim(min(levels.values()) - 1.0, max(levels.values()) + 0.95)
        handles = _legend_handles(groups, colors)
        figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
        panel.set_title(shorten(title, 110))
        return to_png(figure, dpi=100)


def _draw_box(panel: Any, group: GroupRow, center: tuple[float, float], half_height: float, color: str) -> None:
    """Draw a group with its name above, and its shape and number of weights below."""
    from matplotlib.patches import FancyBboxPatch

    x, y = center
    box = FancyBboxPatch(
        (x - 0.34, y - half_height),
        0.68,
        2 * half_height,
        boxstyle="round,pad=0.02,rounding_size=0.06",
        facecolor=color,
        edgecolor=_LINE,
        linewidth=0.8,
        alpha=0.85,
    )
    panel.add_patch(box)
    panel.text(x, y + half_height + 0.08, shorten(group.name, 16), ha="center", va="bottom", fontsize=8)
    shape = "×".join(str(size) for size in group.shape)
    count = f"\n{_short_count(group.weights)}" if group.weights else ""
    panel.text(x, y - half_height - 0.07, f"{shape}{count}", ha="center", va="top", fontsize=7)


def _draw_arrow(panel: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw an arrow between the centers of two groups, curved if there are others between them."""
    from matplotlib.patches import FancyArrowPatch

    adjacent = end[0] - start[0] == 1
    arrow = FancyArrowPatch(
        (start[0] + 0.38, start[1]),
        (end[0] - 0.38, end[1]),
        connectionstyle="arc3" if adjacent else "arc3,rad=-0.12",
        arrowstyle="-|>",
        mutation_scale=8,
        linewidth=0.9 if adjacent else 0.7,
        color=_LINE if adjacent else _SKIP,
        zorder=0,
    )
    panel.add_patch(arrow)


def _color(group: GroupRow, colors: Mapping[str, str]) -> str:
    if group.phases:
        return colors[group.phases[0]]
    return _NEVER_TRAINED if group.weights else "white"


def _legend_handles(groups: Sequence[GroupRow], colors: Mapping[str, str]) -> list[Any]:
    from matplotlib.patches import Patch

    first_phases = {group.phases[0] for group in groups if group.phases}
    handles = [
        Patch(color=color, label=f"trained from phase {name} on")
        for name, color in colors.items()
        if name in first_phases
    ]
    if any(group.weights and not group.phases for group in groups):
        handles.append(Patch(color=_NEVER_TRAINED, label="never trained"))
    return handles


def _half_height(group: GroupRow, tallest: int) -> float:
    if len(group.shape) != 3:
        return 0.1
    return 0.1 + 0.22 * math.log2(1 + group.shape[0]) / math.log2(1 + tallest)


def _short_count(number: int) -> str:
    for limit, unit in ((1_000_000, "M"), (1_000, "k")):
        if number >= limit:
            return f"{number / limit:.3g}{unit} weights"
    return f"{number} weights"
