"""Predictions as a table for people and as values for programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.evaluation.prediction import texts_of
from tlkit.system.visible import visible_line

if TYPE_CHECKING:
    from rich.table import Table

    from tlkit.evaluation.prediction import Prediction, TileLabels
    from tlkit.runs.card import Card


def prediction_table(card: Card, columns: tuple[str, ...] = ()) -> Table:
    """Return an empty table for the predictions of a model, with what else is said of each."""
    from rich.table import Table

    table = Table()
    if card.task == "segmentation":
        names = ("file", "size", "share of the pixels")
    else:
        names = ("file", "labels" if card.label_kind == "multi" else "label", "probability")
    for name in (*names, *(each.replace("_", "-") for each in columns)):
        # A name is never cut off or broken: it may be pasted elsewhere.
        table.add_column(name, overflow="fold", justify="right" if name == "probability" else "left")
    return table


def prediction_row(name: Path, prediction: Prediction, top: int | None, columns: tuple[str, ...] = ()) -> list[str]:
    """Return the row of a prediction, in which each newline separates two classes.

    Args:
        name: the file.
        prediction: its prediction, without an error.
        top: how many classes to name; None: the predicted ones, or all that have pixels.
        columns: the names of what else is said of it: ``Judgement.columns``.
    """
    return [*_row(name, prediction, top), *map(visible_line, texts_of(prediction, columns))]


def _row(name: Path, prediction: Prediction, top: int | None) -> list[str]:
    if prediction.shares and prediction.size is not None:
        height, width = prediction.size
        shown = [f"{visible_line(each)} {share:.1%}" for each, share in _largest(prediction.shares, top) if share]
        return [visible_line(str(name)), f"{width} × {height}", ", ".join(shown)]
    if top is not None:
        largest = _largest(prediction.probabilities, top)
        return [
            str(name),
            "\n".join(visible_line(each) for each, _ in largest),
            "\n".join(f"{share:.4f}" for _, share in largest),
        ]
    shares = [f"{prediction.probabilities[each]:.4f}" for each in prediction.labels]
    return [visible_line(str(name)), "\n".join(map(visible_line, prediction.labels)) or "–", "\n".join(shares) or "–"]


def predictions_document(run: Path, card: Card, predictions: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the predictions of a model as one JSON document."""
    return {
        "run": str(run),
        "name": card.name,
        "task": card.task,
        "label_kind": card.label_kind,
        "classes": list(card.classes),
        "predictions": predictions,
    }


def prediction_values(
    name: Path, prediction: Prediction, card: Card, top: int | None, columns: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return a prediction as plain values. Without a prediction they are None.

    Args:
        name: the file.
        prediction: its prediction.
        card: the model's card.
        top: how many classes to list, the most probable or largest first; None: all, in the model's order.
        columns: the names of what else is said of it: ``Judgement.columns``.
    """
    failed = prediction.error is not None
    start = {"path": str(name), "error": prediction.error}
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
    chosen = shares.items() if top is None else _largest(shares, top)
    return {each: round(share, 6) for each, share in chosen}


def _largest(shares: Mapping[str, float], count: int | None) -> list[tuple[str, float]]:
    return sorted(shares.items(), key=lambda item: -item[1])[:count]
