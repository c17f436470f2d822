"""``sweep.html`` and ``sweep.csv``: the trials of a sweep, from the best to the worst."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence

from tlkit.files import CellWriter
from tlkit.recipe.schema import Recipe
from tlkit.report import sweep_charts
from tlkit.report.html_page import render_page
from tlkit.report.sweep_charts import curves, scatters, value_text
from tlkit.runs.secrets import toml_without_secrets
from tlkit.runs.sweeps import Direction, SweepFolder, Trial

_STATES = {"finished": "finished", "pruned": "ended early", "failed": "failed", "running": "not finished"}


def sweep_table(trials: Sequence[Trial], folder: SweepFolder) -> str:
    """Return the trials as CSV: number, state, value, epochs, seconds, the run folder, the reason, and each key.

    Args:
        trials: the trials, the best first.
        folder: the folder of the sweep.
    """
    text = io.StringIO(newline="")
    writer = CellWriter(text)
    keys = list(dict.fromkeys(key for each in trials for key in each.values))
    writer.writerow(["trial", "state", "value", "epochs", "seconds", "run", "reason", *keys])
    for each in trials:
        shown = [
            value if isinstance(value, str) else json.dumps(value, default=str)
            for value in (each.values.get(key, "") for key in keys)
        ]
        value = "" if each.value is None else repr(each.value)
        run = folder.trial(each.number).path.name
        writer.writerow(
            [each.number, each.state, value, len(each.epochs), f"{each.seconds:.1f}", run, each.reason, *shown]
        )
    return text.getvalue()


def sweep_page(
    folder: SweepFolder,
    recipe: Recipe,
    compared: tuple[str, Direction],
    trials: Sequence[Trial],
    shares: Mapping[str, float],
) -> str:
    """Return the HTML of the page that compares trials.

    Args:
        folder: the folder of the sweep.
        recipe: the recipe with its table ``[sweep]``.
        compared: the column by which trials are compared, and whether less or more of it is better.
        trials: the trials, the best first.
        shares: key → the share of the metric's variance that it explains, where it is known.
    """
    assert recipe.sweep is not None
    metric, direction = compared
    shares = shares if len(recipe.sweep.space) > 1 else {}  # a single key explains all
    smaller = direction == "minimize"
    best = trials[0] if trials and trials[0].state == "finished" else None
    rows = [
        {
            "trial": each,
            "run": folder.trial(each.number).path.name,
            "has_report": folder.trial(each.number).report.is_file(),
            "state": _STATES[each.state],
            "values": [value_text(each.values[key]) if key in each.values else "" for key in recipe.sweep.space],
        }
        for each in trials
    ]
    counts = {text: sum(each.state == state for each in trials) for state, text in _STATES.items()}
    return render_page(
        "sweep.html.j2",
        name=recipe.name,
        folder=folder.path.as_posix(),
        metric=metric,
        better="smaller" if smaller else "larger",
        table=recipe.sweep.table,
        space=list(recipe.sweep.space),
        best=None if best is None else best.value,
        best_run=None if best is None else folder.trial(best.number).path.name,
        best_values={} if best is None else {key: value_text(value) for key, value in best.values.items()},
        counts={text: count for text, count in counts.items() if count},
        rows=rows,
        seconds=sum(each.seconds for each in trials),
        charts=scatters(recipe.sweep.space, trials, shares, smaller=smaller),
        shares=shares,
        curves=curves(trials, smaller=smaller),
        size=sweep_charts,
        recipe=toml_without_secrets(folder.recipe.read_text(encoding="utf-8", errors="replace")),
    )
