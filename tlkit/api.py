"""What ``tlkit run`` and ``tlkit.load`` do: the one place where data, models, training and evaluation meet."""

from __future__ import annotations

import logging
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
from tlkit.rundir import Card, Part, RunFolder, create_run_folder, write_atomically

if TYPE_CHECKING:
    from tlkit.contracts import Phase
    from tlkit.data.checks import Checked
    from tlkit.data.prepare import Data
    from tlkit.evaluate.predictor import Predictor
    from tlkit.models.assemble import Network
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
) -> RunResult:
    """Run a recipe: read the data, build the model, train its phases, evaluate, write the run folder.

    Args:
        recipe: a recipe's file, or the name of a shipped recipe.
        overrides: ``key=value`` as ``tlkit run --set`` takes them.
        out: the run folder; None for ``runs/<recipe>-<n>``.
        registry: the plugins; None for those that are installed.
        quiet: print nothing.

    Raises:
        RecipeError: the recipe is not valid.
        DataError: the data or the weights can't be used.
        PluginError: a plugin broke its contract.
        RunError: the run folder can't be used, or the training failed.
    """
    registry = registry or make_registry()
    checked = load_recipe(catalog.resolve(Path(recipe)), registry, overrides)
    start_tensorflow()
    from tlkit.train.progress import Reporter

    folder = create_run_folder(checked.name, None if out is None else Path(out))
    with Reporter(quiet=quiet) as reporter, _log(folder) as log:
        job = _Run(checked, registry, folder, reporter, log)
        try:
            return job.go()
        except TlkitError as error:
            log.error("%s: %s", type(error).__name__, error)
            job.abandon()
            if isinstance(error, RecipeError):
                raise RecipeError(locate(error.problems, checked.file, overrides)) from error
            raise


def load(run_folder: str | Path) -> Predictor:
    """A trained model from its run folder, ready for ``predict``.

    Raises:
        RunError: it is no finished run folder, or it is damaged.
    """
    start_tensorflow()
    from tlkit.evaluate.predictor import Predictor

    return Predictor.open(Path(run_folder))


@contextmanager
def _log(folder: RunFolder) -> Iterator[logging.Logger]:
    """``events.log``: what the run did, with times in UTC."""
    log = logging.getLogger(f"tlkit.run.{folder.path.resolve()}")
    log.setLevel(logging.INFO)
    log.propagate = False
    handler = logging.FileHandler(folder.log, encoding="utf-8")
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
    def __init__(
        self, recipe: Recipe, registry: Registry, folder: RunFolder, reporter: Reporter, log: logging.Logger
    ) -> None:
        self.recipe = recipe
        self.registry = registry
        self.folder = folder
        self.reporter = reporter
        self.log = log
        self.cache = folder.path / "cache"
        self.training_began = False

    def go(self) -> RunResult:
        from tlkit.train.environment import describe_environment

        began = time.monotonic()
        self.say(f"Run folder: {self.folder.path}")
        write_atomically(self.folder.recipe, portable_text(self.recipe))
        self.folder.write_json(self.folder.environment, describe_environment(self.registry, self.recipe))
        try:
            data = self._data()
            network = self._network(data)
            phases = from_recipe.plan_phases(self.recipe, network)
            kept = self._train(data, network, phases)
            card = self._card(data)
            self._save(network, card, data)
            metrics = self._evaluate(network, card, data, kept)
        finally:
            shutil.rmtree(self.cache, ignore_errors=True)
        minutes, seconds = divmod(round(time.monotonic() - began), 60)
        took = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
        self.say(f"\nDone in {took}. Open {self.folder.report} in a browser.")
        return RunResult(self.folder.path, metrics)

    def abandon(self) -> None:
        """Remove a folder in which nothing was trained: it holds nothing that the user had or could use."""
        if not self.training_began:
            shutil.rmtree(self.folder.path, ignore_errors=True)

    def say(self, text: str) -> None:
        self.reporter.say(text)
        self.log.info(text.strip())

    def _data(self) -> Data:
        self.cache.mkdir()
        self.reporter.begin("reading images", 1)
        data = from_recipe.open_data(
            self.recipe,
            self.cache,
            lambda done, total: self.reporter.at(done, total, "reading images"),
            checking=lambda done, total: self.reporter.at(done, total, "checking files"),
        )
        self.reporter.end()
        data.write_samples_csv(self.folder.samples)
        if data.checked is not None:
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

    def _write_check(self, checked: Checked) -> None:
        from tlkit.evaluate.check_page import check_page

        report = replace(checked.report, name=self.recipe.name)
        write_atomically(self.folder.path / "check.json", report.json_text())
        write_atomically(self.folder.path / "check.html", check_page(report))
        lines = [line for line in report.lines(shown=1) if "→" not in line]
        self.say("\n".join([f"Check: {report.counts()}", *(f"  {line}" for line in lines)]))

    def _network(self, data: Data) -> Network:
        recipe = self.recipe
        normalization = from_recipe.normalization(recipe, data)
        network = from_recipe.build_network(recipe, data.classes, data.label_kind, normalization)
        if normalization is not None:
            mean, deviation = (
                ", ".join(f"{value:.1f}" for value in values)
                for values in (normalization.mean, normalization.deviation)
            )
            self.say(f"Normalisation: (image - mean) / deviation; mean {mean}; deviation {deviation}")
        weights = recipe.backbone.options.weights
        self.say(
            f"Model: {recipe.backbone.record.name} (weights: {weights}) with head {recipe.head.record.name}, "
            f"{network.model.count_params():,} weights"
        )
        return network

    def _train(self, data: Data, network: Network, phases: tuple[Phase, ...]) -> tuple[int, str]:
        """Train; gives the epoch whose weights were kept, and the column that chose it."""
        training = from_recipe.make_training(
            self.recipe,
            data,
            network,
            self.folder,
            self.reporter,
            callbacks=self._callbacks,
            phase_finished=self._phase_finished,
        )
        training.check(phases)
        self.training_began = True
        training.run(phases)
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

    def _save(self, network: Network, card: Card, data: Data) -> None:
        """Save the model, load it again and compare the two on real images before it is called saved."""
        import keras
        import numpy as np

        temporary = self.folder.path / ".tmp-model.keras"
        network.model.save(temporary)
        again = keras.saving.load_model(temporary, compile=False, safe_mode=True)
        rows = data.indices("validation") if len(data.indices("validation")) else data.indices("train")
        images = np.asarray(data.store.images[rows[:8]], np.float32)
        ours, theirs = (keras.ops.convert_to_numpy(model(images, training=False)) for model in (network.model, again))
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

    def _evaluate(self, network: Network, card: Card, data: Data, kept: tuple[int, str]) -> Mapping[str, Any]:
        from tlkit.contracts import ReportSection
        from tlkit.evaluate.report import write_results

        def sections(result: Mapping[str, Any]) -> list[ReportSection]:
            found = self.registry.ask("tlkit_report_sections", ReportSection, run=self.folder.path, result=result)
            return sorted(found, key=lambda section: section.title)

        self.reporter.begin("evaluating", 1)
        metrics = write_results(
            self.folder,
            network.model,
            card,
            data,
            batch_size=self.recipe.input.batch_size,
            sections=sections,
            progress=lambda done, total: self.reporter.at(done, total, "evaluating"),
            kept=kept,
        )
        self.reporter.end()
        for split, values in metrics.items():
            self.say(f"{split}: {_headline(values)}")
        return metrics


def _part(table: Mapping[str, Any]) -> Part:
    return Part(name=table["name"], options={key: value for key, value in table.items() if key != "name"})


def _headline(values: Mapping[str, Any]) -> str:
    shown = [f"{name} {value:.4f}" for name, value in values.items() if isinstance(value, float)]
    if "iou" in values:
        each = ", ".join(f"{name} {value:.3f}" for name, value in values["iou"].items() if value is not None)
        shown.append(f"IoU by class: {each}" if len(values["iou"]) <= 12 else "")
    return "  ".join(text for text in shown if text)
