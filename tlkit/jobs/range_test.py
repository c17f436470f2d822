"""What ``tlkit lr`` does: the learning-rate range test of a recipe (Smith 2017, arXiv:1506.01186)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tlkit.contracts import Phase
from tlkit.errors import RecipeError
from tlkit.jobs import from_recipe
from tlkit.jobs.rate_curve import diverged, geometric_rates, smooth, suggest
from tlkit.recipe.schema import Recipe
from tlkit.runs.folder import RunFolder
from tlkit.system.disk import temporary_folder
from tlkit.system.memory import SMALLER, explained_memory
from tlkit.system.progress import Reporter
from tlkit.system.tensorflow import start_tensorflow
from tlkit.system.text import did_you_mean


@dataclass(frozen=True)
class RangeTest:
    """The result of a range test.

    Args:
        phase: the name of the phase that was tried.
        own: the learning rate of that phase in the recipe.
        rates: float64 (steps,), rising.
        losses: float64 (steps,), the loss of the batch at each rate.
        smoothed: float64 (steps,), the losses smoothed.
        suggestion: the suggested learning rate; None if the loss never falls.
    """

    phase: str
    own: float
    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestion: float | None


@explained_memory(SMALLER)
def range_test(
    recipe: Recipe, reporter: Reporter, *, phase: str | None, low: float, high: float, steps: int
) -> RangeTest:
    """Train one step at each of ``steps`` rates from ``low`` to ``high``, until the loss explodes.

    No more images are decoded than the steps need, and no run folder is written.

    Args:
        recipe: the recipe to try.
        reporter: the console.
        phase: the name of the phase to try; None for the first.
        low: the first rate, greater than 0.
        high: the last rate, greater than ``low``.
        steps: the number of rates, at least 2.

    Raises:
        RecipeError: the schedule has no such phase, or as for a run.
        DataError, PluginError: as for a run.
    """
    from_recipe.refuse_missing_files(recipe)
    with reporter.stage("starting TensorFlow"):
        start_tensorflow()
    with temporary_folder() as folder:
        with reporter.stage("decoding images") as show:
            data = from_recipe.open_few(recipe, steps * recipe.input.batch_size, folder, show)
        normalization = from_recipe.normalization(recipe, data)
        with reporter.stage("building the model"):
            network = from_recipe.build_network(recipe, data.classes, data.label_kind, normalization)
        tried = _find_phase(from_recipe.plan_phases(recipe, network), phase, recipe)
        training = from_recipe.make_training(recipe, data, network, RunFolder(folder), reporter)
        rates = geometric_rates(low, high, steps)
        losses: list[float] = []
        with reporter.stage("trying learning rates", steps, "rates") as show:
            for loss in training.try_rates(tried, rates.tolist()):
                losses.append(loss)
                show(len(losses), steps)
                if not np.isfinite(loss) or diverged(smooth(np.array(losses))):
                    break
    finite = np.array(losses if np.isfinite(losses[-1]) else losses[:-1])
    rates, smoothed = rates[: len(finite)], smooth(finite)
    return RangeTest(tried.name, tried.learning_rate, rates, finite, smoothed, suggest(rates, smoothed))


def _find_phase(phases: Sequence[Phase], name: str | None, recipe: Recipe) -> Phase:
    if name is None:
        return phases[0]
    names = [each.name for each in phases]
    if name not in names:
        hint = did_you_mean(name, names, f"; there are {', '.join(names)}")
        raise RecipeError(f'--phase: the schedule "{recipe.schedule.record.name}" has no phase "{name}"{hint}')
    return phases[names.index(name)]
