"""What ``tlkit run`` and ``tlkit.load`` do: the one place where data, models, training and evaluation meet."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit import from_recipe
from tlkit.errors import RecipeError, RunError, TlkitError
from tlkit.quiet import start_tensorflow
from tlkit.recipe import catalog
from tlkit.recipe.load import load_recipe, locate
from tlkit.recipe.portable import portable_text
from tlkit.recipe.schema import Recipe
from tlkit.registry import Registry, make_registry
from tlkit.resuming import check_changes, checkpoint_to_go_on_from, damaged_products
from tlkit.run_plugins import load_run_recipe, parts_of
from tlkit.rundir import Card, Part, RunFolder, create_run_folder, own_table, write_atomically
from tlkit.runlock import FullDiskError, locked, naming, telling_of_the_disk
from tlkit.signals import Interrupted, Signals

if TYPE_CHECKING:
    from tlkit.contracts import Phase
    from tlkit.data.checks import Checked
    from tlkit.data.prepare import Data
    from tlkit.evaluate.predictor import Predictor
    from tlkit.models.assemble import Network
    from tlkit.train.checkpoint import Checkpoint
    from tlkit.train.progress import Reporter


@dataclass(frozen=True)
class RunResult:
    """What a run gives back.

    Args:
        folder: the run folder.
        metrics: the contents of ``metrics.json``: split → metrics.
    """

    folder: Path
    metrics: Mapping[str, Any]


def run(
    recipe: str | Path,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    *,
    registry: Registry | None = None,
    quiet: bool = False,
    deterministic: bool = False,
) -> RunResult:
    """Run a recipe: read the data, build the model, train its phases, evaluate, write the run folder.

    Args:
        recipe: a recipe's file, or the name of a shipped recipe.
        overrides: ``key=value`` as ``tlkit run --set`` takes them.
        out: the run folder; None for ``runs/<recipe>-<n>``.
        registry: the plugins; None for those that are installed.
        quiet: print nothing.
        deterministic: have TensorFlow use deterministic operations only, for this process from now on; slower.

    Raises:
        RecipeError: the recipe is not valid.
        DataError: the data or the weights can't be used.
        PluginError: a plugin broke its contract.
        RunError: the run folder can't be used, or the training failed.
        BusyError: another process works in the run folder.
        FullDiskError: there is no room for a file of the run folder.
        Interrupted: by SIGINT or SIGTERM, which are handled while it runs; a checkpoint was written.
    """
    registry = registry or make_registry()
    checked = load_recipe(catalog.resolve(Path(recipe)), registry, overrides)
    start_tensorflow(deterministic=deterministic)
    folder = create_run_folder(checked.name, None if out is None else Path(out))
    with locked(folder.path):
        return _work(_Run(checked, registry, folder), overrides, quiet=quiet)


def resume(
    run_folder: str | Path,
    overrides: Sequence[str] = (),
    *,
    registry: Registry | None = None,
    quiet: bool = False,
) -> RunResult:
    """Go on with a run that was stopped, from its last checkpoint, to the bits that it would have come to.

    Args:
        run_folder: of the run.
        overrides: ``key=value``; the number of epochs of the phase that is trained, or of the last, may change.
        registry: the plugins; None for those that are installed.
        quiet: print nothing.

    Raises:
        RecipeError: an override is not valid, or can't change in a run that has begun.
        RunError: it is no run folder, or what it was made with has changed.
        DataError, PluginError, BusyError, FullDiskError, Interrupted: as ``run``.
    """
    folder = RunFolder(Path(run_folder))
    if not folder.path.is_dir():
        raise RunError(f"{folder.path}: no such run folder; expected the folder that tlkit run printed")
    if not folder.recipe.is_file():
        raise RunError(f"{folder.path}: has no {folder.recipe.name}: nothing to go on with; use tlkit run")
    folder.refuse_links()
    registry = registry or make_registry()
    with locked(folder.path):
        then = load_run_recipe(folder, registry)
        now = load_run_recipe(folder, registry, overrides)
        try:
            check_changes(then, now)
        except RecipeError as error:
            raise RecipeError(locate(error.problems, folder.recipe, overrides)) from error
        environment = folder.read_json(folder.environment) if folder.environment.is_file() else {}
        start_tensorflow(deterministic=isinstance(environment, dict) and bool(environment.get("op_determinism")))
        return _work(_Run(now, registry, folder, then), overrides, quiet=quiet)


def _work(job: _Run, overrides: Sequence[str], *, quiet: bool) -> RunResult:
    from tlkit.train.progress import Reporter

    folder = job.folder.path
    with (
        telling_of_the_disk(folder),
        Reporter(quiet=quiet) as reporter,
        _log(job.folder) as log,
        job.signals.handled(),
    ):
        job.reporter, job.log = reporter, log
        try:
            with telling_of_the_disk(folder):
                return job.go()
        except TlkitError as error:
            log.error("%s: %s", type(error).__name__, error)
            if not isinstance(error, FullDiskError):
                job.abandon()
            if isinstance(error, RecipeError):
                raise RecipeError(locate(error.problems, job.recipe.file, overrides)) from error
            raise
        except Interrupted as stopped:
            log.warning("%s", stopped)
            stopped.args = (f"{stopped} To go on: tlkit resume {folder}",)
            raise


def load(run_folder: str | Path, *, trust: bool = False) -> Predictor:
    """A trained model from its run folder, ready for ``predict``.

    Args:
        run_folder: of the run, whoever made it: nothing in it is executed.
        trust: also load a model with layers of a plugin's own, which runs that plugin's code on what the file says.

    Raises:
        RunError: it is no finished run folder, or it is damaged.
    """
    start_tensorflow()
    from tlkit.evaluate.predictor import Predictor

    return Predictor.open(Path(run_folder), trust=trust)


class _LogFile(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Nothing: on a full disk it is what the run needs to write that ends it, with a message."""


@contextmanager
def _log(folder: RunFolder) -> Iterator[logging.Logger]:
    """``events.log``: what the run did, with times in UTC."""
    log = logging.getLogger(f"tlkit.run.{folder.path.resolve()}")
    log.setLevel(logging.INFO)
    log.propagate = False
    handler = _LogFile(folder.log, encoding="utf-8", errors="backslashreplace")
    formatter = logging.Formatter("%(asctime)sZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    log.addHandler(handler)
    try:
        yield log
    finally:
        log.removeHandler(handler)
        handler.close()


class _Run:
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

    def go(self) -> RunResult:
        began = time.monotonic()
        self.say(f"Run folder: {self.folder.path}")
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
                    self.say("  there is no checkpoint: the run begins anew")
                elif self._ended(checkpoint, phases, data):
                    self.say(f"\nThe run has ended already; nothing to do. Open {self.folder.report} in a browser.")
                    return RunResult(self.folder.path, self.folder.read_json(self.folder.metrics))
            kept = self._train(data, network, phases, checkpoint)
            card = self._card(data)
            self._save(network, card, data, kept)
            metrics = self._evaluate(network, card, data, kept)
        finally:
            shutil.rmtree(self.cache, ignore_errors=True)
        minutes, seconds = divmod(round(time.monotonic() - began), 60)
        took = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
        self.say(f"\nDone in {took}. Open {self.folder.report} in a browser.")
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
            self.say(f"  note: the last bits may differ from those of a run in one go: {'; '.join(changed)}")

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
        self.say(f"\n{why}; nothing to do. tlkit report {self.folder.path} writes its report anew.")
        return RunResult(self.folder.path, self.folder.read_json(self.folder.metrics))

    def _ended(self, checkpoint: Checkpoint, phases: Sequence[Phase], data: Data) -> bool:
        if checkpoint.state.phase < len(phases):
            return False
        predictions = len(data.indices("validation")) + len(data.indices("test"))
        damaged = damaged_products(
            self.folder, checkpoint, predictions if self.recipe.task == "classification" else None
        )
        if damaged:
            self.say(f"  note: missing or damaged, and written anew from the last checkpoint: {', '.join(damaged)}")
        return not damaged

    def _reopen(self) -> None:
        """Have a run that goes on be unfinished until its end is written again, and write the recipe it goes on with.

        The model stays: it is all that there is until the next one.
        """
        for file in (self.folder.card, self.folder.report, self.folder.metrics, self.folder.path / "predictions.csv"):
            file.unlink(missing_ok=True)
        write_atomically(self.folder.recipe, portable_text(self.recipe))

    def abandon(self) -> None:
        """Remove a folder in which nothing was trained: it holds nothing that the user had or could use."""
        if not self.training_began:
            shutil.rmtree(self.folder.path, ignore_errors=True)

    def say(self, text: str) -> None:
        self.reporter.say(text)
        self.log.info(text.strip())

    def _note(self, text: str) -> None:
        self.say(f"  note: {text}")

    def _data(self) -> Data:
        shutil.rmtree(self.cache, ignore_errors=True)
        self.cache.mkdir()
        self.reporter.begin("reading images", 1)
        data = from_recipe.open_data(
            self.recipe,
            self.cache,
            lambda done, total: self.reporter.at(done, total, "reading images"),
            checking=lambda done, total: self.reporter.at(done, total, "checking files"),
        )
        self.reporter.end()
        if self.then is None or not self.folder.samples.is_file():
            data.write_samples_csv(self.folder.samples)
        else:
            self._check_samples(data)
        if data.checked is not None and not (self.then is not None and self._check_is_there()):
            self._write_check(data.checked)
        counts = ", ".join(f"{len(data.indices(split))} {split}" for split in ("train", "validation", "test"))
        classes = ", ".join(data.classes[:8]) + (", …" if len(data.classes) > 8 else "")
        self.say(f"Data: {len(data.samples)} images ({counts}), {len(data.classes)} classes: {classes}")
        for note in data.notes:
            self.say(f"  note: {note}")
        if data.set_aside:
            self.say(f"  set aside: {len(data.set_aside)} files, named in {self.folder.samples}")
            for each in data.set_aside[:5]:
                self.say(f"    {each.key}: {each.reason}")
        return data

    def _check_samples(self, data: Data) -> None:
        """Whether the data is what the run began with."""
        again = self.cache / "samples.csv"
        data.write_samples_csv(again)
        before, after = _rows(self.folder.samples), _rows(again)
        if before and "image_digest" not in before[0]:  # an earlier tlkit began the run
            after = [{name: text for name, text in row.items() if name != "image_digest"} for row in after]
        if before != after:
            then, now = ({(row["key"], row["digest"]): row for row in rows} for rows in (before, after))
            # A file that is another also changes the splits of others; the cause is named first.
            keys = sorted({key for key, _ in then.keys() ^ now.keys()})
            keys = keys or sorted(key[0] for key, row in then.items() if now[key] != row)
            some = ", ".join(keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")
            raise RunError(
                f"{self.folder.samples}: the data is not what the run began with: {some or 'the order'} changed since. "
                "Put it back as it was, or begin a new run"
            )

    def _check_is_there(self) -> bool:
        return all((self.folder.path / name).is_file() for name in ("check.json", "check.html"))

    def _write_check(self, checked: Checked) -> None:
        from tlkit.evaluate.check_page import check_page

        report = replace(checked.report, name=self.recipe.name)
        write_atomically(self.folder.path / "check.json", report.json_text())
        write_atomically(self.folder.path / "check.html", check_page(report))
        lines = [line for line in report.lines(shown=1) if "→" not in line]
        self.say("\n".join([f"Check: {report.counts()}", *(f"  {line}" for line in lines)]))

    def _network(self, data: Data) -> Network:
        import tensorflow as tf

        from tlkit.train.environment import computes_bfloat16

        recipe = self.recipe
        normalization = from_recipe.normalization(recipe, data)
        network = from_recipe.build_network(recipe, data.classes, data.label_kind, normalization)
        if normalization is not None:
            mean, deviation = (
                ", ".join(f"{value:.1f}" for value in values)
                for values in (normalization.mean, normalization.deviation)
            )
            self.say(f"Normalisation: (image - mean) / deviation; mean {mean}; deviation {deviation}")
        half = recipe.train.precision == "mixed_bfloat16" and not tf.config.list_physical_devices("GPU")
        if half and computes_bfloat16() is False:
            self.say('  note: the processor has no instructions for bfloat16; train.precision = "float32" is faster')
        weights = recipe.backbone.options.weights
        self.say(
            f"Model: {recipe.backbone.record.name} (weights: {weights}) with head {recipe.head.record.name}, "
            f"{network.model.count_params():,} weights"
        )
        return network

    def _train(
        self, data: Data, network: Network, phases: tuple[Phase, ...], checkpoint: Checkpoint | None = None
    ) -> tuple[int, str]:
        """Train; gives the epoch whose weights were kept, and the column that chose it."""
        training = from_recipe.make_training(
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
            self.say(f"Going on from checkpoint {checkpoint.state.number}: {_where(checkpoint, phases)}")
        training.run(phases, checkpoint)
        return training.kept_epoch, training.monitor

    def _callbacks(self, run: Path, phase: Phase) -> list[Any]:
        import keras

        self.log.info("phase %s begins: %s", phase.name, phase)
        return self.registry.ask("tlkit_callbacks", keras.callbacks.Callback, run=run, phase=phase)

    def _phase_finished(self, run: Path, phase: Phase, metrics: Mapping[str, float]) -> None:
        self.log.info("phase %s ended: %s", phase.name, dict(metrics))
        self.registry.ask("tlkit_phase_finished", object, run=run, phase=phase, metrics=metrics)

    def _card(self, data: Data) -> Card:
        import tlkit
        from tlkit.evaluate.pictures import palette

        recipe = self.recipe
        colors = [data.colors.get(number, color) for number, color in enumerate(palette(len(data.classes)))]
        return Card(
            tlkit=tlkit.__version__,
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
        with naming(temporary, 4 * model.count_params()):
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
        self.say(f"Model saved: {self.folder.model} (reloaded and compared)")

    def _read_again(self, file: Path) -> Any:
        """As anybody will read it; a model with a layer of a plugin's own can only be read by who trusts it."""
        from tlkit.models.safe_load import NotAllowedError, load_model_file

        try:
            return load_model_file(file)
        except NotAllowedError as error:
            self.say(f"  note: to load this model will take --trust: {error.__cause__}")
            return load_model_file(file, trust=True)

    def _evaluate(self, network: Network, card: Card, data: Data, kept: tuple[int, str]) -> Mapping[str, Any]:
        from tlkit.evaluate.report import plugin_sections, write_results

        self.reporter.begin("evaluating", 1)
        metrics = write_results(
            self.folder,
            network.model,
            card,
            data,
            batch_size=self.recipe.input.batch_size,
            sections=plugin_sections(self.registry, self.folder),
            progress=lambda done, total: self.reporter.at(done, total, "evaluating"),
            kept=kept,
        )
        self.reporter.end()
        for split, values in metrics.items():
            self.say(f"{split}: {_headline(values)}")
        return metrics


def _rows(file: Path) -> list[dict[str, str]]:
    """What a ``samples.csv`` says of the data; where the files lie, which its paths and reasons name, may change."""
    return [{k: v for k, v in row.items() if k not in ("path", "mask", "reason")} for row in own_table(file)]


def _plan(recipe: Recipe, network: Network) -> tuple[Phase, ...]:
    """The phases of a recipe, each with the early stop that it has."""
    phases = from_recipe.plan_phases(recipe, network)
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
