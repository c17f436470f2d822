"""Predictions as plain values, for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tlkit.evaluation.prediction import Prediction, TileLabels
from tlkit.runs.card import Card
from tlkit.system.remote_names import named


def prediction_values(
    name: str, prediction: Prediction, card: Card, top: int | None, columns: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return a prediction as plain values. Without a prediction they are None.

    Args:
        name: the path of the image.
        prediction: its prediction.
        card: the model's card.
        top: how many classes to list, the most probable or largest first; None: all, in the model's order.
        columns: the names of what else is said of it: ``Judgement.columns``.
    """
    failed = prediction.error is not None
    start = {"path": named(name), "error": None if prediction.error is None else named(prediction.error)}
    if card.task == "segmentation":
        height, width = prediction.size or (None, None)
        shares = None if failed else _rounded(prediction.shares, top)
        return {**start, "width": width, "height": height, "shares": shares}
    return {
        **start,
        **_of_labels(prediction, top),
        **_judged_values(prediction, columns),
        **({} if prediction.tiles is None else {"tiles": _of_tiles(prediction.tiles, card, top)}),
    }


def largest(shares: Mapping[str, float], count: int | None) -> list[tuple[str, float]]:
    """Return the classes with the largest shares, the largest first."""
    return sorted(shares.items(), key=lambda item: -item[1])[:count]


def _of_tiles(tiles: TileLabels, card: Card, top: int | None) -> list[dict[str, Any]]:
    """Return each tile's box in pixels of the picture, and its prediction."""
    from tlkit.evaluation.classification import predicted_labels

    names = ("left", "top", "right", "bottom")
    return [
        {**dict(zip(names, box, strict=True)), **_of_labels(predicted_labels(None, values, (0, 0), card), top)}
        for box, values in zip(tiles.boxes.tolist(), tiles.probabilities, strict=True)
    ]


def _of_labels(prediction: Prediction, top: int | None) -> dict[str, Any]:
    failed = prediction.error is not None
    return {
        "label": prediction.label,
        "labels": None if failed else list(prediction.labels),
        "probability": None if prediction.probability is None else round(prediction.probability, 6),
        "probabilities": None if failed else _rounded(prediction.probabilities, top),
    }


def _judged_values(prediction: Prediction, columns: tuple[str, ...]) -> dict[str, Any]:
    chosen = None if prediction.label_set is None else list(prediction.label_set)
    value = None if prediction.p_value is None else round(prediction.p_value, 6)
    values = {"unknown": prediction.unknown, "p_value": value, "set": chosen}
    return {name: values[name] for name in columns}


def _rounded(shares: Mapping[str, float], top: int | None) -> dict[str, float]:
    chosen = shares.items() if top is None else largest(shares, top)
    return {each: round(share, 6) for each, share in chosen}
