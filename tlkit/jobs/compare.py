"""``tlkit.compare``: runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tlkit.system.memory import explained_memory

if TYPE_CHECKING:
    from tlkit.report.compared_runs import ComparedRun
    from tlkit.report.figures import ImageKind
    from tlkit.report.learning_curves import Axis
    from tlkit.report.paired_runs import PairedRuns


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Args:
        runs: the runs in the order given, each once: label, recipe, history, best epoch and final metrics.
        metrics: the metrics that the learning curves show, the loss first.
        final: (split, metric) of the final metrics that all finished runs have, the test split first.
        differences: recipe key, such as ``head.dropout`` → each run's value as JSON, None where it has none; only
            keys whose values differ.
        paired: how each finished run after the first differs from it on the same test, or else validation, images, with
            95 % intervals.
    """

    runs: tuple[ComparedRun, ...]
    metrics: tuple[str, ...]
    final: tuple[tuple[str, str], ...]
    differences: Mapping[str, tuple[str | None, ...]]
    paired: tuple[PairedRuns, ...] = ()

    def final_values(self, split: str, metric: str) -> list[float | None]:
        """Return each run's final metric on a split; None for a run that is not finished."""
        return [None if run.metrics is None else run.metrics[split][metric] for run in self.runs]

    def curves(self, axis: Axis = "epochs", kind: ImageKind = "png") -> bytes:
        """Draw the learning curves of all runs in one picture, over epochs or over seconds of training."""
        from tlkit.report.learning_curves import Curve, compared_curves

        curves = [Curve(run.title, run.history, run.best_epoch) for run in self.runs if run.history.epochs]
        return compared_curves(curves, list(self.metrics), axis, kind)

    def histories(self) -> str:
        """Return the histories of all runs as one CSV table, with one row per run and epoch."""
        from tlkit.report.comparison import joined_histories

        return joined_histories(self.runs)


@explained_memory("compare fewer runs at a time, or use a machine with more memory")
def compare(runs: Sequence[str | Path], *, metrics: Sequence[str] = ()) -> Comparison:
    """Compare run folders: their final metrics, what differs in their recipes, their learning curves.

    Each finished run is also compared with the first one on the images that both were measured on: the difference of
    each metric with its 95 % interval (``Comparison.paired``). No model is loaded. A run that is not finished is
    compared by the epochs that it has. A cross-validation counts as one run, with the means of its folds; alone, it is
    followed by its folds.

    Args:
        runs: the folders of runs and cross-validations, at least one; one that is named twice is read once.
        metrics: columns of ``metrics.csv`` to draw beside the loss; none for ``mean_iou``, or else ``accuracy``.

    Raises:
        RunError: a folder is not a run folder, a file in it is damaged, no run has finished an epoch, or the runs have
            no metric in common.
        DataError: no run has a metric of ``metrics``.
    """
    from tlkit.report.compared_folds import open_compared
    from tlkit.report.comparison import chosen_metrics, differences, shared_headlines
    from tlkit.report.paired_runs import paired_runs

    opened = tuple(open_compared([Path(run) for run in runs]))
    return Comparison(
        opened,
        tuple(chosen_metrics(opened, metrics)),
        tuple(shared_headlines(opened)),
        {key: tuple(values) for key, values in differences(opened).items()},
        paired_runs(opened),
    )
