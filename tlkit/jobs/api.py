"""What ``tlkit.run``, ``tlkit.resume`` and ``tlkit.load`` do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tlkit.discovery import make_registry
from tlkit.errors import RecipeError, RunError
from tlkit.jobs.resume import check_changes
from tlkit.jobs.run import Job, RunResult
from tlkit.recipe import catalog
from tlkit.recipe.load import load_recipe, locate
from tlkit.registry import Registry
from tlkit.runs.folder import RunFolder, create_run_folder
from tlkit.runs.lock import locked
from tlkit.runs.plugins import load_run_recipe
from tlkit.system.tensorflow import start_tensorflow

if TYPE_CHECKING:
    from tlkit.evaluation.predictor import Predictor


def run(
    recipe: str | Path,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    *,
    registry: Registry | None = None,
    quiet: bool = False,
    deterministic: bool = False,
) -> RunResult:
    """Run a recipe: read the data, build the model, train its phases, evaluate, write the run folder.

    Args:
        recipe: a recipe's file, or the name of a shipped recipe.
        overrides: ``key=value`` as ``tlkit run --set`` takes them.
        out: the run folder; None for ``runs/<recipe>-<n>``.
        registry: the plugins; None for those that are installed.
        quiet: print nothing.
        deterministic: have TensorFlow use deterministic operations only, for this process from now on; slower.

    Raises:
        RecipeError: the recipe is not valid.
        DataError: the data or the weights can't be used.
        PluginError: a plugin broke its contract.
        RunError: the run folder can't be used, or the training failed.
        BusyError: another process works in the run folder.
        FullDiskError: there is no room for a file of the run folder.
        Interrupted: by SIGINT or SIGTERM, which are handled while it runs; a checkpoint was written.
    """
    registry = registry or make_registry()
    checked = load_recipe(catalog.resolve(Path(recipe)), registry, overrides)
    start_tensorflow(deterministic=deterministic)
    folder = create_run_folder(checked.name, None if out is None else Path(out))
    with locked(folder.path):
        return Job(checked, registry, folder).work(overrides, quiet=quiet)


def resume(
    run_folder: str | Path,
    overrides: Sequence[str] = (),
    *,
    registry: Registry | None = None,
    quiet: bool = False,
) -> RunResult:
    """Go on with a run that was stopped, from its last checkpoint, to the bits that it would have come to.

    Args:
        run_folder: of the run.
        overrides: ``key=value``; the number of epochs of the phase that is trained, or of the last, may change.
        registry: the plugins; None for those that are installed.
        quiet: print nothing.

    Raises:
        RecipeError: an override is not valid, or can't change in a run that has begun.
        RunError: it is no run folder, or what it was made with has changed.
        DataError, PluginError, BusyError, FullDiskError, Interrupted: as ``run``.
    """
    folder = RunFolder(Path(run_folder))
    if not folder.path.is_dir():
        raise RunError(f"{folder.path}: no such run folder; expected the folder that tlkit run printed")
    if not folder.recipe.is_file():
        raise RunError(f"{folder.path}: has no {folder.recipe.name}: nothing to go on with; use tlkit run")
    folder.refuse_links()
    registry = registry or make_registry()
    with locked(folder.path):
        then = load_run_recipe(folder, registry)
        now = load_run_recipe(folder, registry, overrides)
        try:
            check_changes(then, now)
        except RecipeError as error:
            raise RecipeError(locate(error.problems, folder.recipe, overrides)) from error
        environment = folder.read_json(folder.environment) if folder.environment.is_file() else {}
        start_tensorflow(deterministic=isinstance(environment, dict) and bool(environment.get("op_determinism")))
        return Job(now, registry, folder, then).work(overrides, quiet=quiet)


def load(run_folder: str | Path, *, trust: bool = False) -> Predictor:
    """A trained model from its run folder, ready for ``predict``.

    Args:
        run_folder: of the run, whoever made it: nothing in it is executed.
        trust: also load a model with layers of a plugin's own, which runs that plugin's code on what the file says.

    Raises:
        RunError: it is no finished run folder, or it is damaged.
    """
    start_tensorflow()
    from tlkit.evaluation.predictor import Predictor

    return Predictor.open(Path(run_folder), trust=trust)
