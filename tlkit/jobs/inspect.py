"""What ``tlkit inspect`` shows of a recipe's network, or of a run's: before training and, of a run, behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tlkit.contracts import LabelKind, Phase
from tlkit.data.images.decode import decode_to_size
from tlkit.errors import DataError, RunError
from tlkit.jobs import parts
from tlkit.models.assemble import Network, Normalization
from tlkit.models.summary import GroupRow, LayerRow, group_rows, kernels, layer_rows
from tlkit.recipe.schema import Recipe, Selection
from tlkit.report.feature_maps import block_outputs, feature_page
from tlkit.report.html_page import embedded, render_page
from tlkit.report.network_drawing import network_drawing
from tlkit.report.weight_pictures import kernel_grid, weight_histograms
from tlkit.runs.folder import RunFolder
from tlkit.system.text import nearest

FEW = 32
"""Images that a recipe is looked at with: one is shown, all of them give the statistics of ``[input] normalize``."""

TITLES = {
    "model.png": "The network",
    "kernels.png": "First kernels",
    "weights.png": "Weights",
    "features.png": "Feature maps of one image",
}


@dataclass(frozen=True)
class Inspection:
    """A network that can be shown.

    Args:
        title: name of the recipe or run.
        network: as it is before training.
        before: what its weights are: ``untrained`` or ``published weights``, …
        trained: the Keras model of the run, with the same layers; None for a recipe.
        phases: of the schedule.
        layers: a row a layer.
        groups: a row a block.
        image: uint8 (H, W, 3) at the model's size, None where there is none.
        notes: what could not be shown, and why.
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
    def totals(self) -> tuple[str, ...]:
        """How many weights there are, and how many train in each phase, in words."""
        total = self.network.model.count_params()
        found = [f"{total:,} weights"]
        for phase in self.phases:
            trained = _trained_count(self.network, phase)
            found.append(f"phase {phase.name}: {trained:,} train ({trained / max(total, 1):.1%})")
        return tuple(found)


def inspect_recipe(recipe: Recipe, folder: Path, image: Path | None = None) -> Inspection:
    """The network that a run of the recipe would begin with.

    Args:
        recipe: whose data set is listed; a few of its images are decoded.
        folder: an empty folder for them.
        image: a file whose feature maps are to be shown, instead of one of the data set.

    Raises:
        DataError: the data or the image can't be used.
        PluginError: a plugin broke its contract.
        RecipeError: the schedule doesn't go with the network.
    """
    data = parts.open_few(recipe, FEW, folder)
    normalization = parts.normalization(recipe, data)
    network, notes = _network(recipe, data.classes, data.label_kind, normalization)
    shown = np.asarray(data.store.images[0]) if image is None else _decoded(image, recipe)
    return _inspection(recipe, network, None, shown, notes)


def inspect_run(run: RunFolder, recipe: Recipe, folder: Path, image: Path | None = None) -> Inspection:
    """The network of a finished run, trained and as it began.

    Args:
        run: the run folder.
        recipe: its recipe.
        folder: an empty folder, for an image of the data set.
        image: as for ``inspect_recipe``.

    Raises:
        RunError: the run has not ended, or its files are damaged.
        DataError: the image can't be used.
    """
    from tlkit.evaluation.predictor import Predictor

    predictor = Predictor.open(run.path)
    card = predictor.card
    network, notes = _network(recipe, card.classes, card.label_kind, _kept_normalization(predictor.model))
    _check_recipe(run, network.model, predictor.model)
    shown = None
    if image is not None:
        shown = _decoded(image, recipe)
    else:
        try:
            shown = np.asarray(parts.open_few(recipe, 1, folder).store.images[0])
        except DataError as error:
            notes += (f"No feature maps: {error} --image names another image.",)
    return _inspection(recipe, network, predictor.model, shown, notes, run.path.name)


def _check_recipe(run: RunFolder, model: Any, trained: Any) -> None:
    ours, theirs = ({name: tuple(each.shape) for name, each in kernels(each)} for each in (model, trained))
    name = next((name for name in ours | theirs if ours.get(name) != theirs.get(name)), None)
    if name is not None:
        raise RunError(
            f"{run.recipe}: doesn't describe {run.model.name}: the kernel of {name} is expected to be "
            f"{ours.get(name, 'none')}, received {theirs.get(name, 'none')}; one of the two was changed"
        )


def _network(
    recipe: Recipe, classes: tuple[str, ...], kind: LabelKind, normalization: Normalization | None
) -> tuple[Network, tuple[str, ...]]:
    """The network with the weights that a run begins with; with random ones, and a note, where those can't be had."""
    try:
        return parts.build_network(recipe, classes, kind, normalization), ()
    except DataError as error:
        if recipe.backbone.options.weights == "none":
            raise
        options = recipe.backbone.options.model_copy(update={"weights": "none"})
        random = replace(recipe, backbone=Selection(recipe.backbone.record, options))
        network = parts.build_network(random, classes, kind, normalization)
        note = f"The weights that training begins with can't be had; random ones are shown instead. {error}"
        return network, (note,)


def _inspection(
    recipe: Recipe,
    network: Network,
    trained: Any | None,
    image: np.ndarray | None,
    notes: tuple[str, ...],
    title: str = "",
) -> Inspection:
    phases = parts.plan_phases(recipe, network)
    rows = layer_rows(network, phases)
    before = "published weights" if network.pretrained else "untrained"
    groups = group_rows(network, rows)
    return Inspection(title or recipe.name, network, before, trained, phases, rows, groups, image, notes)


def _kept_normalization(model: Any) -> Normalization | None:
    for layer in model.layers:
        if layer.name == "input_normalization":
            mean, variance = (np.ravel(each).tolist() for each in (layer.mean, layer.variance))
            return Normalization(tuple(mean), tuple(np.sqrt(variance).tolist()))
    return None


def _decoded(file: Path, recipe: Recipe) -> np.ndarray:
    return decode_to_size(file, None, recipe.input.image_size, recipe.input.resize)[0]


def _trained_count(network: Network, phase: Phase) -> int:
    from math import prod

    from tlkit.models.freeze import trainable_variables

    return sum(prod(variable.shape) for variable in trainable_variables(network, phase))


def pictures(found: Inspection, layer: str | None = None) -> dict[str, bytes]:
    """File name → PNG of everything that can be shown.

    Args:
        found: what is shown.
        layer: whose weights the histogram is of; None for the first, a middle and the last layer with a kernel.

    Raises:
        DataError: no layer of that name has weights.
    """
    before = dict(kernels(found.network.model))
    states = {found.before: before}
    if found.trained is not None:
        states = {"trained": dict(kernels(found.trained)), **states}
    names = list(before)
    if layer is not None and layer not in before:
        near = nearest(layer, names)
        hint = f'; did you mean "{near}"?' if near else f"; there are {', '.join(names[:12])}, …"
        raise DataError(f'--layer: no layer "{layer}" with a kernel{hint}')
    title = f"{found.title}: {found.network.model.count_params():,} weights"
    drawn = {"model.png": network_drawing(found.groups, [phase.name for phase in found.phases], title)}
    first = next((name for name in names if len(before[name].shape) == 4 and max(before[name].shape[:2]) > 1), None)
    if first is not None:
        drawn["kernels.png"] = kernel_grid(_values(states, first), first)
    chosen = [layer] if layer else list(dict.fromkeys((names[0], names[len(names) // 2], names[-1]))) if names else []
    if chosen:
        drawn["weights.png"] = weight_histograms({name: _values(states, name) for name in chosen})
    if found.image is not None:
        drawn["features.png"] = _features(found)
    return drawn


def _values(states: Mapping[str, Mapping[str, Any]], layer: str) -> dict[str, np.ndarray]:
    return {state: np.array(variables[layer]) for state, variables in states.items()}


def _features(found: Inspection) -> bytes:
    import keras

    assert found.image is not None
    model = found.network.model if found.trained is None else found.trained
    outputs = block_outputs(model, found.groups)
    values = keras.Model(model.input, list(outputs.values()))(found.image[None].astype(np.float32), training=False)
    maps = {
        name: np.asarray(keras.ops.convert_to_numpy(value), np.float32)[0]
        for name, value in zip(outputs, values if isinstance(values, list) else [values], strict=True)
    }
    state = found.before if found.trained is None else "trained"
    return feature_page(found.image, maps, f"{found.title}, {state}: the maps that vary most in each block")


def page(found: Inspection, drawn: Mapping[str, bytes]) -> str:
    """``index.html`` with the tables and the pictures."""
    return render_page(
        "inspect.html.j2",
        title=found.title,
        lead=f"{len(found.groups)} blocks, {len(found.layers)} layers, phases: "
        + ", ".join(phase.name for phase in found.phases),
        groups=found.groups,
        layers=found.layers,
        totals=found.totals,
        notes=found.notes,
        pictures=[{"title": TITLES[name], "data": embedded(content)} for name, content in drawn.items()],
    )
