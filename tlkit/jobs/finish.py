"""Train what a run has prepared, save and evaluate the model, and write the report."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.cluster.heartbeat import Beat
from tlkit.jobs import from_recipe
from tlkit.jobs.job import Job
from tlkit.jobs.stages import Plan
from tlkit.recipe.schema import Recipe
from tlkit.runs.card import Card, Part
from tlkit.runs.checksums import TABLES, add_checksums
from tlkit.runs.secrets import without_secrets
from tlkit.runs.workers import TrainedWorker, TrainedWorkers, write_workers

if TYPE_CHECKING:
    import numpy as np

    from tlkit.contracts import Phase, Split
    from tlkit.data.run_data import Data
    from tlkit.train.checkpoint import Checkpoint
    from tlkit.train.loop import Training
    from tlkit.train.parts import ModelInParts

_COMPARED = 16
"""Images on which the saved model is compared with the trained one."""


@dataclass(frozen=True)
class RunResult:
    """What a run returns.

    Args:
        folder: the run folder.
        metrics: the contents of ``metrics.json``: split → metrics.
    """

    folder: Path
    metrics: Mapping[str, Any]


@dataclass(frozen=True)
class Best:
    """The epoch whose weights the trained model has.

    Args:
        epoch: its number, from 1 over all phases.
        monitor: the column of ``metrics.csv`` that chose it.
    """

    epoch: int
    monitor: str


def prepare_training(job: Job, plan: Plan, *, new: bool = True) -> Training:
    """Set up the training, and check everything that can be checked before the first step.

    Args:
        job: the run.
        plan: the network, the data and the phases.
        new: whether the run begins; one that is resumed keeps its metrics, even those that are refused by now.

    Raises:
        RecipeError: the loss, a metric, the monitor, the class weights or an optimizer is not valid.
    """
    with job.reporter.stage("preparing the training"):
        training = from_recipe.make_training(
            job.recipe,
            plan.data,
            plan.network,
            job.member.run or job.folder,
            job.reporter,
            team=job.member.team,
            writes=job.member.chief,
            saving=job.member.saving,
            callbacks=partial(_callbacks, job, plan),
            phase_finished=partial(_phase_finished, job),
            signals=job.signals,
            cluster=job.member.cluster,
        )
        training.check(plan.phases, new=new)
    return training


def _callbacks(job: Job, plan: Plan, run: Path, phase: Phase) -> list[Any]:
    """Return the Keras callbacks of a phase: those of plugins, which only the chief calls, and the heartbeat's."""
    count, size, team = len(plan.data.indices("train")), job.recipe.input.batch_size, job.member.team

    def rows(step: int) -> int:
        batch = min(size, count - step * size)
        mine = team.rows(batch)
        return int(mine.stop - mine.start)

    own = job.member.callbacks(rows)
    return [*(plugin_callbacks(job, run, phase) if job.member.chief else ()), *own]


def plugin_callbacks(job: Job, run: Path, phase: Phase) -> list[Any]:
    """Return the Keras callbacks that plugins add to a phase."""
    import keras

    job.log.info("phase %s begins: %s", phase.name, phase)
    recipe = shown_recipe(job.recipe)
    return job.registry.ask("tlkit_callbacks", keras.callbacks.Callback, run=run, phase=phase, recipe=recipe)


def shown_recipe(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as plugins see it: nested plain values without secrets."""
    return dict(without_secrets(recipe.values))


def _phase_finished(job: Job, run: Path, phase: Phase, metrics: Mapping[str, float]) -> None:
    job.log.info("phase %s ended: %s", phase.name, dict(metrics))
    if not job.member.chief:
        return
    job.registry.ask("tlkit_phase_finished", object, run=run, phase=phase, metrics=metrics)


def train_and_finish(job: Job, plan: Plan, training: Training, checkpoint: Checkpoint | None = None) -> RunResult:
    """Train the phases, save the model, evaluate it and write the report.

    Args:
        job: the run.
        plan: the network, the data and the phases.
        training: as ``prepare_training`` returns it.
        checkpoint: where training continues; None to start it.
    """
    best = train(plan, training, checkpoint)
    beats = job.member.end_training()
    if not job.member.chief:
        return RunResult(job.folder.path, {})
    if beats:
        write_workers(job.folder, TrainedWorkers(workers=_trained(beats), losses=list(job.member.losses)))
    else:
        job.folder.workers_table.unlink(missing_ok=True)
    card = _card(job.recipe, plan.data)
    parts = training.in_parts()
    parts = save_model(job, plan, card, best, parts)
    metrics = evaluate(job, plan, card, best, parts)
    add_checksums(job.folder.path, TABLES)
    job.write_profile(show=True)
    run_finished(job, metrics)
    minutes, seconds = divmod(round(time.monotonic() - job.member.started), 60)
    took = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    job.say(f"Done in {took}. Open {job.folder.report} in a browser.", gap=True)
    return RunResult(job.folder.path, metrics)


def _trained(beats: Sequence[Beat]) -> list[TrainedWorker]:
    return [
        TrainedWorker(
            rank=rank,
            host=beat.host[:200],
            devices=beat.devices,
            threads=beat.threads,
            images=beat.images,
            computing=round(beat.computing, 3),
            waiting=round(beat.waiting, 3),
        )
        for rank, beat in enumerate(beats)
    ]


def run_finished(job: Job, metrics: Mapping[str, Any]) -> None:
    """Tell plugins that the run is finished, and print their notes."""
    arguments: dict[str, Any] = {"run": job.folder.path, "recipe": shown_recipe(job.recipe), "metrics": dict(metrics)}
    for note in job.registry.ask("tlkit_run_finished", str, **arguments):
        job.note(note)


def train(plan: Plan, training: Training, checkpoint: Checkpoint | None) -> Best:
    """Train the phases, from a checkpoint if there is one."""
    training.run(plan.phases, checkpoint)
    return Best(training.ledger.best_epoch, training.ledger.monitor)


def _card(recipe: Recipe, data: Data) -> Card:
    from tlkit.report.colors import palette

    colors = [data.colors.get(number, color) for number, color in enumerate(palette(len(data.classes)))]
    return Card(
        tlkit=version("tlkit"),
        name=recipe.name,
        task=recipe.task,
        classes=data.classes,
        label_kind=data.label_kind,
        image_size=recipe.input.image_size,
        resize=recipe.input.resize,
        value_range=data.value_range,
        bands=recipe.input.bands,
        orientation=recipe.input.orientation,
        colors=tuple(colors),
        backbone=_part(recipe.values["backbone"]),
        head=_part(recipe.values["head"]),
    )


def _part(table: Mapping[str, Any]) -> Part:
    return Part(name=table["name"], options={key: value for key, value in table.items() if key != "name"})


def save_model(job: Job, plan: Plan, card: Card, best: Best, parts: ModelInParts | None) -> ModelInParts | None:
    """Save the model, compare the reloaded file with it on real images, and write its card.

    A model in parts is what is evaluated, so its logits are what those of the reloaded file are compared with.

    Returns:
        the model in parts, if it gives the logits of the whole model.
    """
    from tlkit.models import saving
    from tlkit.models.tasks import task_of_card

    images, logits = _compared(plan.data, job.recipe.seed, parts)
    with job.reporter.stages("saving the model") as show:
        trained = saving.Trained(
            plan.network.model,
            task_of_card(card),
            images,
            precision=job.recipe.train.precision,
            weights=f"epoch {best.epoch} (best {best.monitor})",
            in_parts=logits,
            **({} if parts is None else {"lite": parts.lite}),
        )
        saved = saving.save_model(job.folder, trained, show)
    job.folder.write_card(card.model_dump(mode="json", exclude={"folds"}))
    if saved.needs_trust is not None:
        job.note(f"loading this model later requires --trust: {saved.needs_trust}")
    elif saved.needs_tensorflow is not None:
        job.note(f"no {job.folder.lite.name} was written, so predicting takes TensorFlow: {saved.needs_tensorflow}")
    job.say(f"Model saved: {job.folder.model} (reloaded and compared)")
    if saved.parts_differ is None:
        return parts
    job.note(f"the whole model is evaluated, since {saved.parts_differ}")
    return None


def _compared(data: Data, seed: int, parts: ModelInParts | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Return some images of each split that is evaluated, else training images, and their logits by the parts."""
    import numpy as np

    splits: tuple[Split, ...] = ("validation", "test")
    groups = [rows for split in splits if len(rows := data.indices(split))] or [data.indices("train")]
    random = np.random.default_rng(seed)
    groups = [np.sort(random.permutation(rows)[: _COMPARED // len(groups)]) for rows in groups]
    images = data.store.images[np.concatenate(groups)]
    if parts is None:
        return images, None
    return images, np.concatenate([logits for rows in groups for logits in parts.batches(rows)])


def evaluate(job: Job, plan: Plan, card: Card, best: Best, parts: ModelInParts | None) -> Mapping[str, Any]:
    """Evaluate the model, write metrics, predictions, pictures and the report, and return the metrics per split."""
    from tlkit.evaluation.logits import logits_of_model
    from tlkit.report.write_results import WRITING, Additions, plugin_sections, write_results

    with job.reporter.stages("evaluating") as change:

        def show(doing: str, done: int, total: int) -> None:
            change(doing, done, total)
            if doing == WRITING:
                job.write_profile()  # The report has a table of what it says by now.

        results = write_results(
            job.folder,
            card,
            plan.data,
            parts or logits_of_model(plan.network.model, card, plan.data, job.recipe.input.batch_size),
            recipe=job.recipe,
            added=Additions(plugin_sections(job.registry, job.folder), (best.epoch, best.monitor)),
            progress=show,
        )
    for split, values in results.metrics.items():
        job.say(f"{split}: {_headline(values)}")
    for note in results.notes:
        job.note(note)
    return results.metrics


def _headline(values: Mapping[str, Any]) -> str:
    shown = [f"{name} {value:.4f}" for name, value in values.items() if isinstance(value, float)]
    if "iou" in values and len(values["iou"]) <= 12:
        each = ", ".join(f"{name} {value:.3f}" for name, value in values["iou"].items() if value is not None)
        shown.append(f"IoU per class: {each}")
    return "  ".join(shown)
