"""The learning-rate range test of a recipe (Smith 2017, arXiv:1506.01186)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlkit.errors import RecipeError
from tlkit.jobs import parts
from tlkit.jobs.range_arithmetic import diverged, geometric_rates, smooth, suggest
from tlkit.recipe.schema import Recipe
from tlkit.runs.folder import RunFolder
from tlkit.system.progress import Reporter
from tlkit.system.text import nearest


@dataclass(frozen=True)
class RangeTest:
    """What was seen.

    Args:
        phase: that was tried.
        own: its learning rate in the recipe.
        rates: float64 (steps,), rising.
        losses: float64 (steps,), of the batch at each rate.
        smoothed: the same, averaged.
        suggestion: a learning rate, or None where the loss never falls.
    """

    phase: str
    own: float
    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestion: float | None


def range_test(
    recipe: Recipe, folder: Path, reporter: Reporter, *, phase: str | None, low: float, high: float, steps: int
) -> RangeTest:
    """Train a step at each of ``steps`` rates between ``low`` and ``high``, until the loss explodes.

    As many images are decoded as the steps need at the most.

    Args:
        recipe: which is tried.
        folder: an empty folder for the decoded images.
        reporter: where progress is shown.
        phase: name of the phase; None for the first.
        low: the first rate.
        high: the last rate.
        steps: how many.

    Raises:
        RecipeError: the schedule has no such phase, or as for a run.
        DataError: as for a run.
        PluginError: as for a run.
    """
    reporter.begin("reading images", 1)
    data = parts.open_few(
        recipe,
        steps * recipe.input.batch_size,
        folder,
        lambda done, total: reporter.at(done, total, "reading images"),
    )
    reporter.end()
    normalization = parts.normalization(recipe, data)
    network = parts.build_network(recipe, data.classes, data.label_kind, normalization)
    phases = parts.plan_phases(recipe, network)
    tried = phases[0] if phase is None else next((each for each in phases if each.name == phase), None)
    if tried is None:
        names = [each.name for each in phases]
        near = nearest(str(phase), names)
        hint = f'; did you mean "{near}"?' if near else f"; there are {', '.join(names)}"
        raise RecipeError(f'--phase: the schedule "{recipe.schedule.record.name}" has no phase "{phase}"{hint}')
    training = parts.make_training(recipe, data, network, RunFolder(folder), reporter)
    rates = geometric_rates(low, high, steps)
    losses: list[float] = []
    reporter.begin("trying learning rates", steps)
    for loss in training.try_rates(tried, rates.tolist()):
        losses.append(loss)
        reporter.at(len(losses), steps, "trying learning rates")
        if not np.isfinite(loss) or diverged(smooth(np.array(losses))):
            break
    reporter.end()
    seen = np.array(losses[:-1] if not np.isfinite(losses[-1]) else losses)
    smoothed = smooth(seen)
    return RangeTest(
        tried.name, tried.learning_rate, rates[: len(seen)], seen, smoothed, suggest(rates[: len(seen)], smoothed)
    )
