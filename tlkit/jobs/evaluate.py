"""``tlkit.evaluate``: measure a trained model on a split of its own data, or on other data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.cluster.ray_cluster import ClusterOptions, cluster_options, reachable
from tlkit.contracts import SetAside, Split
from tlkit.errors import DataError
from tlkit.evaluation.engine_option import EngineOption
from tlkit.jobs.measured_data import MeasuredData, OtherData, other_data, own_data
from tlkit.jobs.predict import is_exported, load, load_exported, spread
from tlkit.jobs.progress import StageProgress, no_progress
from tlkit.jobs.run_images import changed_images, training_images
from tlkit.registry import Registry
from tlkit.registry.discovery import registry_for_recipe
from tlkit.runs.card import Card
from tlkit.runs.folder import RunFolder
from tlkit.runs.folds import difference, run_digest, run_with_data, split_to_measure
from tlkit.system.disk import temporary_folder
from tlkit.system.memory import explained_memory
from tlkit.system.text import listed as shown

if TYPE_CHECKING:
    import numpy as np

    from tlkit.data.run_data import Data
    from tlkit.evaluation.predictor import Predictor


@dataclass(frozen=True)
class Evaluation:
    """The metrics of a trained model on one set of labelled images.

    Args:
        split: ``test``, ``validation`` or ``train``; ``data`` for all images of other data.
        count: the number of images that were measured.
        metrics: name → value, as in ``metrics.json``. ``loss`` is the recipe's, by default the mean
            cross-entropy in nats; where the recipe has another loss, that is ``cross_entropy``. Classification has
            ``accuracy``, ``macro_f1``, ``per_class`` (class → ``precision``, ``recall``, ``f1``, ``support``) and
            more; segmentation has ``pixel_accuracy``, ``mean_iou``, ``mean_dice``, ``iou`` and ``dice`` (class →
            value). All but the loss and the counts are in 0-1; a value that is not defined is None. ``intervals`` has
            the 95 % interval of each, ``commonest`` what predicting the commonest class gives.
        set_aside: the files that could not be used, each with the reason.
        notes: remarks, such as that some of the images are training images of the run.
        engine: what computed the images: LiteRT, OpenVINO or TensorFlow.
    """

    split: str
    count: int
    metrics: Mapping[str, Any]
    set_aside: tuple[SetAside, ...] = ()
    notes: tuple[str, ...] = ()
    engine: str = ""


@explained_memory("use a machine with more memory, or fewer images at a time (--batch-size)")
def evaluate(
    run: str | Path,
    *,
    model: str | Path | None = None,
    data: OtherData | None = None,
    split: Split | None = None,
    batch_size: int | None = None,
    trust: bool = False,
    registry: Registry | None = None,
    engine: EngineOption = "auto",
    progress: StageProgress = no_progress,
    cluster: str | ClusterOptions | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> Evaluation:
    """Measure the model of a finished run on a split of its own data, or on other labelled data.

    Nothing is written but the cache of decoded images. Of the run's plugins only the one with its data set is needed.

    Args:
        run: the run folder.
        model: a file that ``export`` wrote, to be measured in place of the run's model; its own runtime computes it.
        data: a folder or file of other data in the form of the run's own; or a table as a recipe's ``[data]``, whose
            keys replace those of the run, such as ``{"path": "new.csv", "label": "species"}``. Classes are matched by
            name. The splits, groups and folders of the run's own data don't apply. None for the run's own data.
        split: the split; None means ``test``, or ``validation`` if there are no test images; all of other data.
        batch_size: images per batch, at least 1; None for the run's own.
        trust: also load a model with layers from a plugin, which runs that plugin's code on data from the file.
        registry: the plugins; None for the installed ones.
        engine: what computes the images, as of ``load``.
        progress: called with the stage, and how many of how many images are done.
        cluster: have the workers of a Ray cluster compute the images, as of ``load``, which this process reads.
        say: called with a line when a worker of the cluster joins or is lost.

    Returns:
        the metrics, at the model's input size.

    Raises:
        RunError: the run is not finished, or a file of it is missing or damaged; or the memory is exhausted.
        DataError: the data can't be used, has a class that the model was not trained on, or the split has no images.
        RecipeError: the run's table ``[data]`` is not valid here, such as when its plugin is not installed.
        PluginError: the data set broke its contract.
    """
    places, folder = reachable(cluster_options(cluster)), RunFolder(Path(run))
    card = folder.read_card()
    source, split = run_with_data(folder, card), split_to_measure(card, split) if data is None else split
    registry = registry_for_recipe(registry, allow_plugins=False)
    listed = _listed(source, registry, data, split, card)
    predictor = _opened(model, folder, card, trust=trust, registry=registry, engine=engine)
    predictor = spread(predictor, Path(model or run), {"trust": trust}, registry, places, say)
    from tlkit.evaluation.evaluator import evaluate as measure

    with temporary_folder() as cache:
        opened = listed.decode(cache, partial(progress, "reading images"))
        name, rows = listed.rows(opened)
        notes = (*listed.notes, *_remarks(listed.other, source, opened, rows))
        batch_size = batch_size or listed.part.input.batch_size
        loss, logits = listed.part.train.loss, predictor.logits_of(opened, batch_size, rows)
        evaluating = partial(progress, "evaluating")
        outcome = measure(logits, predictor.card, opened, rows, batch_size=batch_size, loss=loss, progress=evaluating)
    return Evaluation(name, len(rows), outcome.metrics, opened.set_aside, (*predictor.notes, *notes), predictor.engine)


def _opened(
    given: str | Path | None, folder: RunFolder, card: Card, *, trust: bool, registry: Registry, engine: EngineOption
) -> Predictor:
    """Open the model of the run, or an exported file that takes its images and gives its classes."""
    if given is None:
        return load(folder.path, trust=trust, registry=registry, engine=engine)
    model = Path(given)
    if not is_exported(model):
        raise DataError(f"--model {model}: expected a file that tlkit export wrote")
    if engine != "auto":
        raise DataError(f"engine: a file is computed by the runtime of its format; received {engine!r} and {model}")
    predictor = load_exported(model, trust=trust, registry=registry)
    if name := difference(predictor.card, card):
        own, other = getattr(predictor.card, name), getattr(card, name)
        raise DataError(f"--model {model}: its {name} is {own!r:.80}; expected {other!r:.80}, as that of {folder.path}")
    if predictor.run != run_digest(folder, card):
        predictor.notes = (*predictor.notes, f"{model} was exported from another model than that of {folder.path}")
    return predictor


def _listed(
    source: RunFolder, registry: Registry, data: OtherData | None, split: Split | None, card: Card
) -> MeasuredData:
    """List the samples to measure, if the model can be measured on them."""
    from tlkit.evaluation.class_names import fitting_samples

    listed = own_data(source, registry, split) if data is None else other_data(source, registry, data, split)
    return replace(listed, sample_set=fitting_samples(listed.sample_set, card))


def _remarks(other: bool, source: RunFolder, data: Data, rows: np.ndarray) -> list[str]:
    remark = training_images(source, data, rows) if other else _changed_note(source, data, rows)
    return [remark] if remark else []


def _changed_note(folder: RunFolder, data: Data, rows: np.ndarray) -> str:
    changed = changed_images(folder, data, rows.tolist())
    if not changed:
        return ""
    return f"{len(changed)} of the {len(rows)} images have changed since the run: {shown(changed, 5)}"
