"""``report.html``: everything about a run on one page, with its pictures embedded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.contracts import ReportSection, Split
from tlkit.errors import PluginError, RunError
from tlkit.evaluation.measured_calibration import Calibration
from tlkit.evaluation.metrics import Metrics
from tlkit.evaluation.outcome import Outcome
from tlkit.report.advice import advice
from tlkit.report.calibration_chart import calibration_chart
from tlkit.report.data_part import data_part
from tlkit.report.environment_table import environment_rows, read_environment
from tlkit.report.exports_part import COLUMNS as EXPORT_COLUMNS
from tlkit.report.exports_part import export_rows
from tlkit.report.gallery import Gallery, Table
from tlkit.report.html_page import embedded, render_page
from tlkit.report.run_summary import run_summary
from tlkit.report.seen import Seen
from tlkit.report.task_pages import TaskPages, losses_name
from tlkit.report.training_part import training_part
from tlkit.report.workers_part import COLUMNS as WORKER_COLUMNS
from tlkit.report.workers_part import workers_part
from tlkit.runs.folder import RunFolder
from tlkit.runs.history import read_history
from tlkit.runs.profile import intact_profile, profile_rows
from tlkit.runs.reading import MAX_SHORT_TABLE_BYTES, read_run_file, read_run_table
from tlkit.runs.secrets import toml_without_secrets

if TYPE_CHECKING:
    from tlkit.data.run_data import Data

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class RunResults:
    """What was measured and drawn at the end of a run.

    Args:
        outcomes: split → the result of its evaluation, for the splits that have samples.
        pictures: file name → the content of a PNG file.
        sections: the sections that plugins add.
        notes: split → what the user should know about its metrics.
        calibration: split → how well the probabilities of a classification are calibrated.
        explained: where the model looked, as pictures under a heading each.
        unknown: what the model does with images unlike those it knows, and how many labels it can't tell apart.
        best_epoch: the epoch whose weights the model has, from 1 over all phases; 0 if unknown.
    """

    outcomes: Mapping[str, Outcome]
    pictures: Mapping[str, bytes]
    sections: Sequence[ReportSection]
    notes: Mapping[str, Sequence[str]]
    calibration: Mapping[str, Calibration]
    explained: Sequence[Gallery] = ()
    unknown: Sequence[Table | Gallery] = ()
    best_epoch: int = 0


def report_page(folder: RunFolder, pages: TaskPages[Any], results: RunResults) -> str:
    """Return the HTML of a run's report.

    Args:
        folder: the run folder, whose recipe, environment and freeze table are shown if they exist.
        pages: the task's parts of the report.
        results: what was measured and drawn.

    Raises:
        PluginError: a plugin's section has a picture that is not a PNG file in the run folder.
        RunError: a file of the run folder is damaged.
    """
    data, outcomes, pictures = pages.data, results.outcomes, results.pictures
    profile, damage = intact_profile(folder.profile)
    counts = _class_counts(data)
    environment = read_environment(folder)
    seen = _seen(folder, pages, results, counts, environment.get("settings", {}))
    return render_page(
        "report.html.j2",
        card=pages.card,
        headline={split: _headline(outcome.metrics) for split, outcome in outcomes.items()},
        summary=run_summary(seen),
        advice=advice(seen),
        counts=seen.images,
        data_part=data_part(data, counts, outcomes),
        training=training_part(seen.history),
        notes=[*getattr(data, "notes", ()), *([damage] if damage else [])],
        set_aside=list(data.set_aside),
        curves=_pictures({"curves.png": "Learning curves"}, pictures),
        pictures={split: _split_pictures(pages, split, list(outcomes), pictures) for split in outcomes or ["training"]},
        task_template=pages.template,
        parts={split: pages.part(outcome, split) for split, outcome in outcomes.items()},
        explained=results.explained,
        unknown=results.unknown,
        calibration={split: calibration_chart(each) for split, each in results.calibration.items()},
        split_notes=results.notes,
        class_tables={split: pages.class_table(outcome.metrics) for split, outcome in outcomes.items()},
        text_columns=pages.text_columns,
        number_columns=pages.number_columns,
        highest_losses=pages.highest_losses(outcomes),
        losses_name=losses_name(outcomes),
        exports=export_rows(folder),
        columns=EXPORT_COLUMNS,
        freeze=_freeze_summary(folder.freeze),
        profile=[profile_rows(each) for each in profile],
        workers=workers_part(folder),
        worker_columns=WORKER_COLUMNS,
        sections=[_section(each, folder) for each in results.sections],
        recipe=toml_without_secrets(folder.recipe_text()) if folder.recipe.is_file() else "",
        environment=environment_rows(environment),
    )


def _class_counts(data: Data) -> dict[str, np.ndarray]:
    """Return split → the number of images of each class, float64 (classes,); empty for a segmentation."""
    if data.labels is None:
        return {}
    return {split: data.class_counts(split) for split in SPLITS if len(data.indices(split))}


def _seen(
    folder: RunFolder,
    pages: TaskPages[Any],
    results: RunResults,
    counts: Mapping[str, np.ndarray],
    settings: Mapping[str, Any],
) -> Seen:
    trained = (
        dict(zip(pages.data.classes, counts["train"].astype(int).tolist(), strict=True)) if "train" in counts else {}
    )
    return Seen(
        card=pages.card,
        outcomes=results.outcomes,
        images={split: len(pages.data.indices(split)) for split in SPLITS},
        trained=trained,
        set_aside=len(pages.data.set_aside),
        history=read_history(folder.history) if folder.history.is_file() else None,
        best_epoch=results.best_epoch,
        calibration=results.calibration,
        notes=results.notes.get("test" if "test" in results.outcomes else "validation", ()),
        settings=settings,
    )


def picture_name(name: str, split: str, splits: Iterable[str]) -> str:
    """Return the file name of a split's picture: that of the first split as it is, that of another with its split."""
    return name if split == next(iter(splits)) else f"{split}-{name}"


def _split_pictures(
    pages: TaskPages[Any], split: str, splits: Sequence[str], pictures: Mapping[str, bytes]
) -> list[dict[str, str]]:
    """Return the pictures of a split that the page shows, in its order."""
    titles = {
        "confusion.png": pages.confusion_title,
        "samples.png": "Sample predictions",
        "worst.png": "Worst predictions",
    }
    named = {
        picture_name(name, split, splits or [split]): f"{title}: {split}"
        for name, title in titles.items()
        if name in pages.page_pictures
    }
    return _pictures(named, pictures)


def _pictures(titles: Mapping[str, str], pictures: Mapping[str, bytes]) -> list[dict[str, str]]:
    """Return those pictures that there are, given file name → title."""
    return [
        {"id": name.removesuffix(".png"), "title": title, "data": embedded(pictures[name])}
        for name, title in titles.items()
        if name in pictures
    ]


@dataclass(frozen=True)
class _Figure:
    """A metric of a split, as the page shows it.

    Args:
        value: its value.
        interval: its 95 % interval as text; empty if it has none.
        commonest: what predicting the commonest class gives; None if that is not known.
    """

    value: float | int
    interval: str
    commonest: float | None


def _headline(metrics: Metrics) -> dict[str, _Figure]:
    intervals, commonest = metrics.get("intervals", {}), metrics.get("commonest", {})
    return {
        name: _Figure(value, _interval_text(intervals.get(name)), commonest.get(name))
        for name, value in metrics.items()
        if isinstance(value, float) or name in ("count", "pixels")
    }


def _interval_text(bounds: Sequence[float] | None) -> str:
    return "" if bounds is None else f"{bounds[0]:.3f} to {bounds[1]:.3f}"


def _freeze_summary(path: Path) -> list[dict[str, Any]]:
    """Count the variables of each phase by whether they were frozen and whether they changed."""
    if not path.is_file():
        return []
    phases: dict[str, dict[str, Any]] = {}
    names = {
        ("no", "no"): "frozen_unchanged",
        ("no", "yes"): "frozen_changed",
        ("yes", "yes"): "trainable_changed",
        ("yes", "no"): "trainable_unchanged",
    }
    try:
        for row in read_run_table(path, MAX_SHORT_TABLE_BYTES):
            summary = phases.setdefault(row["phase"], {"phase": row["phase"], **dict.fromkeys(names.values(), 0)})
            should, changed = ("yes" if row[name] == "yes" else "no" for name in ("should_change", "changed"))
            summary[names[should, changed]] += 1
    except KeyError as error:
        raise RunError(f"{path}: not a freeze table: it has no column {error}; the file is damaged") from error
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
        if not content.startswith(_PNG_SIGNATURE):
            raise PluginError(f'report section "{section.title}": {section.image} is not a PNG file')
        data = embedded(content)
    return {"title": section.title, "text": section.text, "data": data}
