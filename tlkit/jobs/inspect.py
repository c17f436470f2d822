"""What ``tlkit inspect`` shows of a network: the one that a recipe would train, or that of a finished run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.contracts import LabelKind, Phase
from tlkit.data.images.decode import decode_to_size
from tlkit.data.images.reading import Reading
from tlkit.errors import DataError, RunError
from tlkit.jobs import from_recipe
from tlkit.jobs.run_images import changed_images
from tlkit.models.assemble import Network, Normalization
from tlkit.models.summary import GroupRow, LayerRow, group_rows, kernels, layer_rows
from tlkit.recipe.schema import Recipe, Selection
from tlkit.report.figures import shorten
from tlkit.runs.folder import RunFolder
from tlkit.system.disk import temporary_folder
from tlkit.system.memory import explained_memory

if TYPE_CHECKING:
    from tlkit.data.run_data import Data

UNTRAINED = "untrained"
FEW = 32
"""Images that are read for a recipe: one is shown, all of them give the statistics of ``[input] normalize``."""


@dataclass(frozen=True)
class Inspection:
    """A network to show.

    Args:
        title: the name of the recipe or run.
        network: the network before training.
        before: what the backbone's weights are: ``untrained``, ``published weights``, or which file or run they are of.
        trained: the Keras model of the run, with the same layers; None for a recipe.
        phases: the phases of the schedule.
        layers: one row per layer.
        groups: one row per block.
        image: uint8 (H, W, 3) at the model's size; None if there is none.
        notes: what can't be shown, and why.
    """

    title: str
    network: Network
    before: str
    trained: Any | None
    phases: tuple[Phase, ...]
    layers: tuple[LayerRow, ...]
    groups: tuple[GroupRow, ...]
    image: np.ndarray | None
    notes: tuple[str, ...]

    @property
    def state(self) -> str:
        """What the weights are of which the feature maps are shown."""
        if self.trained is not None:
            return "trained"
        return f"{self.before}, untrained head" if self.network.pretrained else self.before

    def before_of(self, layer: str) -> str:
        """Return what a layer's weights are before training; those of the head are always new."""
        return self.before if layer in self.network.block_of else UNTRAINED

    @property
    def totals(self) -> tuple[str, ...]:
        """The number of weights, and the number that trains in each phase, as text."""
        total = self.network.model.count_params()
        lines = [f"{total:,} weights"]
        for phase in self.phases:
            trained = _trained_count(self.network, phase)
            lines.append(f"phase {phase.name}: {trained:,} train ({trained / max(total, 1):.1%})")
        return tuple(lines)


@explained_memory("use a machine with more memory, or for a recipe smaller images (--set input.image_size=N)")
def inspect(recipe: Recipe, run: RunFolder | None = None, image: Path | None = None) -> Inspection:
    """Inspect the network of a run, or the one that a recipe would start with.

    Args:
        recipe: the recipe; of a run, the one in its folder.
        run: the run folder; None for a recipe alone.
        image: an image file whose feature maps to show; None for an image of the data set.

    Raises:
        DataError, PluginError, RecipeError, RunError: as ``inspect_recipe`` and ``inspect_run``.
    """
    with temporary_folder() as folder:
        if run is None:
            return inspect_recipe(recipe, folder, image)
        return inspect_run(run, recipe, folder, image)


def inspect_recipe(recipe: Recipe, folder: Path, image: Path | None = None) -> Inspection:
    """Inspect the network that a run of the recipe would start with.

    Args:
        recipe: the recipe; a few images of its data set are decoded.
        folder: an empty folder for the decoded images.
        image: an image file whose feature maps to show; None for an image of the data set.

    Raises:
        DataError: the data or the image can't be used.
        PluginError: a plugin broke its contract.
        RecipeError: the schedule doesn't fit the network.
    """
    data = from_recipe.open_few(recipe, FEW, folder)
    normalization = from_recipe.normalization(recipe, data)
    network, notes = _network(recipe, data.classes, data.label_kind, normalization)
    shown = (
        np.array(data.store.images[0]) if image is None else _decoded(image, recipe, from_recipe.reading(recipe, data))
    )
    return _inspection(recipe, network, None, shown, notes)


def inspect_run(run: RunFolder, recipe: Recipe, folder: Path, image: Path | None = None) -> Inspection:
    """Inspect the network of a finished run, trained and before training.

    Args:
        run: the run folder.
        recipe: the recipe of the run.
        folder: an empty folder for the decoded image.
        image: an image file whose feature maps to show; None for an image of the data set.

    Raises:
        RunError: the run is not finished, its files are damaged, or its recipe describes another network.
        DataError: the image can't be used.
    """
    from tlkit.evaluation.predictor import Predictor

    predictor = Predictor.open(run.path, engine="tensorflow")
    card = predictor.card
    network, notes = _network(recipe, card.classes, card.label_kind, _normalization_of(predictor.model))
    _check_recipe(run, network.model, predictor.model)
    shown = None
    if image is not None:
        shown = _decoded(image, recipe, predictor.reading)
    else:
        try:
            shown = _own_image(run, from_recipe.open_few(from_recipe.with_range_of(recipe, card), FEW, folder))
        except DataError as error:
            notes += (f"No feature maps: {error} --image names another image.",)
    return _inspection(recipe, network, predictor.model, shown, notes, run.path.name)


def _own_image(run: RunFolder, data: Data) -> np.ndarray:
    """Return an image that the run has used; the recipe may be someone else's, and name images of this user.

    Raises:
        DataError: none of the images is one that the run's ``samples.csv`` records.
    """
    changed = set(changed_images(run, data, range(len(data.samples))))
    for row, sample in enumerate(data.samples):
        if sample.key not in changed:
            return np.array(data.store.images[row])
    raise DataError(f"none of {len(data.samples)} images of {data.root} is one that {run.samples} records.")


def _check_recipe(run: RunFolder, model: Any, trained: Any) -> None:
    built, saved = ({name: tuple(kernel.shape) for name, kernel in kernels(each)} for each in (model, trained))
    name = next((name for name in built | saved if built.get(name) != saved.get(name)), None)
    if name is not None:
        raise RunError(
            f"{run.recipe}: doesn't describe {run.model.name}: the kernel of {name} is expected to be "
            f"{built.get(name, 'none')}, received {saved.get(name, 'none')}; one of the two files was changed"
        )


def _network(
    recipe: Recipe, classes: tuple[str, ...], kind: LabelKind, normalization: Normalization | None
) -> tuple[Network, tuple[str, ...]]:
    """Build the network with its initial weights; with random weights, and a note, if those are not available."""
    try:
        return from_recipe.build_network(recipe, classes, kind, normalization), ()
    except DataError as error:
        if recipe.backbone.options.weights == "none":
            raise
        options = recipe.backbone.options.model_copy(update={"weights": "none"})
        random = replace(recipe, backbone=Selection(recipe.backbone.record, options))
        network = from_recipe.build_network(random, classes, kind, normalization)
        note = f"The initial weights are not available; random weights are shown instead. {error}"
        return network, (note,)


def _inspection(
    recipe: Recipe,
    network: Network,
    trained: Any | None,
    image: np.ndarray | None,
    notes: tuple[str, ...],
    title: str = "",
) -> Inspection:
    phases = from_recipe.plan_phases(recipe, network)
    rows = layer_rows(network, phases)
    before = _initial_weights(recipe.backbone.options.weights) if network.pretrained else UNTRAINED
    groups = group_rows(network, rows)
    return Inspection(title or recipe.name, network, before, trained, phases, rows, groups, image, notes)


def _initial_weights(setting: str) -> str:
    return (
        "published weights" if setting == "imagenet" else f"weights of {shorten(Path(setting).name, 24, middle=True)}"
    )


def _normalization_of(model: Any) -> Normalization | None:
    for layer in model.layers:
        if layer.name == "input_normalization":
            mean, variance = (np.ravel(each).tolist() for each in (layer.mean, layer.variance))
            return Normalization(tuple(mean), tuple(np.sqrt(variance).tolist()))
    return None


def _decoded(file: Path, recipe: Recipe, reading: Reading) -> np.ndarray:
    return decode_to_size(file, None, recipe.input.image_size, recipe.input.resize, reading)[0]


def _trained_count(network: Network, phase: Phase) -> int:
    from math import prod

    from tlkit.models.freeze import trainable_variables

    return sum(prod(variable.shape) for variable in trainable_variables(network, phase))
