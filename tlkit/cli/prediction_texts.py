"""Predictions as a table for people, and as one JSON document for programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.evaluation.prediction import texts_of
from tlkit.report.prediction_values import largest
from tlkit.system.remote_names import named_path
from tlkit.system.visible import visible_line

if TYPE_CHECKING:
    from rich.table import Table

    from tlkit.evaluation.prediction import Prediction
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
        shown = [f"{visible_line(each)} {share:.1%}" for each, share in largest(prediction.shares, top) if share]
        return [visible_line(named_path(name)), f"{width} × {height}", ", ".join(shown)]
    if top is not None:
        chosen = largest(prediction.probabilities, top)
        return [
            named_path(name),
            "\n".join(visible_line(each) for each, _ in chosen),
            "\n".join(f"{share:.4f}" for _, share in chosen),
        ]
    shares = [f"{prediction.probabilities[each]:.4f}" for each in prediction.labels]
    return [
        visible_line(named_path(name)),
        "\n".join(map(visible_line, prediction.labels)) or "–",
        "\n".join(shares) or "–",
    ]


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
