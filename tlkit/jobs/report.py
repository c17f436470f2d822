"""What ``tlkit report`` does: write the report of a finished run again."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tlkit.jobs.measured_data import own_data
from tlkit.jobs.predict import load
from tlkit.jobs.progress import StageProgress, no_progress
from tlkit.recipe.monitor import choose_monitor
from tlkit.registry import Registry
from tlkit.runs.checksums import WRITTEN_AGAIN, add_checksums, remove_checksums
from tlkit.runs.disk_errors import explain_disk_errors
from tlkit.runs.folder import RunFolder
from tlkit.runs.folds import FoldsFolder
from tlkit.runs.history import read_history
from tlkit.runs.lock import locked
from tlkit.system.disk import temporary_folder
from tlkit.system.memory import explained_memory

if TYPE_CHECKING:
    from tlkit.recipe.data_part import DataPart


@explained_memory("use a machine with more memory")
def rewrite_report(
    run: Path, *, registry: Registry, trust: bool = False, progress: StageProgress = no_progress
) -> RunFolder:
    """Write the metrics, pictures, predictions and report of a finished run again, from its model and its own data.

    Those of a cross-validation are put together again from the results of its folds.

    Args:
        run: the folder of a run or of a cross-validation.
        registry: the plugins.
        trust: also load a model with layers from a plugin.
        progress: called with the stage, and how many of how many images are done.

    Raises:
        RunError: this is not the folder of a finished run, or a file of it is missing or damaged.
        DataError: the run's data can't be used.
        BusyError, FullDiskError, PluginError, RecipeError: as for ``run``.
    """
    folder = RunFolder(run)
    if FoldsFolder(run).count:
        from tlkit.jobs.folds.results import write_results as write_results_of_folds

        folder.refuse_links()
        with locked(folder.path), explain_disk_errors(folder.path):
            write_results_of_folds(run)
        return folder
    folder.read_card()
    folder.refuse_links()
    with (
        locked(folder.path),
        explain_disk_errors(folder.path),
        temporary_folder() as cache,
    ):
        listed = own_data(folder, registry)
        predictor = load(run, trust=trust, registry=registry)
        from tlkit.report.write_results import plugin_sections, write_results

        remove_checksums(run, WRITTEN_AGAIN)
        write_results(
            folder,
            predictor,
            listed.decode(cache, partial(progress, "reading images")),
            recipe=listed.part,
            sections=plugin_sections(registry, folder),
            progress=partial(progress, "evaluating"),
            best=_best(folder, listed.part),
        )
        add_checksums(run, WRITTEN_AGAIN)
    return folder


def _best(folder: RunFolder, recipe: DataPart) -> tuple[int, str]:
    """Return the epoch whose weights the model has, from 1, and the column that chose it; 0 and none if unknown."""
    from tlkit.report.compared_runs import best_epoch

    history = read_history(folder.history)
    if not history.epochs:
        return 0, ""
    monitor = choose_monitor(recipe.train, recipe.task, list(history.columns))
    return best_epoch(history, monitor, restore_best=recipe.train.restore_best), monitor.name
