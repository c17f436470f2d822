"""The last part of a run: metrics, pictures, predictions and the report, each written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.contracts import ReportSection
from tlkit.errors import PluginError, RunError
from tlkit.evaluation.evaluator import Inference, Outcome, Progress, evaluate
from tlkit.evaluation.metrics import Metrics
from tlkit.report.curves import learning_curves
from tlkit.report.pages import choose_pages, label_text, predicted_numbers, worst_files
from tlkit.report.pictures import confusion_matrix, label_counts
from tlkit.report.render import embedded, render_page
from tlkit.runs.card import Card
from tlkit.runs.folder import RunFolder
from tlkit.runs.history import read_history
from tlkit.runs.reading import MAX_SHORT_TABLE_BYTES, read_run_file, read_run_table
from tlkit.system.disk import write_atomically

if TYPE_CHECKING:
    from tlkit.data.run_data import Data
    from tlkit.registry import Registry

TITLES = {
    "curves.png": "Learning curves",
    "confusion.png": "Confusion",
    "samples.png": "Samples",
    "worst.png": "What it got wrong",
}
PNG_START = b"\x89PNG\r\n\x1a\n"


def write_results(
    folder: RunFolder,
    model: Any,
    card: Card,
    data: Data,
    *,
    batch_size: int,
    sections: Callable[[Mapping[str, Any]], list[ReportSection]],
    progress: Progress | None = None,
    kept: tuple[int, str] = (0, ""),
) -> dict[str, Any]:
    """Measure the model on the validation and test splits, and write what a reader wants to see.

    Writes ``metrics.json``, ``pictures/*.png``, ``predictions.csv`` (classification) and ``report.html``. The
    pictures show the validation split, else the test split, else training images.

    Args:
        folder: of the run; ``metrics.csv`` and what else there is of it are shown in the report.
        model: the trained Keras model.
        card: of the model.
        data: with the splits.
        batch_size: images at a time.
        sections: the plugins' sections, given the metrics.
        progress: told (done, total) images while a split is measured.
        kept: the epoch, from 1 over all phases, whose weights the model has, and the column that chose it.

    Returns:
        the contents of ``metrics.json``: split → metrics, for the splits that have samples.

    Raises:
        PluginError: a section is not as its contract says.
        RunError: a file of the run folder is damaged.
    """
    outcomes: dict[str, Outcome] = {}
    for split in ("validation", "test"):
        rows = data.indices(split)
        if len(rows):
            outcomes[split] = evaluate(model, card, data, rows, batch_size=batch_size, progress=progress)
    metrics = {split: outcome.metrics for split, outcome in outcomes.items()}
    write_metrics(folder.metrics, metrics)
    if card.task == "classification":
        write_atomically(folder.path / "predictions.csv", _predictions_csv(outcomes, card, data))
    pictures = _pictures(folder, model, card, data, outcomes, batch_size, kept)
    folder.pictures.mkdir(exist_ok=True)
    for name, content in pictures.items():
        write_atomically(folder.pictures / name, content)
    write_atomically(folder.report, _html(folder, card, data, outcomes, pictures, sections(metrics)))
    return metrics


def plugin_sections(registry: Registry, folder: RunFolder) -> Callable[[Mapping[str, Any]], list[ReportSection]]:
    """What plugins add to a run's report, by title, given its metrics."""

    def sections(result: Mapping[str, Any]) -> list[ReportSection]:
        found = registry.ask("tlkit_report_sections", ReportSection, run=folder.path, result=result)
        return sorted(found, key=lambda section: section.title)

    return sections


def write_metrics(path: Path, metrics: Mapping[str, Any]) -> None:
    """Write metrics as JSON, whole or not at all."""
    write_atomically(path, json.dumps(metrics, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _predictions_csv(outcomes: Mapping[str, Outcome], card: Card, data: Data) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["key", "split", "truth", "prediction", "probability", "loss"])
    for split, outcome in outcomes.items():
        assert outcome.labels is not None
        assert outcome.probabilities is not None
        for row, truth, shares, loss in zip(
            outcome.rows, outcome.labels, outcome.probabilities, outcome.losses, strict=True
        ):
            predicted = predicted_numbers(shares, card)
            probability = f"{shares.max():.6f}" if card.label_kind != "multi" else ""
            answer = label_text(predicted, card)
            writer.writerow([data.samples[row].key, split, label_text(truth, card), answer, probability, f"{loss:.6f}"])
    return _encodable(text.getvalue())


def _encodable(text: str) -> str:
    """The text without the lone surrogates that stand for undecodable bytes in file names."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _pictures(
    folder: RunFolder,
    model: Any,
    card: Card,
    data: Data,
    outcomes: Mapping[str, Outcome],
    batch_size: int,
    kept: tuple[int, str],
) -> dict[str, bytes]:
    pictures: dict[str, bytes] = {}
    if folder.history.is_file():
        history = read_history(folder.history)
        pictures["curves.png"] = learning_curves(history, *kept)
    if outcomes:
        split, outcome = next(iter(outcomes.items()))
        if outcome.confusion is not None:
            unit = "pixels" if card.task == "segmentation" else "images"
            pictures["confusion.png"] = confusion_matrix(outcome.confusion, card.classes, f"{split} {unit}")
        else:
            assert outcome.labels is not None
            assert outcome.probabilities is not None
            predicted = outcome.probabilities > 0.5
            pictures["confusion.png"] = label_counts(outcome.labels, predicted, card.classes, f"{split} images")
    else:
        rows = data.indices("train")
        if not len(rows):
            return pictures
        rows = rows[np.linspace(0, len(rows) - 1, min(20, len(rows))).astype(int)]
        split, outcome = "training", evaluate(model, card, data, rows, batch_size=batch_size)
    pages = choose_pages(outcome, split, Inference(model, card, 1), card, data)
    return pictures | pages


def _html(
    folder: RunFolder,
    card: Card,
    data: Data,
    outcomes: Mapping[str, Outcome],
    pictures: Mapping[str, bytes],
    sections: Sequence[ReportSection],
) -> str:
    shown = {"validation", "test"} & set(outcomes)
    which = "training" if not shown else "validation" if "validation" in shown else "test"
    return _encodable(
        render_page(
            "report.html.j2",
            card=card,
            headline={split: _headline(outcome.metrics) for split, outcome in outcomes.items()},
            counts={split: len(data.indices(split)) for split in ("train", "validation", "test")},
            notes=list(getattr(data, "notes", ())),
            set_aside=list(data.set_aside),
            pictures=[
                {"title": _title(name, which), "data": embedded(pictures[name])} for name in TITLES if name in pictures
            ],
            class_tables=[_class_table(split, outcome.metrics) for split, outcome in outcomes.items()],
            worst=worst_files(outcomes, card, data),
            freeze=_freeze_summary(folder.freeze),
            sections=[_section(each, folder) for each in sections],
            recipe=folder.recipe_text() if folder.recipe.is_file() else "",
            environment=_environment_rows(_environment(folder)),
        )
    )


def _title(name: str, split: str) -> str:
    return TITLES[name] if name == "curves.png" else f"{TITLES[name]}: {split}"


def _headline(metrics: Metrics) -> Metrics:
    counts = ("count", "pixels")
    return {name: value for name, value in metrics.items() if isinstance(value, float) or name in counts}


def _class_table(split: str, metrics: Metrics) -> dict[str, Any]:
    if "per_class" in metrics:
        columns = ["precision", "recall", "f1", "support"]
        rows = [(name, [row[column] for column in columns]) for name, row in metrics["per_class"].items()]
    else:
        columns = ["IoU", "Dice"]
        rows = [(name, [iou, metrics["dice"][name]]) for name, iou in metrics["iou"].items()]
    return {"split": split, "columns": columns, "rows": rows}


def _freeze_summary(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    phases: dict[str, dict[str, Any]] = {}
    try:
        for row in read_run_table(path, MAX_SHORT_TABLE_BYTES):
            counts = {"phase": row["phase"], "stayed": 0, "moved": 0, "changed": 0, "idle": 0}
            summary = phases.setdefault(row["phase"], counts)
            should, changed = row["should_change"] == "yes", row["changed"] == "yes"
            summary[("changed" if changed else "idle") if should else ("moved" if changed else "stayed")] += 1
    except KeyError as error:
        raise RunError(f"{path}: not what a run wrote: no column {error}; the file is damaged") from error
    return list(phases.values())


def _section(section: ReportSection, folder: RunFolder) -> dict[str, Any]:
    data = ""
    if section.image is not None:
        path = folder.path / section.image
        if not path.resolve().is_relative_to(folder.path.resolve()) or not path.is_file():
            raise PluginError(
                f'report section "{section.title}": expected a PNG file below {folder.path}, received {section.image}'
            )
        content = read_run_file(path)
        if not content.startswith(PNG_START):
            raise PluginError(f'report section "{section.title}": {section.image} is not a PNG file')
        data = embedded(content)
    return {"title": section.title, "text": section.text, "data": data}


def _environment(folder: RunFolder) -> Mapping[str, Any]:
    found = folder.read_json(folder.environment) if folder.environment.is_file() else {}
    return found if isinstance(found, dict) else {}


def _environment_rows(environment: Mapping[str, Any]) -> dict[str, str]:
    rows: dict[str, str] = {}
    forms = {"plugins": "{plugin} ({distribution} {version})", "devices": "{type} {name}"}
    for name, value in environment.items():
        if name == "settings":
            continue
        if name == "packages" and isinstance(value, dict):
            value = ", ".join(f"{package} {version}" for package, version in value.items())
        elif name in forms and isinstance(value, list) and all(isinstance(each, dict) for each in value):
            value = ", ".join(forms[name].format_map(defaultdict(lambda: "–", each)) for each in value)
        elif isinstance(value, dict):
            value = ", ".join(f"{key}={each}" for key, each in value.items()) or "–"
        rows[name.replace("_", " ")] = str(value)
    return rows
