"""``tlkit.load``: a trained model ready for use; and its predictions as files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.cluster.ray_cluster import ClusterOptions, cluster_options, reachable
from tlkit.errors import DataError
from tlkit.evaluation.engine_option import EngineOption
from tlkit.evaluation.found_images import FoundImage, left_out, masks_among
from tlkit.jobs.progress import StageProgress, no_progress
from tlkit.jobs.trusted import with_layers_of
from tlkit.runs.folder import RunFolder
from tlkit.runs.samples import SamplesFile
from tlkit.system.memory import explained_memory
from tlkit.system.remote_names import named_path
from tlkit.system.text import listed

if TYPE_CHECKING:
    from tlkit.evaluation.prediction import Prediction
    from tlkit.evaluation.predictor import Predictor
    from tlkit.exports.opened import FilePredictor
    from tlkit.registry import Registry
    from tlkit.runs.card import Card

_OF_RUNS = ("model.json", "recipe.toml", "folds.toml", "sweep.toml", "events.log")
"""Files of which a folder of tlkit has one."""


@explained_memory("use a machine with more memory")
def load(
    run_folder: str | Path,
    *,
    trust: bool = False,
    registry: Registry | None = None,
    engine: EngineOption = "auto",
    unknown: float | None = None,
    sets: float | None = None,
    cluster: str | ClusterOptions | None = None,
) -> Predictor:
    """Load a trained model from its run folder, or from a file that ``export`` wrote, ready for ``predict``.

    The folder of a cross-validation has the models of all its folds: a prediction is the mean of their probabilities.

    Args:
        run_folder: the folder of a run or of a cross-validation, or an exported file; it may be someone else's, since
            nothing in it is executed.
        trust: also load a model with layers from a plugin, which runs that plugin's code on data from the file.
        registry: the plugins, for a model with layers from one of them, such as ``tlkit.plugins("my_head.py")``; None
            for the installed ones. Plugin files of the run that you allowed before are loaded as well.
        engine: what computes the images: ``litert`` or ``openvino``, from ``model.tflite``; ``tensorflow``, from
            ``model.keras``; or ``auto``: LiteRT, or for many images OpenVINO, where that is installed and faster;
            TensorFlow where LiteRT can't.
        unknown: also say which images are unlike those that the model knows, at most this share of images like its own
            (0.05): ``unknown`` and ``p_value`` of each prediction. Needs what ``tlkit report --full`` writes.
        sets: also return the labels that hold with this probability (0.9): ``label_set`` of each prediction. Needs the
            same.
        cluster: spread the images over the workers of a Ray cluster: ``local``, the processors of this machine;
            ``auto``, the cluster that it belongs to; or the address of one. Each ``predict`` joins it, unless
            ``ray.init`` has. Predictions are the same as without.

    Raises:
        RunError: this is not the folder of a finished run, or it is damaged; or its model has layers from a plugin
            that is missing; or the engine can't compute it.
        DataError: there is no such engine, or its package is not installed; or the run has not what ``unknown`` or
            ``sets`` takes; or this is no exported file, or one that could do more than compute.
    """
    run = Path(run_folder)
    if cluster is not None:
        options = reachable(cluster_options(cluster))
        opened = load(run, trust=trust, registry=registry, engine=engine, unknown=unknown, sets=sets)
        return spread(opened, run, {"trust": trust, "unknown": unknown, "sets": sets}, registry, options)
    if is_exported(run):
        asked = {"engine": engine != "auto", "unknown": unknown is not None, "sets": sets is not None}
        if wrong := next((name for name, given in asked.items() if given), None):
            raise DataError(f"{wrong}: {run} is no run folder, but an exported file; leave it out, or give the folder")
        return load_exported(run, trust=trust, registry=registry)
    if unknown is None and sets is None:
        return _load(run, trust=trust, registry=registry, engine=engine)
    from tlkit.evaluation.judged_predictor import open_judged

    registry = with_layers_of(run, registry) if trust else registry
    return open_judged(run, unknown=unknown, sets=sets, trust=trust, registry=registry, engine=engine)


def spread(
    opened: Predictor,
    path: Path,
    asked: dict[str, Any],
    registry: Registry | None,
    options: ClusterOptions | None,
    say: Callable[[str], None] = lambda _line: None,
) -> Predictor:
    """Return a predictor whose images the workers of a cluster compute, who open it as this process has.

    Args:
        opened: the model as this process has opened it.
        path: its run folder, or the exported file.
        asked: how ``load`` has opened it.
        registry: the plugins; those that are files are loaded in the workers, too.
        options: the cluster, which answers; None: the predictor itself is returned.
        say: called with a line when a worker joins or is lost.
    """
    if options is None:
        return opened
    from tlkit.evaluation.spread_predictor import SpreadPredictor
    from tlkit.evaluation.worker_model import WorkerModel

    files = () if registry is None else tuple(key[5:] for key in registry.sources if key.startswith("file:"))
    model = WorkerModel(_load_in_worker, path.absolute(), {**asked, "files": files})
    return SpreadPredictor(opened, model, options, say)


def _load_in_worker(run: Path, *, files: tuple[str, ...], **asked: Any) -> Predictor:
    """Load a trained model in a worker.

    Args:
        run: as of ``load``.
        files: the plugin files that were given by name.
        asked: as of ``load``.
    """
    from tlkit.registry.discovery import plugins

    return load(run, registry=plugins(*files) if files else None, **asked)


def is_exported(path: Path) -> bool:
    """Return whether a path is no run folder, but may be an exported file: any file, or another folder with files."""
    if not path.is_dir():
        return path.is_file()
    return any(path.iterdir()) and not any((path / each).exists() for each in _OF_RUNS)


def load_exported(path: Path, *, trust: bool, registry: Registry | None) -> FilePredictor:
    """Open a file that ``export`` wrote."""
    from tlkit.exports.opened import open_exported
    from tlkit.registry.discovery import make_registry

    return open_exported(path, registry or make_registry(), trust=trust)


def load_with_keras(run: Path, *, trust: bool, registry: Registry | None) -> Predictor:
    """Load a trained model like ``load``, as the Keras model, whatever LiteRT file there is."""
    return _load(run, trust=trust, registry=registry, engine="tensorflow")


def _load(run: Path, *, trust: bool, registry: Registry | None, engine: EngineOption) -> Predictor:
    from tlkit.evaluation.ensemble import open_predictor

    registry = with_layers_of(run, registry) if trust else registry
    return open_predictor(run, trust=trust, registry=registry, engine=engine)


def check_predictions(card: Card, images: Sequence[FoundImage], out: Path | None, *, overwrite: bool = False) -> None:
    """Check that the predictions of images can be written.

    Args:
        card: the model's card.
        images: the images, as ``find_images`` returns them.
        out: the CSV file (classification) or the folder (segmentation) to write; None to write nothing.
        overwrite: replace files that exist.

    Raises:
        DataError: a file exists already or can't be written.
    """
    if out is not None:
        from tlkit.report.prediction_files import check_target

        check_target(images, card, out, overwrite=overwrite)


def notes_on_images(images: Sequence[FoundImage], paths: Sequence[Path], run: Path | None) -> list[str]:
    """Return remarks about the images that were found: what was left out, what are masks, what the run trained on.

    Args:
        images: as ``find_images`` returns them.
        paths: the files and folders that were searched.
        run: the run folder; None for an exported file.
    """
    notes = []
    others = left_out(paths)
    if others:
        notes.append(f"left out, because their names are not those of images: {others}")
    masks = masks_among(images)
    if masks:
        names = listed([each.name for each in masks], 3)
        notes.append(f"{len(masks)} of the images look like masks of others by their names, and are predicted: {names}")
    return notes if run is None else [*notes, *_notes_on_own_data(images, run)]


def _notes_on_own_data(images: Sequence[FoundImage], run: Path) -> Iterator[str]:
    """Yield remarks about masks and training images of the run itself, by the paths in its ``samples.csv``."""
    try:
        rows = SamplesFile(RunFolder(run).samples).read_used().values()
    except DataError:  # it is missing or damaged, which matters to nothing else here
        return
    paths = {os.path.abspath(named_path(each.path)) for each in images}  # noqa: PTH100 - resolve() asks the disk for each part
    masks = paths & {os.path.abspath(row.mask) for row in rows if row.mask}  # noqa: PTH100
    if masks:
        yield f"{len(masks)} of the images are masks of the run's own data, and are predicted as photographs"
    trained = paths & {os.path.abspath(row.path) for row in rows if row.path and row.split == "train"}  # noqa: PTH100
    if trained:
        yield f"the run trained on {len(trained)} of the {len(images)} images, so their predictions are too good"


def predict_each(
    predictor: Predictor,
    images: Sequence[FoundImage],
    *,
    batch_size: int = 16,
    progress: StageProgress = no_progress,
) -> Iterator[Prediction]:
    """Yield the prediction of each image, in their order.

    Args:
        predictor: the model.
        images: as ``find_images`` returns them.
        batch_size: images per batch, at least 1.
        progress: called with how many of how many images are predicted.
    """
    predictions = predictor.predict_files([each.path for each in images], batch_size=batch_size)
    for done, prediction in enumerate(predictions, 1):
        progress(predictor.doing, done, len(images))
        yield prediction


def predict_to_files(
    predictor: Predictor,
    images: Sequence[FoundImage],
    out: Path,
    *,
    batch_size: int = 16,
    overwrite: bool = False,
    failed: Callable[[Prediction], None] = lambda _prediction: None,
    progress: StageProgress = no_progress,
) -> int:
    """Predict images, and write the predictions as ``report.prediction_files`` does.

    Args:
        predictor: the model.
        images: as ``find_images`` returns them.
        out: the CSV file (classification) or the folder (segmentation) to write.
        batch_size: images per batch, at least 1.
        overwrite: replace files that exist.
        failed: called with the prediction of each image that can't be decoded, which has an ``error``.
        progress: called with how many of how many images are predicted.

    Returns:
        the number of images that were predicted.

    Raises:
        DataError: a file exists already, or can't be written.
    """
    from tlkit.report.prediction_files import write_predictions

    predictions = predict_each(predictor, images, batch_size=batch_size, progress=progress)
    columns = predictor.columns
    with _masks_drawn_by_workers(predictor):
        return write_predictions(
            predictions, images, predictor.card, out, overwrite=overwrite, failed=failed, columns=columns
        )


def _masks_drawn_by_workers(predictor: Predictor) -> AbstractContextManager[None]:
    """Have the workers of a predictor that has some draw the files of masks, which takes longer than predicting."""
    from tlkit.evaluation.spread_predictor import SpreadPredictor
    from tlkit.report.prediction_masks import drawn

    if isinstance(predictor, SpreadPredictor) and predictor.card.task == "segmentation":
        return predictor.drawing(drawn)
    return nullcontext()
