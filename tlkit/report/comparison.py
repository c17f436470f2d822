"""The comparison of runs: the metrics they share, the differences of their recipes, their histories as one table."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tlkit.errors import DataError, RunError
from tlkit.files import CellWriter
from tlkit.report.compared_runs import ComparedRun, loss_setting
from tlkit.system.disk import check_new_files
from tlkit.system.text import did_you_mean

HEADLINES = ("loss", "cross_entropy", "accuracy", "mean_iou", "macro_f1")
"""Metrics of ``metrics.json`` to compare."""
LOWER_IS_BETTER = ("loss", "cross_entropy")
"""Those of them of which less is better."""
IMAGE_KINDS = (".png", ".svg", ".pdf")


def chosen_metrics(runs: Sequence[ComparedRun], requested: Sequence[str] = ()) -> list[str]:
    """Choose the metrics to draw: the loss and the requested ones, by default the main metric that all runs have.

    Args:
        runs: at least one.
        requested: names of columns of ``metrics.csv``, with or without ``val_``.

    Returns:
        names without ``val_``.

    Raises:
        RunError: no run has finished an epoch, or the runs have no metric in common.
        DataError: no run has a requested metric.
    """
    histories = [run.history for run in runs if run.history.epochs]
    if not histories:
        raise RunError(
            f"{', '.join(run.label for run in runs)}: no epoch has finished yet; there is nothing to compare"
        )
    known = list(dict.fromkeys(name for history in histories for name in history.metrics))
    common = [name for name in histories[0].metrics if all(name in history.metrics for history in histories)]
    names = list(dict.fromkeys(name.removeprefix("val_") for name in requested))
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known, otherwise=".")
            raise DataError(f'--metric: no run has a metric "{name}"{hint} The metrics are {", ".join(known)}')
    if not names:
        if not common:
            own = "; ".join(f"{run.label} has {', '.join(run.history.metrics)}" for run in runs if run.history.epochs)
            raise RunError(f"the runs have no metric in common: {own}")
        main = [name for name in ("mean_iou", "accuracy", *common) if name in common and name != "loss"]
        names = main[:1]
    return [name for name in ("loss",) if name in common and name not in names] + names


def shared_headlines(runs: Sequence[ComparedRun]) -> list[tuple[str, str]]:
    """Return (split, metric) of the final metrics that all finished runs have, the test split first.

    The loss is among them if all runs have the same, and the cross-entropy if any of them has another loss.
    """
    finished = [run.metrics for run in runs if run.metrics is not None]
    losses = {json.dumps(loss_setting(run.settings), default=str) for run in runs if run.metrics is not None}
    left_out = {"loss" if len(losses) > 1 else "", "cross_entropy" if losses == {"null"} else ""}
    return [
        (split, name)
        for split in ("test", "validation")
        for name in HEADLINES
        if name not in left_out
        if finished and all(name in metrics.get(split, {}) for metrics in finished)
    ]


def differences(runs: Sequence[ComparedRun]) -> dict[str, list[str | None]]:
    """Return the settings that differ: dotted key of the recipe → each run's value as JSON, None if it has none."""
    flat = [_flat(run.settings) for run in runs]
    keys = dict.fromkeys(key for each in flat for key in each)
    rows = {key: [each.get(key) for each in flat] for key in keys}
    return {key: values for key, values in rows.items() if len(set(values)) > 1}


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, each in value.items():
        if isinstance(each, Mapping) and each:
            flat |= _flat(each, f"{prefix}{key}.")
        elif each is not None:
            flat[f"{prefix}{key}"] = json.dumps(each, ensure_ascii=False, default=str)
    return flat


def joined_histories(runs: Sequence[ComparedRun]) -> str:
    """Return all histories as one CSV table: run, phase, epoch, metrics, learning rate and seconds; one row per epoch.

    Metrics that a run does not have are empty in its rows.
    """
    names = list(dict.fromkeys(name for run in runs for name in run.history.columns))
    text = io.StringIO(newline="")
    writer = CellWriter(text)
    writer.writerow(["run", "phase", "epoch", *names, "learning_rate", "seconds"])
    for run in runs:
        history = run.history
        for i, epoch in enumerate(history.epochs):
            values = [repr(history.columns[name][i]) if name in history.columns else "" for name in names]
            rest = [repr(history.learning_rates[i]), repr(history.seconds[i])]
            writer.writerow([run.label, history.phases[i], epoch, *values, *rest])
    return text.getvalue()


def check_targets(out: Path, table: Path | None, *, overwrite: bool, kept: bool = False) -> None:
    """Check that the picture and the table can be written.

    Args:
        out: the picture.
        table: the table; None for no table.
        overwrite: replace files that exist.
        kept: the picture exists and is not drawn again.

    Raises:
        DataError: a file can't be written, or exists already.
    """
    if out.suffix.lower() not in IMAGE_KINDS:
        raise DataError(f"--out {out}: expected a file that ends in {', '.join(IMAGE_KINDS)}")
    check_new_files([each for each in (None if kept else out, table) if each is not None], overwrite=overwrite)
