"""One run, from its recipe to its report: the one place where data, models, training and evaluation meet."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.errors import RecipeError, RunError, TlkitError
from tlkit.jobs import parts
from tlkit.jobs.resume import checkpoint_to_go_on_from, damaged_products
from tlkit.recipe.load import locate
from tlkit.recipe.portable import portable_text
from tlkit.recipe.schema import Recipe
from tlkit.registry import Registry
from tlkit.runs.card import Card, Part
from tlkit.runs.disk_errors import explain_disk_errors
from tlkit.runs.folder import RunFolder
from tlkit.runs.log import logged
from tlkit.runs.plugins import parts_of
from tlkit.runs.samples import SamplesFile
from tlkit.system.disk import FullDiskError, full_disk_context, write_atomically
from tlkit.system.signals import Interrupted, Signals

if TYPE_CHECKING:
    from tlkit.contracts import Phase
    from tlkit.data.checks.check import Checked
    from tlkit.data.run_data import Data
    from tlkit.models.assemble import Network
    from tlkit.system.progress import Reporter
    from tlkit.train.checkpoint import Checkpoint


@dataclass(frozen=True)
class RunResult:
    """What a run gives back.

    Args:
        folder: the run folder.
        metrics: the contents of ``metrics.json``: split → metrics.
    """

    folder: Path
    metrics: Mapping[str, Any]


class Job:
    """A run, or the rest of one.

    Args:
        recipe: that is run.
        registry: the plugins.
        folder: of the run.
        then: the recipe as the run was begun with, if this is the rest of it.
    """

    reporter: Reporter
    log: logging.Logger

    def __init__(self, recipe: Recipe, registry: Registry, folder: RunFolder, then: Recipe | None = None) -> None:
        self.recipe = recipe
        self.registry = registry
        self.folder = folder
        self.then = then
        self.signals = Signals()
        self.cache = folder.path / "cache"
        self.training_began = then is not None

    def work(self, overrides: Sequence[str], *, quiet: bool) -> RunResult:
        """Do it, with the run's progress, log and signals; its folder is locked by who calls.

        Raises:
            TlkitError, Interrupted: as ``tlkit.run`` does; a recipe's problems point at its lines and ``overrides``.
        """
        from tlkit.system.progress import Reporter

        folder = self.folder.path
        with (
            explain_disk_errors(folder),
            Reporter(quiet=quiet) as reporter,
            logged(self.folder) as log,
            self.signals.handled(),
        ):
            self.reporter, self.log = reporter, log
            try:
                with explain_disk_errors(folder):
                    return self._go()
            except TlkitError as error:
                log.error("%s: %s", type(error).__name__, error)
                if not isinstance(error, FullDiskError):
                    self._abandon()
                if isinstance(error, RecipeError):
                    raise RecipeError(locate(error.problems, self.recipe.file, overrides)) from error
                raise
            except Interrupted as stopped:
                log.warning("%s", stopped)
                stopped.args = (f"{stopped} To go on: tlkit resume {folder}",)
                raise

    def _go(self) -> RunResult:
        began = time.monotonic()
        self._say(f"Run folder: {self.folder.path}")
        self._environment()
        if self.then is None:
            # Written last: with a recipe a run can go on, and it needs to know how it was begun.
            write_atomically(self.folder.recipe, portable_text(self.recipe))
        checkpoints = self._checkpoints()
        if self.then is not None and not checkpoints and self.folder.model.is_file() and self.folder.metrics.is_file():
            return self._without_checkpoints()
        try:
            data = self._data()
            network = self._network(data)
            phases = _plan(self.recipe, network)
            checkpoint = None
            if self.then is not None:
                before = _plan(self.then, network)
                checkpoint = checkpoint_to_go_on_from(before, phases, checkpoints, self.recipe, self._note)
                if checkpoint is None:
                    self._say("  there is no checkpoint: the run begins anew")
                elif self._ended(checkpoint, phases, data):
                    self._say(f"\nThe run has ended already; nothing to do. Open {self.folder.report} in a browser.")
                    return RunResult(self.folder.path, self.folder.read_json(self.folder.metrics))
            kept = self._train(data, network, phases, checkpoint)
            card = self._card(data)
            self._save(network, card, data, kept)
            metrics = self._evaluate(network, card, data, kept)
        finally:
            shutil.rmtree(self.cache, ignore_errors=True)
        minutes, seconds = divmod(round(time.monotonic() - began), 60)
        took = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
        self._say(f"\nDone in {took}. Open {self.folder.report} in a browser.")
        return RunResult(self.folder.path, metrics)

    def _environment(self) -> None:
        from tlkit.train.environment import describe_environment, differences

        now = describe_environment(self.registry, self.recipe)
        now["parts"] = [part.model_dump() for part in parts_of(self.recipe, self.registry)]
        if self.then is None or not self.folder.environment.is_file():
            self.folder.write_json(self.folder.environment, now)
            return
        before = self.folder.read_json(self.folder.environment)
        if not isinstance(before, dict):
            raise RunError(f"{self.folder.environment}: expected a table; the file is damaged: remove it and go on")
        changed = differences(before, now)
        if changed:
            self._say(f"  note: the last bits may differ from those of a run in one go: {'; '.join(changed)}")

    def _checkpoints(self) -> list[Checkpoint]:
        from tlkit.train.checkpoint import clean, read_checkpoints

        if self.then is None or not self.folder.checkpoints.exists():
            return []
        if not self.folder.checkpoints.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(self.folder.checkpoints))
        clean(self.folder.checkpoints)
        return read_checkpoints(self.folder.checkpoints, self._note)

    def _without_checkpoints(self) -> RunResult:
        """A run that has ended and whose checkpoints were removed: to begin it anew would cost the model."""
        why = f"{self.folder.checkpoints}: no checkpoint is left to go on from, and the run has ended"
        if self.then is not None and self.recipe.values != self.then.values:
            raise RunError(f"{why}; it can't be changed any more. Begin a new run: tlkit run {self.folder.recipe}")
        self._say(f"\n{why}; nothing to do. tlkit report {self.folder.path} writes its report anew.")
        return RunResult(self.folder.path, self.folder.read_json(self.folder.metrics))

    def _ended(self, checkpoint: Checkpoint, phases: Sequence[Phase], data: Data) -> bool:
        if checkpoint.state.phase < len(phases):
            return False
        predictions = len(data.indices("validation")) + len(data.indices("test"))
        damaged = damaged_products(
            self.folder, checkpoint, predictions if self.recipe.task == "classification" else None
        )
        if damaged:
            self._say(f"  note: missing or damaged, and written anew from the last checkpoint: {', '.join(damaged)}")
        return not damaged

    def _reopen(self) -> None:
        """Have a run that goes on be unfinished until its end is written again, and write the recipe it goes on with.

        The model stays: it is all that there is until the next one.
        """
        for file in (self.folder.card, self.folder.report, self.folder.metrics, self.folder.path / "predictions.csv"):
            file.unlink(missing_ok=True)
        write_atomically(self.folder.recipe, portable_text(self.recipe))

    def _abandon(self) -> None:
        """Remove a folder in which nothing was trained: it holds nothing that the user had or could use."""
        if not self.training_began:
            shutil.rmtree(self.folder.path, ignore_errors=True)

    def _say(self, text: str) -> None:
        self.reporter.say(text)
        self.log.info(text.strip())

    def _note(self, text: str) -> None:
        self._say(f"  note: {text}")

    def _data(self) -> Data:
        shutil.rmtree(self.cache, ignore_errors=True)
        self.cache.mkdir()
        self.reporter.begin("reading images", 1)
        data = parts.open_data(
            self.recipe,
            self.cache,
            lambda done, total: self.reporter.at(done, total, "reading images"),
            checking=lambda done, total: self.reporter.at(done, total, "checking files"),
        )
        self.reporter.end()
        if self.then is None or not self.folder.samples.is_file():
            data.write_samples_csv(self.folder.samples)
        else:
            SamplesFile(self.folder.samples).check_unchanged(data.sample_rows())
        if data.checked is not None and not (self.then is not None and self._check_is_there()):
            self._write_check(data.checked)
        counts = ", ".join(f"{len(data.indices(split))} {split}" for split in ("train", "validation", "test"))
        classes = ", ".join(data.classes[:8]) + (", …" if len(data.classes) > 8 else "")
        self._say(f"Data: {len(data.samples)} images ({counts}), {len(data.classes)} classes: {classes}")
        for note in data.notes:
            self._say(f"  note: {note}")
        if data.set_aside:
            self._say(f"  set aside: {len(data.set_aside)} files, named in {self.folder.samples}")
            for each in data.set_aside[:5]:
                self._say(f"    {each.key}: {each.reason}")
        return data

    def _check_is_there(self) -> bool:
        return all((self.folder.path / name).is_file() for name in ("check.json", "check.html"))

    def _write_check(self, checked: Checked) -> None:
        from tlkit.report.check_page import check_page

        report = replace(checked.report, name=self.recipe.name)
        write_atomically(self.folder.path / "check.json", report.json_text())
        write_atomically(self.folder.path / "check.html", check_page(report))
        lines = [line for line in report.lines(shown=1) if "→" not in line]
        self._say("\n".join([f"Check: {report.counts()}", *(f"  {line}" for line in lines)]))

    def _network(self, data: Data) -> Network:
        import tensorflow as tf

        from tlkit.train.environment import computes_bfloat16

        recipe = self.recipe
        normalization = parts.normalization(recipe, data)
        network = parts.build_network(recipe, data.classes, data.label_kind, normalization)
        if normalization is not None:
            mean, deviation = (
                ", ".join(f"{value:.1f}" for value in values)
                for values in (normalization.mean, normalization.deviation)
            )
            self._say(f"Normalisation: (image - mean) / deviation; mean {mean}; deviation {deviation}")
        half = recipe.train.precision == "mixed_bfloat16" and not tf.config.list_physical_devices("GPU")
        if half and computes_bfloat16() is False:
            self._say('  note: the processor has no instructions for bfloat16; train.precision = "float32" is faster')
        weights = recipe.backbone.options.weights
        self._say(
            f"Model: {recipe.backbone.record.name} (weights: {weights}) with head {recipe.head.record.name}, "
            f"{network.model.count_params():,} weights"
        )
        return network

    def _train(
        self, data: Data, network: Network, phases: tuple[Phase, ...], checkpoint: Checkpoint | None = None
    ) -> tuple[int, str]:
        """Train; gives the epoch whose weights were kept, and the column that chose it."""
        training = parts.make_training(
            self.recipe,
            data,
            network,
            self.folder,
            self.reporter,
            callbacks=self._callbacks,
            phase_finished=self._phase_finished,
            signals=self.signals,
        )
        training.check(phases)
        if self.then is not None:
            self._reopen()
        self.training_began = True
        if checkpoint is not None:
            self._say(f"Going on from checkpoint {checkpoint.state.number}: {_where(checkpoint, phases)}")
        training.run(phases, checkpoint)
        return training.ledger.best_epoch, training.ledger.monitor

    def _callbacks(self, run: Path, phase: Phase) -> list[Any]:
        import keras

        self.log.info("phase %s begins: %s", phase.name, phase)
        return self.registry.ask("tlkit_callbacks", keras.callbacks.Callback, run=run, phase=phase)

    def _phase_finished(self, run: Path, phase: Phase, metrics: Mapping[str, float]) -> None:
        self.log.info("phase %s ended: %s", phase.name, dict(metrics))
        self.registry.ask("tlkit_phase_finished", object, run=run, phase=phase, metrics=metrics)

    def _card(self, data: Data) -> Card:
        from tlkit.report.colors import palette

        recipe = self.recipe
        colors = [data.colors.get(number, color) for number, color in enumerate(palette(len(data.classes)))]
        return Card(
            tlkit=version("tlkit"),
            name=recipe.name,
            task=recipe.task,
            classes=data.classes,
            label_kind=data.label_kind,
            image_size=recipe.input.image_size,
            resize=recipe.input.resize,
            colors=tuple(colors),
            backbone=_part(recipe.values["backbone"]),
            head=_part(recipe.values["head"]),
        )

    def _save(self, network: Network, card: Card, data: Data, kept: tuple[int, str]) -> None:
        """Save the model, load it again and compare the two on real images before it is called saved."""
        import keras
        import numpy as np

        rows = data.indices("validation") if len(data.indices("validation")) else data.indices("train")
        images = np.asarray(data.store.images[rows[:8]], np.float32)
        ours = keras.ops.convert_to_numpy(network.model(images, training=False))
        if not np.isfinite(ours).all():
            raise RunError(
                f"{self.folder.model}: not written: the model's logits are not finite, so the training diverged. The "
                f"weights of epoch {kept[0]} were kept (by {kept[1]}) and are in {self.folder.checkpoints}; begin a "
                "new run with a lower learning rate of the schedule"
            )
        temporary = self.folder.path / ".tmp-model.keras"
        # A model of its own around the same layers: it has no optimizer, whose state would double the file.
        model = keras.Model(network.model.input, network.model.output, name=network.model.name)
        with full_disk_context(temporary, 4 * model.count_params()):
            model.save(temporary)
        theirs = keras.ops.convert_to_numpy(self._read_again(temporary)(images, training=False))
        tolerance = 1e-4 if self.recipe.train.precision == "float32" else 2e-2
        if not np.allclose(ours, theirs, rtol=tolerance, atol=tolerance * max(1.0, float(np.abs(ours).max()))):
            worst = float(np.abs(ours - theirs).max())
            raise RunError(
                f"{temporary}: the reloaded model's logits differ from the trained model's by up to {worst:g}; "
                f"the weights are safe in {self.folder.checkpoints}"
            )
        temporary.replace(self.folder.model)
        self.folder.write_json(self.folder.card, card.model_dump(mode="json"))
        self._say(f"Model saved: {self.folder.model} (reloaded and compared)")

    def _read_again(self, file: Path) -> Any:
        """As anybody will read it; a model with a layer of a plugin's own can only be read by who trusts it."""
        from tlkit.models.safe_load import NotAllowedError, load_model_file

        try:
            return load_model_file(file)
        except NotAllowedError as error:
            self._say(f"  note: to load this model will take --trust: {error.__cause__}")
            return load_model_file(file, trust=True)

    def _evaluate(self, network: Network, card: Card, data: Data, kept: tuple[int, str]) -> Mapping[str, Any]:
        from tlkit.evaluation.predictor import Predictor
        from tlkit.report.run_report import plugin_sections, write_results

        self.reporter.begin("evaluating", 1)
        metrics = write_results(
            self.folder,
            Predictor(card, network.model),
            data,
            batch_size=self.recipe.input.batch_size,
            sections=plugin_sections(self.registry, self.folder),
            progress=lambda done, total: self.reporter.at(done, total, "evaluating"),
            best=kept,
        )
        self.reporter.end()
        for split, values in metrics.items():
            self._say(f"{split}: {_headline(values)}")
        return metrics


def _plan(recipe: Recipe, network: Network) -> tuple[Phase, ...]:
    """The phases of a recipe, each with the early stop that it has."""
    phases = parts.plan_phases(recipe, network)
    return tuple(replace(phase, early_stop=phase.early_stop or recipe.train.early_stop) for phase in phases)


def _where(checkpoint: Checkpoint, phases: Sequence[Phase]) -> str:
    state = checkpoint.state
    if state.phase >= len(phases):
        return "all phases are done"
    if state.inside is None:
        return f"before phase {phases[state.phase].name}"
    return f"phase {phases[state.phase].name}, epoch {state.inside.epoch + 1}, after {state.inside.step} steps"


def _part(table: Mapping[str, Any]) -> Part:
    return Part(name=table["name"], options={key: value for key, value in table.items() if key != "name"})


def _headline(values: Mapping[str, Any]) -> str:
    shown = [f"{name} {value:.4f}" for name, value in values.items() if isinstance(value, float)]
    if "iou" in values:
        each = ", ".join(f"{name} {value:.3f}" for name, value in values["iou"].items() if value is not None)
        shown.append(f"IoU by class: {each}" if len(values["iou"]) <= 12 else "")
    return "  ".join(text for text in shown if text)
