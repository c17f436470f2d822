"""The tables of ``tlkit compare``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tlkit.evaluation.paired import MetricDifference
    from tlkit.jobs.compare import Comparison
    from tlkit.report.compared_runs import ComparedRun

Column = tuple[str, list[str]]
"""A title, and one cell per row."""


def short_titles(titles: Sequence[str], length: int) -> list[str]:
    """Shorten titles in the middle to ``length`` characters, unless two of them would then be the same."""
    from tlkit.report.figures import shorten

    cut = [shorten(title, max(length, 12), middle=True) for title in titles]
    return cut if len(set(cut)) == len(cut) else list(titles)


def metric_columns(comparison: Comparison, titles: Sequence[str]) -> list[Column]:
    """Return the columns of the table of metrics, with one row per run; the best of a column has a star."""
    from tlkit.report.comparison import LOWER_IS_BETTER

    runs = comparison.runs
    seconds = [sum(run.history.seconds) if run.history.epochs else None for run in runs]
    columns = [
        ("run", list(titles)),
        ("backbone", [run.part("backbone") for run in runs]),
        ("head", [run.part("head") for run in runs]),
        ("weights", ["–" if run.weights is None else f"{run.weights:,}" for run in runs]),
        ("epochs", [str(len(run.history.epochs)) for run in runs]),
        ("best epoch", ["–" if run.best_epoch is None else str(run.best_epoch) for run in runs]),
        ("seconds", _marked(seconds, "min", _whole) if all(run.finished for run in runs) else _texts(seconds, _whole)),
        *_monitor_columns(runs),
    ]
    for split, name in comparison.final:
        values = comparison.final_values(split, name)
        columns.append((f"{split} {name}", _marked(values, "min" if name in LOWER_IS_BETTER else "max")))
    return columns


def _monitor_columns(runs: Sequence[ComparedRun]) -> list[Column]:
    """Return the best value of the monitor: marked if all runs have the same one, else each with its name."""
    monitors = {run.monitor for run in runs if run.monitor is not None}
    if len(monitors) == 1:
        monitor = next(iter(monitors))
        return [(f"best {monitor.name}", _marked([run.best_value for run in runs], monitor.mode))]
    texts = [
        "–" if run.monitor is None or run.best_value is None else f"{run.monitor.name} {run.best_value:.4f}"
        for run in runs
    ]
    return [("best monitored value", texts)]


def _marked(
    values: Sequence[float | None], mode: Literal["min", "max"], form: Callable[[float], str] = "{:.4f}".format
) -> list[str]:
    """Return the values as text, with a star at those that equal the best one as text, unless all do."""
    known = [value for value in values if value is not None]
    best = form((min if mode == "min" else max)(known)) if known else ""
    texts = _texts(values, form)
    several = len(set(texts) - {"–"}) > 1
    return [f"{text} *" if several and text == best else text for text in texts]


def _texts(values: Sequence[float | None], form: Callable[[float], str]) -> list[str]:
    return ["–" if value is None else form(value) for value in values]


def _whole(value: float) -> str:
    return f"{value:,.0f}" if value > 10 else f"{value:.1f}"


def paired_columns(comparison: Comparison) -> list[Column]:
    """Return the columns of the table of differences from the first run; none if there is none."""
    rows = [(pair, each) for pair in comparison.paired for each in pair.metrics]
    if not rows:
        return []
    runs = list(dict.fromkeys(pair.run for pair in comparison.paired))
    names = dict(zip(runs, short_titles(runs, 24), strict=True))
    first = short_titles([rows[0][0].first], 24)[0]
    columns: list[Column] = [
        ("run and metric", [f"{names[pair.run]}: {pair.split} {each.metric}" for pair, each in rows]),
        ("difference", [f"{each.difference:+.4f}" for _, each in rows]),
        ("95 % interval", [_interval(each) for _, each in rows]),
        (f"compared with {first}", [each.verdict for _, each in rows]),
        ("images", [f"{pair.images:,}" for pair, _ in rows]),
    ]
    if any(each.discordant for _, each in rows):
        columns.append((f"right: only {first}, only this", [_discordant(each) for _, each in rows]))
        columns.append(("McNemar p", [_p_value(each) for _, each in rows]))
    return columns


def _interval(difference: MetricDifference) -> str:
    if difference.interval is None:
        return "–"
    return "{:+.4f} to {:+.4f}".format(*difference.interval)


def _p_value(difference: MetricDifference) -> str:
    if difference.p_value is None:
        return "–"
    return "< 0.001" if difference.p_value < 0.001 else f"{difference.p_value:.3f}"


def _discordant(difference: MetricDifference) -> str:
    return "–" if difference.discordant is None else "{}, {}".format(*difference.discordant)


def difference_columns(comparison: Comparison, titles: Sequence[str]) -> list[Column]:
    """Return the columns of the table of recipe keys that differ, with one row per key."""
    rows = comparison.differences
    columns = [("what differs in the recipes", list(rows))]
    for title, values in zip(titles, zip(*rows.values(), strict=True), strict=True):
        columns.append((title, ["–" if value is None else value for value in values]))
    return columns


def tables(columns: Sequence[Column], width: int) -> Iterator[Any]:
    """Split columns into tables that are no wider than ``width``, with the first column in each of them."""
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    first, *rest = columns
    needed = [max(cell_len(text) for text in (title, *cells)) + 3 for title, cells in columns]
    while rest:
        room = width - needed[0] - 1
        count = max(1, sum(end <= room for end in accumulate(needed[-len(rest) :])))
        table = Table()
        for title, cells in (first, *rest[:count]):
            number = all(cell[:1] in "–+-0123456789" for cell in cells)
            table.add_column(title, justify="right" if number else "left", overflow="fold")
        for row in zip(first[1], *(cells for _, cells in rest[:count]), strict=True):
            table.add_row(*[Text(cell, "bold green") if cell.endswith(" *") else cell for cell in row])
        yield table
        rest = rest[count:]
