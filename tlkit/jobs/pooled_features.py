"""The pooled features of a recipe's images: what its frozen backbone makes of each, averaged over the image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tlkit.jobs import from_recipe
from tlkit.recipe.schema import Recipe

if TYPE_CHECKING:
    import numpy as np

    from tlkit.data.run_data import Data
    from tlkit.system.progress import Reporter
    from tlkit.train.pooled import PooledFeatures


def pooled_features(recipe: Recipe, data: Data, rows: np.ndarray, scratch: Path, reporter: Reporter) -> np.ndarray:
    """Return the spatial average of the last map of a recipe's backbone, with the weights that the recipe names.

    Features that a run of the recipe has kept are read; others are computed in one pass, and kept unless the recipe has
    ``train.cache = "off"``.

    Args:
        recipe: the recipe; ``with_backbone_of`` gives it the backbone as a run has trained it.
        data: the recipe's data, opened.
        rows: int (N,), row numbers in the data, N at least 1.
        scratch: an empty folder.
        reporter: shows the progress, and notes.

    Returns:
        float32 (N, D), D channels of the last map.

    Raises:
        DataError: the weights can't be loaded, or the images are too small.
        PluginError: the backbone or the head broke its contract.
    """
    trained = len(data.indices("train")) * (recipe.train.views if recipe.augment else 1)
    images = trained + len(data.indices("validation"))
    return open_features(recipe, data, images, scratch, reporter).of(rows)


def open_features(recipe: Recipe, data: Data, images: int, scratch: Path, reporter: Reporter) -> PooledFeatures:
    """Build a recipe's network, to compute the pooled features of images.

    Args:
        recipe: the recipe.
        data: the recipe's data, opened.
        images: the number of images by which the engine is chosen.
        scratch: an empty folder.
        reporter: shows the progress, and notes.

    Raises:
        DataError, PluginError: as of ``pooled_features``.
    """
    from tlkit.train.pooled import PooledFeatures

    with reporter.stage("building the model"):
        normalization = from_recipe.normalization(recipe, data)
        network = from_recipe.build_network(recipe, data.classes, data.label_kind, normalization)
        return PooledFeatures(from_recipe.make_setting(recipe, data, network), images, scratch, reporter)


def with_backbone_of(recipe: Recipe, run: Path) -> Recipe:
    """Return a recipe whose backbone begins with the weights that a run has trained.

    Args:
        recipe: the recipe.
        run: the run folder, with a backbone of the same kind.
    """
    options = recipe.backbone.options.model_copy(update={"weights": str(run.absolute())})
    return replace(recipe, backbone=replace(recipe.backbone, options=options))
