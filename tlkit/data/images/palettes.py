"""Compare the palettes of masks: whether the same colours have the same indices in all of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
Index = TypeVar("Index", bound=Hashable)


def usual_palette(palettes: Mapping[K, Mapping[Index, str]]) -> dict[Index, str]:
    """Return index → the colour that it has in most masks.

    Args:
        palettes: mask → index → colour, of the indices that its pixels have.
    """
    counts: dict[Index, Counter[str]] = defaultdict(Counter)
    for palette in palettes.values():
        for index, color in palette.items():
            counts[index][color] += 1
    return {index: count.most_common(1)[0][0] for index, count in counts.items()}


def reordered(palettes: Mapping[K, Mapping[Index, str]]) -> dict[K, str]:
    """Return the masks whose palettes have the usual colours at other indices, each with an example.

    A palette with colours of its own for the usual indices is not among them: only its look differs.
    """
    usual = usual_palette(palettes)
    index_of = {color: index for index, color in reversed(usual.items())}
    found = {}
    for mask, palette in palettes.items():
        for index, color in palette.items():
            if color != usual[index] and color in index_of:
                found[mask] = f"{color} has the index {index}, in most masks {index_of[color]}"
                break
    return found


def recolored(palettes: Mapping[K, Mapping[Index, str]]) -> list[K]:
    """Return the masks whose palettes have other colours than most masks for the same indices."""
    usual = usual_palette(palettes)
    return [mask for mask, palette in palettes.items() if any(usual[index] != each for index, each in palette.items())]
