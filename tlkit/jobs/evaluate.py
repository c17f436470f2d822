"""``tlkit.evaluate``: measure a trained model on a split of its own data, or on other data."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.contracts import SetAside, Split
from tlkit.discovery import make_registry
from tlkit.errors import DataError, RunError
from tlkit.jobs.from_recipe import with_range_of
from tlkit.jobs.progress import Progress, StageProgress, no_progress
from tlkit.recipe.schema import Recipe
from tlkit.registry import Registry
from tlkit.runs.folder import RunFolder
from tlkit.runs.folds import run_with_data, split_to_measure
from tlkit.runs.plugins import load_run_recipe

if TYPE_CHECKING:
    import numpy as np

    from tlkit.data.run_data import Data


@dataclass(frozen=True)
class Evaluation:
    """The metrics of a trained model on one set of labelled images.

    Args:
        split: ``test``, ``validation`` or ``train``, a split of the run's own data; ``data`` for other data.
        count: the number of images that were measured.
        metrics: name → value, as in ``metrics.json``. ``loss`` is the recipe's, by default the mean
            cross-entropy in nats; where the recipe has another loss, that is ``cross_entropy``. Classification has
            ``accuracy``, ``macro_f1``, ``per_class`` (class → ``precision``, ``recall``, ``f1``, ``support``) and
            more; segmentation has ``pixel_accuracy``, ``mean_iou``, ``mean_dice``, ``iou`` and ``dice`` (class →
            value). All but the loss and the counts are in 0-1; a value that is not defined is None.
        set_aside: the files that could not be used, each with the reason.
    """

    split: str
    count: int
    metrics: Mapping[str, Any]
    set_aside: tuple[SetAside, ...] = ()


def evaluate(
    run: str | Path,
    *,
    data: str | Path | None = None,
    split: Split | None = None,
    batch_size: int | None = None,
    trust: bool = False,
    registry: Registry | None = None,
    progress: StageProgress = no_progress,
) -> Evaluation:
    """Measure the model of a finished run on a split of its own data, or on other labelled data.

    Nothing is written, except to the cache of decoded images.

    Args:
        run: the run folder.
        data: a folder or file of other data in the form of the run's own, all of which is used; classes are matched
            by name. None for the run's own data.
        split: the split of the run's own data; None for ``test``, or ``validation`` where there are no test images.
        batch_size: images per batch, at least 1; None for the run's own.
        trust: also load a model with layers from a plugin, which runs that plugin's code on data from the file.
        registry: the plugins; None for the installed ones.
        progress: called with the stage, and how many of how many images are done.

    Returns:
        the metrics, at the model's input size.

    Raises:
        RunError: this is not the folder of a finished run, or a file of it is missing or damaged.
        DataError: the data can't be used, has a class that the model was not trained on, or the split has no images.
        RecipeError: the run's recipe is not valid here, such as when a plugin is not installed.
        PluginError: the data set broke its contract.
    """
    from tlkit.jobs.predict import load

    if data is not None and split is not None:
        raise DataError(f'split "{split}" is a part of the run\'s own data; expected no split with other data')
    folder = RunFolder(Path(run))
    source = run_with_data(folder, card := folder.read_card())
    split = split_to_measure(card, split)
    if registry is None:
        registry = make_registry()
    predictor = load(folder.path, trust=trust)
    from tlkit.evaluation.evaluator import evaluate as measure

    new_data = None if data is None else Path(data)
    recipe = with_range_of(recipe_with_data(source, registry, new_data), predictor.card)
    with tempfile.TemporaryDirectory(prefix="tlkit-") as cache:
        opened = open_run_data(recipe, source, new_data, Path(cache), partial(progress, "reading images"))
        name, rows = choose_rows(opened, split, new_data)
        outcome = measure(
            predictor.model,
            predictor.card,
            opened,
            rows,
            batch_size=batch_size or recipe.input.batch_size,
            loss=recipe.train.loss,
            progress=partial(progress, "evaluating"),
        )
    return Evaluation(name, len(rows), outcome.metrics, opened.set_aside)


def recipe_with_data(folder: RunFolder, registry: Registry, new_data: Path | None) -> Recipe:
    """Return the recipe of a run, with other data in place of its own.

    Args:
        folder: the run folder.
        registry: the plugins.
        new_data: the folder or file to read instead; None to keep the run's own data.

    Raises:
        RunError: the run has no recipe.
        DataError: the recipe's data set does not read from a path that could be replaced, or ``new_data`` doesn't
            exist.
    """
    if not folder.recipe.is_file():
        raise RunError(f"{folder.recipe}: no such file; it says how the run's data is read")
    recipe = load_run_recipe(folder, registry)
    if new_data is None:
        return recipe
    if not new_data.exists():
        raise DataError(f"{new_data}: no such file or folder; expected data in the form of the run's own")
    options = recipe.data.record.options.model_fields
    if "path" in options:
        paths = {"path": new_data}
    elif {"images", "masks"} <= set(options):
        paths = {"images": new_data / "images", "masks": new_data / "masks"}
    else:
        raise DataError(f'--data: the data set "{recipe.data.record.name}" of this run is not read from a folder')
    overrides = [
        f"data.{key}={json.dumps(path.resolve().as_posix(), ensure_ascii=False)}" for key, path in paths.items()
    ]
    return load_run_recipe(folder, registry, overrides)


def open_run_data(recipe: Recipe, folder: RunFolder, new_data: Path | None, cache: Path, progress: Progress) -> Data:
    """Open a run's data with the splits of its ``samples.csv``, or other data without splits.

    Args:
        recipe: the recipe, as ``recipe_with_data`` returns it.
        folder: the run folder.
        new_data: what ``recipe_with_data`` was given.
        cache: an empty folder for the decoded images.
        progress: called with how many of how many images are read.

    Raises:
        RunError: ``samples.csv`` is missing.
        DataError: the data can't be used.
    """
    from tlkit.data.prepare import open_data
    from tlkit.data.settings import DataSettings

    if new_data is not None:
        update: dict[str, Any] = {"validation": 0.0, "test": 0.0, "samples": None, "group_pattern": None}
    elif folder.samples.is_file():
        update = {"samples": folder.samples}
    else:
        raise RunError(f"{folder.samples}: no such file; it says which images are in which split")
    table = recipe.input.model_copy(update=update)
    minimum_classes = 2 if new_data is None else 1
    settings = DataSettings(recipe.data, table, recipe.task, recipe.seed, minimum_classes=minimum_classes)
    return open_data(settings, cache, cache=recipe.train.cache != "off", progress=progress)


def choose_rows(data: Data, split: Split | None, new_data: Path | None) -> tuple[str, np.ndarray]:
    """Return the name of the split to measure, and its rows in the data.

    Returns:
        the name and int64 (N,); all rows, under the name ``data``, for other data.

    Raises:
        DataError: the split has no images.
    """
    import numpy as np

    if new_data is not None:
        return "data", np.arange(len(data.samples), dtype=np.int64)
    splits: tuple[Split, ...] = ("test", "validation") if split is None else (split,)
    for name in splits:
        rows = data.indices(name)
        if len(rows):
            return name, rows
    raise DataError(f"the run's data has no {' and no '.join(splits)} images; choose others with --split or --data")
