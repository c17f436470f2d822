"""Some images of a recipe's data, for a quick look at what can be learnt from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from tlkit.contracts import Sample
from tlkit.jobs import from_recipe
from tlkit.jobs.progress import Progress
from tlkit.recipe.schema import Recipe

if TYPE_CHECKING:
    from tlkit.data.run_data import Data


def open_sampled(recipe: Recipe, count: int, folder: Path, progress: Progress) -> tuple[Data, int]:
    """Decode training images of a recipe, taking the classes in turn; those that can't be decoded are set aside.

    Images that the data set prescribes as validation or test images are left out. Their groups stay.

    Args:
        recipe: the recipe.
        count: the largest number of images.
        folder: where to write the decoded images; it must exist.
        progress: called with how many of how many images are decoded.

    Returns:
        the images, all in the training split, and how many there were to choose from.

    Raises:
        DataError: the data can't be used.
        PluginError: the data set broke its contract.
    """
    from tlkit.data.prepare import open_data

    settings = from_recipe.data_settings(recipe)
    table = settings.input.model_copy(update={"validation": 0.0, "test": 0.0, "samples": None})
    settings = replace(settings, input=table, check=None)
    sample_set = from_recipe.open_samples(recipe)
    training = [each for each in sample_set.samples if each.split in (None, "train")]
    chosen = replace(sample_set, samples=_in_turn(training, count, recipe.seed))
    cached = recipe.train.cache != "off"
    return open_data(settings, folder, cache=cached, progress=progress, sample_set=chosen), len(training)


def _in_turn(samples: Sequence[Sample], count: int, seed: int) -> tuple[Sample, ...]:
    """Draw samples from all classes in turn, and return them in the order of the data set."""
    import numpy as np

    if len(samples) <= count:
        return tuple(samples)
    random = np.random.default_rng(seed)
    by_label: dict[object, list[int]] = {}
    for place in random.permutation(len(samples)).tolist():
        by_label.setdefault(samples[place].label, []).append(place)
    turns = [place for place in chain.from_iterable(zip_longest(*by_label.values())) if place is not None]
    return tuple(samples[place] for place in sorted(turns[:count]))
