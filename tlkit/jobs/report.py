"""What ``tlkit report`` does: write the report of a finished run again."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tlkit.errors import DataError, RunError
from tlkit.jobs.measured_data import own_data
from tlkit.jobs.predict import load_with_keras
from tlkit.jobs.progress import StageProgress, no_progress
from tlkit.jobs.run_images import changed_images
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
from tlkit.system.text import listed

if TYPE_CHECKING:
    from tlkit.data.run_data import Data
    from tlkit.recipe.data_part import DataPart


@explained_memory("use a machine with more memory")
def rewrite_report(
    run: Path,
    *,
    registry: Registry,
    trust: bool = False,
    full: bool = False,
    progress: StageProgress = no_progress,
) -> RunFolder:
    """Write the metrics, pictures, predictions and report of a finished run again, from its model and its own data.

    Those of a cross-validation are put together again from the results of its folds.

    Args:
        run: the folder of a run or of a cross-validation.
        registry: the plugins.
        trust: also load a model with layers from a plugin.
        full: also show where the model looked and what it doesn't know, and write what ``predict --unknown`` and
            ``--sets`` take. A cross-validation has no such parts.
        progress: called with the stage, and how many of how many images are done.

    Raises:
        RunError: this is not the folder of a finished run, a file of it is missing or damaged, or the data has changed.
        DataError: the run's data can't be used.
        BusyError, FullDiskError, PluginError, RecipeError: as for ``run``.
    """
    folder = RunFolder(run)
    if FoldsFolder(run).count:
        if full:
            raise DataError(f"--full: is for the report of a single run; expected a fold, such as {run / 'fold-1'}")
        return _rewrite_folds(folder)
    folder.read_card()
    folder.refuse_links()
    with (
        locked(folder.path),
        explain_disk_errors(folder.path),
        temporary_folder() as cache,
    ):
        own = own_data(folder, registry)
        predictor = load_with_keras(run, trust=trust, registry=registry)
        from tlkit.jobs.full_report import FullReport
        from tlkit.report.write_results import Additions, plugin_sections, write_results

        data = own.decode(cache, partial(progress, "reading images"))
        _refuse_other_images(folder, data)
        remove_checksums(run, WRITTEN_AGAIN)
        write_results(
            folder,
            predictor.card,
            data,
            predictor.logits_of(data, own.part.input.batch_size),
            recipe=own.part,
            added=Additions(
                plugin_sections(registry, folder),
                _best(folder, own.part),
                FullReport(folder, predictor.card, data, predictor.model, progress) if full else None,
            ),
            progress=progress,
        )
        add_checksums(run, WRITTEN_AGAIN)
    return folder


def _rewrite_folds(folder: RunFolder) -> RunFolder:
    from tlkit.jobs.folds.results import write_results as write_results_of_folds

    folder.refuse_links()
    with locked(folder.path), explain_disk_errors(folder.path):
        write_results_of_folds(folder.path)
    return folder


def _refuse_other_images(folder: RunFolder, data: Data) -> None:
    """Check that all images are those of the run, before any is put into its report.

    The recipe and the ``samples.csv`` may be someone else's, and name images of this user that must not get there.

    Raises:
        RunError: there are others.
    """
    used = (row for row, split in enumerate(data.splits) if split != "left out")
    changed = changed_images(folder, data, used)
    if changed:
        raise RunError(
            f"{folder.samples}: the data has changed since the run: {listed(changed, 5)}. Restore it; tlkit evaluate "
            "measures the model on the files as they are"
        )


def _best(folder: RunFolder, recipe: DataPart) -> tuple[int, str]:
    """Return the epoch whose weights the model has, from 1, and the column that chose it; 0 and none if unknown."""
    from tlkit.report.compared_runs import best_epoch

    history = read_history(folder.history)
    if not history.epochs:
        return 0, ""
    monitor = choose_monitor(recipe.train, recipe.task, list(history.columns))
    return best_epoch(history, monitor, restore_best=recipe.train.restore_best), monitor.name
