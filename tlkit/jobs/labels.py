"""What ``tlkit labels`` does: find the images of a run whose labels may be wrong, for a person to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tlkit.errors import DataError, RunError
from tlkit.jobs.held_out import Judged, judge_by_models
from tlkit.jobs.opened_run import OpenedRun, open_run
from tlkit.jobs.pooled_features import pooled_features, with_backbone_of
from tlkit.jobs.progress import StageProgress
from tlkit.jobs.run_images import changed_images
from tlkit.registry import Registry
from tlkit.runs.folder import RunFolder
from tlkit.runs.folds import run_with_data
from tlkit.system.disk import check_new_files, temporary_folder, write_atomically, writing
from tlkit.system.memory import explained_memory
from tlkit.system.progress import Reporter
from tlkit.system.tensorflow import start_tensorflow
from tlkit.system.text import listed

if TYPE_CHECKING:
    import numpy as np

    from tlkit.report.label_table import JudgedLabel
    from tlkit.report.labels_page import Pictures

TABLE, PAGE = RunFolder.labels.name, RunFolder.labels_page.name


@dataclass(frozen=True)
class LabelsResult:
    """The images of a run, most likely wrong first.

    Args:
        table: the CSV file to fill in.
        page: the page with their pictures.
        images: the images.
        masks: whether they were judged by their masks.
        source: how they were judged, in a sentence.
        notes: remarks.
        command: the command that makes a new table of the decisions; empty where the images are no files, so that no
            table can name them.
    """

    table: Path
    page: Path
    images: Sequence[JudgedLabel]
    masks: bool
    source: str
    notes: tuple[str, ...]
    command: str

    def counts(self) -> dict[str, int]:
        """Return finding → number of images."""
        found = [finding for each in self.images for finding in each.findings]
        return {finding: found.count(finding) for finding in dict.fromkeys(found)}


@dataclass(frozen=True)
class _Judgement:
    images: list[JudgedLabel]
    source: str
    notes: tuple[str, ...]
    pictures: Pictures
    legend: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Work:
    """What the judges need: the run, its images and its surroundings."""

    folder: RunFolder
    opened: OpenedRun
    rows: np.ndarray
    folds: tuple[str, ...]
    registry: Registry
    trust: bool
    scratch: Path
    reporter: Reporter


@explained_memory("use a machine with more memory")
def find_wrong_labels(
    run: Path,
    out: Path | None = None,
    *,
    registry: Registry,
    reporter: Reporter,
    overwrite: bool = False,
    trust: bool = False,
) -> LabelsResult:
    """Find the images of a run whose labels, or masks, may be wrong, and write ``labels.csv`` and ``labels.html``.

    Args:
        run: the folder of a run or of a cross-validation.
        out: the folder to write to; None for that of the run.
        registry: the plugins.
        reporter: the console.
        overwrite: replace files that exist.
        trust: also load a model with layers from a plugin.

    Raises:
        RunError: the run is not finished, a file of it is damaged, or its images have changed.
        DataError: cleanlab is not installed, the data can't be used, or a file exists already.
        RecipeError, PluginError: as for ``evaluate``.
    """
    folder = RunFolder(run)
    card = folder.read_card()
    source = run_with_data(folder, card)
    out = run if out is None else out
    check_new_files([out / TABLE, out / PAGE], overwrite=overwrite)
    if card.task == "classification":
        from tlkit.evaluation.label_quality import need_cleanlab

        need_cleanlab()
    with reporter.stage("starting TensorFlow"):
        start_tensorflow()
    with temporary_folder() as scratch:
        with reporter.stage("reading images") as show:
            opened = open_run(source, registry, scratch, show)
        work = _Work(folder, opened, _rows(opened), card.folds, registry, trust, scratch / "features", reporter)
        judge = _judge_classes if card.task == "classification" else _judge_masks
        judgement = judge(work)
        files = all(isinstance(each.image, Path) for each in opened.data.samples)
        command = f"tlkit check {source.recipe} --apply {out / TABLE}" if files else ""
        found = judgement.images, card.task == "segmentation", judgement.source, judgement.notes
        result = LabelsResult(out / TABLE, out / PAGE, *found, command)
        with reporter.stage("writing the page"):
            _write(result, judgement, opened)
    return result


def _rows(opened: OpenedRun) -> np.ndarray:
    """Return the images that the run used.

    Raises:
        RunError: they are others than those of the run, which may be someone else's and name images of this user.
    """
    import numpy as np

    rows = np.flatnonzero(opened.data.splits != "left out")
    if changed := changed_images(opened.folder, opened.data, rows.tolist()):
        raise RunError(
            f"{opened.folder.samples}: the data has changed since the run: {listed(changed, 5)}. Restore it, or run "
            "the recipe again on the data as it is"
        )
    return rows


def _judge_classes(work: _Work) -> _Judgement:
    """Judge the labels of a classification."""
    import numpy as np

    from tlkit.evaluation.label_quality import label_quality
    from tlkit.evaluation.neighbours import nearest_neighbours
    from tlkit.report.judged_labels import judged_labels

    data, rows, reporter = work.opened.data, work.rows, work.reporter
    features, notes = _features(work)
    with reporter.stage("looking for neighbours"):
        neighbours = nearest_neighbours(features)
    assert data.labels is not None
    if work.folds:
        labels, probabilities = _by_folds(work)
        classes: tuple[str, ...] = work.opened.card.classes
        source = f"Each image was judged by the one of {len(work.folds)} folds that did not train on it."
    else:
        from tlkit.evaluation.linear_head import out_of_fold_probabilities

        classes, labels = data.classes, data.labels[rows]
        with reporter.stage("cross-validating a linear head"):
            # A head that has seen a near-duplicate would say the label of that one.
            groups = neighbours.with_duplicates([data.groups[row] for row in rows.tolist()])
            probabilities = out_of_fold_probabilities(
                features, labels, len(classes), groups=groups, seed=work.opened.recipe.seed
            )
        source = (
            "Each image was judged by a linear head that did not train on it (5-fold cross-validation on the features "
            "of the backbone)."
        )
    with reporter.stage("comparing labels"):
        quality = label_quality(labels, probabilities)
        if labels.ndim == 1:
            right = 100 * float((probabilities.argmax(axis=1) == labels).mean())
            source += f" It agrees with {right:.0f} % of the labels; where it is weak, many right labels look wrong."
        samples = [(int(row), data.samples[row].key, data.splits[row]) for row in rows]
        images = judged_labels(samples, labels, classes, quality, probabilities, neighbours)
    store = data.store.images
    return _Judgement(images, source, notes, lambda each: [("", np.asarray(store[each.row]))])


def _features(work: _Work) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the features of the run's images by the backbone that it began with, and remarks.

    One that had no weights, or whose weights are not here, is the one that the run has trained.
    """
    opened, recipe = work.opened, work.opened.recipe
    weights = recipe.backbone.options.weights
    reason = "the backbone began without weights"
    if weights != "none":
        try:
            return pooled_features(recipe, opened.data, work.rows, work.scratch, work.reporter), ()
        except DataError as error:
            reason = f"the weights that the backbone began with are not here ({str(error).partition(chr(10))[0]})"
    trained = with_backbone_of(recipe, opened.folder.path)
    features = pooled_features(trained, opened.data, work.rows, work.scratch, work.reporter)
    if work.folds:
        return features, ()
    note = (
        f"{reason}, so the features are those of the trained one, which has seen the labels of the training images: "
        "wrong ones among them are harder to find. tlkit run --folds 5, and tlkit labels of that folder, judge each "
        "image by a model that has not seen its label"
    )
    return features, (note,)


def _by_models(work: _Work, progress: StageProgress) -> Iterator[Judged]:
    """Yield what the models of the run say of the images that they did not train on."""
    return judge_by_models(
        work.folder,
        work.folder.read_card(),
        work.opened,
        work.rows,
        registry=work.registry,
        trust=work.trust,
        progress=progress,
    )


def _by_folds(work: _Work) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels, in the model's class numbers, and the probabilities of each image."""
    import numpy as np

    from tlkit.evaluation.outcome import ClassificationOutcome

    place = {row: number for number, row in enumerate(work.rows.tolist())}
    labels: np.ndarray | None = None
    probabilities = np.zeros((len(place), len(work.opened.card.classes)))
    with work.reporter.stages("loading the models") as show:
        for each in _by_models(work, show):
            outcome = each.outcome
            assert isinstance(outcome, ClassificationOutcome)
            places = [place[row] for row in outcome.rows.tolist()]
            if labels is None:
                labels = np.zeros((len(place), *outcome.labels.shape[1:]), outcome.labels.dtype)
            labels[places], probabilities[places] = outcome.labels, outcome.probabilities
    assert labels is not None
    return labels, probabilities


def _judge_masks(work: _Work) -> _Judgement:
    """Judge the masks of a segmentation."""
    from tlkit.report.judged_masks import MaskJudge

    judge = MaskJudge(work.opened.card, work.opened.data)
    with work.reporter.stages("loading the model") as show:
        for each in _by_models(work, show):
            batch_size = work.opened.recipe.input.batch_size
            judge.add(each.outcome, each.predictor.logits_of(work.opened.data, batch_size))
        images = judge.images()
    notes: tuple[str, ...] = ()
    if work.folds:
        source = f"Each mask was compared with the prediction of the one of {len(work.folds)} folds that did not train "
        source += "on it."
    else:
        source = "Each mask was compared with the prediction of the run's model."
        notes = (
            "the model has trained on the training images, so it agrees with their masks more than it would otherwise. "
            "tlkit run --folds 5, and tlkit labels of that folder, compare each mask with a model that has not seen it",
        )
    return _Judgement(images, source, notes, judge.pictures, judge.legend)


def _write(result: LabelsResult, judgement: _Judgement, opened: OpenedRun) -> None:
    import numpy as np

    from tlkit.report.label_table import label_table
    from tlkit.report.labels_page import LabelsPage, labels_page

    images = opened.data.store.images
    said = result.images, result.source, result.notes, result.command
    page = LabelsPage(opened.card.name, *said, result.table.name, judgement.legend)
    text = labels_page(page, judgement.pictures, lambda row: np.asarray(images[row]))
    with writing(result.table):
        write_atomically(result.table, label_table(result.images).encode("utf-8", "replace"))
    with writing(result.page):
        write_atomically(result.page, text)
