"""The training loop: phases, epochs and steps. It is ours because ``model.fit`` can't be resumed or frozen exactly."""

from __future__ import annotations

import hashlib
import math
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tlkit.contracts import Phase, Plateau
from tlkit.data.pipeline import Feed, batch_seeds, epoch_order
from tlkit.data.policies import Policy
from tlkit.data.prepare import Data
from tlkit.errors import Problem, RecipeError, RunError
from tlkit.kept import features_folder, limit, make_room
from tlkit.models.assemble import Network
from tlkit.models.freeze import (
    FreezeError,
    Prepared,
    digests,
    expected_changes,
    keyed_variables,
    prepare,
    prove,
)
from tlkit.models.losses import BatchLoss, Targets, class_weights
from tlkit.models.metrics import MetricSet
from tlkit.recipe.monitor import choose_monitor
from tlkit.recipe.schema import TrainTable
from tlkit.rundir import RunFolder
from tlkit.train.averaging import WeightAverage
from tlkit.train.features import (
    FeatureFeed,
    FeatureSet,
    FrozenPart,
    amount,
    features_key,
    make_plan,
)
from tlkit.train.history import FreezeFile, HistoryFile
from tlkit.train.monitor import Watch
from tlkit.train.progress import Reporter
from tlkit.train.rates import LearningRate
from tlkit.train.steps import Optimizers, Steps


@dataclass
class Training:
    """Everything that the phases of a run share.

    Args:
        network: which is trained.
        data: whose training split trains it and whose validation split is looked at.
        targets: what its logits are compared with.
        table: the recipe's ``[train]``.
        seed: of the run.
        batch_size: images a step.
        policies: the recipe's augmentation, built.
        folder: where the history and the freeze table are written.
        reporter: where progress is shown.
        callbacks: Keras callbacks for a phase.
        phase_finished: told after each phase.
        input_settings: how files become images; part of the key under which features are kept.
    """

    network: Network
    data: Data
    targets: Targets
    table: TrainTable
    seed: int
    batch_size: int
    policies: Sequence[Policy]
    folder: RunFolder
    reporter: Reporter
    backbone: str
    callbacks: Callable[[Path, Phase], Iterable[Any]] = lambda _folder, _phase: ()
    phase_finished: Callable[[Path, Phase, Mapping[str, float]], None] = lambda _f, _p, _m: None
    input_settings: Mapping[str, Any] = field(default_factory=dict)
    epochs_done: int = field(default=0, init=False)
    kept: Mapping[str, float] = field(default_factory=dict, init=False)
    kept_epoch: int = field(default=0, init=False)
    monitor: str = field(default="", init=False)

    def __post_init__(self) -> None:
        weights = class_weights(self.table.class_weights, self.data.classes, self._class_counts())
        self.loss = BatchLoss(self.targets, self.table.loss, weights)
        self.plain_loss = BatchLoss(self.targets, self.table.loss)
        self.training = MetricSet(self.targets, self.table.metrics)
        self.validation = MetricSet(self.targets, self.table.metrics)
        self.columns = list(self.training.names)
        if len(self.data.indices("validation")):
            self.columns += [f"val_{name}" for name in self.validation.names]

    def run(self, phases: Sequence[Phase]) -> None:
        """Train all phases, one after the other.

        Raises:
            RunError: a frozen variable moved, or the loss is not a finite number.
            RecipeError: the loss, a metric, the monitor, the class weights or an optimizer is not as it must be.
        """
        history = HistoryFile(self.folder.history, self.columns)
        freeze = FreezeFile(self.folder.freeze)
        for index, phase in enumerate(phases):
            _PhaseRun(self, index, phase).run(history, freeze)

    def check(self, phases: Sequence[Phase]) -> None:
        """Everything that can be found wrong before the first step.

        Raises:
            RecipeError: as ``run``.
        """
        choose_monitor(self.table, self.targets.task, self.columns)
        mixing = [policy.name for policy in self.policies if policy.mixes]
        if mixing and not self.loss.takes_shares:
            message = f'it takes whole classes, but "{mixing[0]}" mixes targets; expected a categorical loss'
            raise RecipeError([Problem("train.loss", message)])
        for phase in phases:
            Optimizers(phase, prepare(self.network, phase))

    def try_rates(self, phase: Phase, rates: Sequence[float]) -> Iterator[float]:
        """Train a step at each learning rate, whatever the phase's own, and give the step's loss.

        The network is changed by it; nothing is validated or written.

        Raises:
            RecipeError: as ``check``.
        """
        yield from _PhaseRun(self, 0, phase).try_rates(rates)

    def _class_counts(self) -> np.ndarray:
        if self.table.class_weights != "balanced":
            return np.ones(len(self.data.classes))
        return self.data.class_counts("train")


class _PhaseRun:
    def __init__(self, training: Training, index: int, phase: Phase) -> None:
        self.shared = training
        self.index = index
        self.phase = phase
        self.network = training.network
        self.prepared: Prepared = prepare(training.network, phase)
        frozen = self.prepared.frozen_part
        self.part = None if frozen is None else FrozenPart(frozen)
        self.optimizers = Optimizers(phase, self.prepared)
        self.train_metrics = training.training
        self.validation_metrics = training.validation
        momentum = training.table.ema
        self.average = None if momentum is None else WeightAverage(self.prepared.variables, momentum)
        half = training.table.precision == "mixed_float16"
        self.steps = Steps(
            self.prepared,
            self.part,
            self.optimizers,
            training.loss,
            training.plain_loss,
            self.train_metrics,
            self.validation_metrics,
            average=self.average,
            loss_scale=1024.0 if half else 1.0,
        )
        self.feed: Feed | FeatureFeed = Feed(training.data, training.batch_size, training.policies)
        self.validation_feed: Feed | FeatureFeed = Feed(training.data, training.batch_size)
        self.train_rows = training.data.indices("train")
        self.validation_rows = training.data.indices("validation")
        self.step_count = math.ceil(len(self.train_rows) / training.batch_size)
        self.rate = LearningRate(phase, self.step_count)
        self.watch = Watch(
            choose_monitor(training.table, training.targets.task, training.columns),
            phase.early_stop or training.table.early_stop,
            phase.curve if isinstance(phase.curve, Plateau) else None,
        )
        if training.table.restore_best and self.watch.monitor.name.startswith("val_"):
            # A phase that improves nothing leaves the weights that it was given.
            self.watch.best_value = training.kept.get(self.watch.monitor.name)
        variables = keyed_variables(training.network.model)
        self.changing = {
            key: variables[key] for key, changes in expected_changes(training.network, phase).items() if changes
        }

    def run(self, history: HistoryFile, freeze: FreezeFile) -> None:
        shared = self.shared
        before = digests(self.network.model)
        trainable = sum(math.prod(variable.shape) for variable in self.prepared.variables)
        shared.reporter.phase(self.phase, trainable, self.network.model.count_params(), shared.backbone)
        self._keep_features()
        self.network.model.compile(optimizer=self.optimizers.main, loss=None)
        callbacks = keras.callbacks.CallbackList(
            list(shared.callbacks(shared.folder.path, self.phase)),
            model=self.network.model,
            epochs=self.phase.epochs,
            steps=self.step_count,
        )
        self.network.model.stop_training = False
        callbacks.on_train_begin()
        trained, shared.kept = self._epochs(callbacks, history)
        callbacks.on_train_end()
        self._prove(before, trained, freeze)
        shutil.rmtree(self._own_folder, ignore_errors=True)
        shared.folder.checkpoints.mkdir(exist_ok=True)
        self._keep_weights()
        shared.phase_finished(shared.folder.path, self.phase, shared.kept)

    @property
    def _own_folder(self) -> Path:
        """For features that no later run can use."""
        return self.shared.folder.path / "cache" / f"features-{self.index}"

    def _features_folder(self, size: int) -> Path:
        """Where features of so many bytes go: to those that are kept for later runs, if there they may and can."""
        folder, most = features_folder(), limit()
        reason = f"they take {amount(size)}, but tlkit cache limit allows {most / 1e9:g} GB"
        if size <= most:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                reason = f"{error.filename or folder}: {error.strerror or error}"
            else:
                return folder
        self.shared.reporter.say(f"  features are not kept for later runs: {reason}")
        return self._own_folder

    def _keep_features(self) -> None:
        """Compute the frozen part's features once, where that pays; the epochs then read them."""
        shared, part = self.shared, self.part
        if part is None or not isinstance(self.feed, Feed):
            return
        if shared.targets.task == "segmentation" and any(policy.mixes for policy in shared.policies):
            shared.reporter.say("  features are not kept: mixed masks would take too much room")
            return
        views = shared.table.views if shared.policies else 1
        if shared.table.cache == "off":
            shared.reporter.say("  features are not kept: train.cache is off")
            return
        size = part.bytes_an_image * (views * len(self.train_rows) + len(self.validation_rows))
        folder = self._features_folder(size)
        trained, held = self._feature_sets(part, self.feed, views, folder)
        sets = [*trained, *held]
        unfinished: Sequence[FeatureSet] = ()
        try:
            plan = make_plan(
                part,
                sets,
                images=len(self.train_rows) + len(self.validation_rows),
                epochs=self.phase.epochs,
                views=views,
                setting=shared.table.cache,
                budget=shared.table.cache_budget * 1e9,
                folder=folder,
                augmented=bool(shared.policies),
            )
            shared.reporter.say(f"  {plan.reason}")
            if not plan.use:
                return
            if folder != self._own_folder:
                make_room(part.bytes_an_image * sum(each.missing for each in sets))
            for number, each in enumerate(sets):
                unfinished = sets[number:]
                name = "validation features" if each in held else "features"
                title = f"{name}, view {number + 1} of {views}" if each in trained and views > 1 else name
                shared.reporter.begin(title, len(each.rows))
                each.fill(lambda done, total, title=title: shared.reporter.at(done, total, title))  # type: ignore[misc]
                shared.reporter.end()
        except OSError as error:
            shared.reporter.end()
            shared.reporter.say(f"  features are not kept: {error.filename or folder}: {error.strerror or error}")
            for each in unfinished:
                shutil.rmtree(each.folder, ignore_errors=True)
            return
        self.feed = FeatureFeed(shared.data, shared.batch_size, trained)
        if held:
            self.validation_feed = FeatureFeed(shared.data, shared.batch_size, held)

    def _feature_sets(
        self, part: FrozenPart, feed: Feed, views: int, root: Path
    ) -> tuple[list[FeatureSet], list[FeatureSet]]:
        """Those of the training images, a set a view, and those of the validation images."""
        shared = self.shared
        plain = Feed(shared.data, shared.batch_size)
        images = dict(shared.input_settings)

        def made(rows: np.ndarray, view: int | None = None) -> FeatureSet:
            if view is None:
                seeds, settings = None, images
            else:
                seeds = batch_seeds(shared.seed, self.index, view, self.step_count)
                draws = hashlib.sha256(seeds.tobytes()).hexdigest()
                keys = [policy.key for policy in shared.policies]
                settings = {**images, "policies": keys, "draws": draws, "batch_size": shared.batch_size}
            folder = root / features_key(part, shared.data, rows, settings)
            if view is not None and any(policy.key is None for policy in shared.policies):
                folder = self._own_folder / str(view)
            what = "" if view is None else f", {', '.join(policy.name for policy in shared.policies)}, view {view + 1}"
            return FeatureSet(
                folder,
                part,
                plain if view is None else feed,
                rows,
                seeds,
                with_targets=view is not None,
                about=f"{shared.backbone}, {len(rows)} images{what}",
            )

        views_of = range(views) if shared.policies else (None,)
        return [made(self.train_rows, view) for view in views_of], [
            made(self.validation_rows) for _ in range(min(1, len(self.validation_rows)))
        ]

    def _epochs(self, callbacks: Any, history: HistoryFile) -> tuple[Mapping[str, str], Mapping[str, float]]:
        shared = self.shared
        first = shared.epochs_done
        shared.monitor = self.watch.monitor.name
        best_weights = {} if self.watch.best_value is None else self._changing_weights()
        rows: list[dict[str, float]] = []
        for epoch in range(self.phase.epochs):
            began = time.monotonic()
            callbacks.on_epoch_begin(epoch)
            if self.average is not None and epoch:
                self.average.swap()
            rate = self._train_epoch(epoch, callbacks)
            if self.average is not None:
                self.average.swap()
            row = self.train_metrics.result()
            if not math.isfinite(row["loss"]):
                raise RunError(
                    f"phase {self.phase.name}, epoch {epoch + 1}: the loss is {row['loss']} at learning rate {rate:g}; "
                    "lower the schedule's learning rate, or look for images or labels out of range"
                )
            if len(self.validation_rows):
                row |= {f"val_{name}": value for name, value in self._validate(callbacks).items()}
            value = row[self.watch.monitor.name]
            is_best, stop, lower = self.watch.epoch(epoch, value)
            if is_best and shared.table.restore_best:
                best_weights = self._changing_weights()
            if lower:
                self.rate.plateau_factor *= self.phase.curve.factor  # type: ignore[union-attr]
            seconds = time.monotonic() - began
            shared.epochs_done += 1
            history.add(self.phase.name, shared.epochs_done, row, rate, seconds)
            rows.append(row)
            shared.reporter.epoch(epoch + 1, self.phase.epochs, row, seconds, is_best)
            callbacks.on_epoch_end(epoch, dict(row))
            if stop or self.network.model.stop_training:
                why = "a callback asked for it" if not stop else f"{self.watch.monitor.name} no longer improves"
                shared.reporter.say(f"  stopped after epoch {epoch + 1}: {why}")
                break
        trained = digests(self.network.model)
        if best_weights and self.watch.best_epoch != len(rows) - 1:
            self._restore(best_weights)
            began_with = self.watch.best_epoch < 0
            which = (
                "weights that the phase began with" if began_with else f"weights of epoch {self.watch.best_epoch + 1}"
            )
            shared.reporter.say(f"  kept the {which} ({self.watch.monitor.name} {self.watch.best_value:.4f})")
            if began_with:
                return trained, shared.kept
            shared.kept_epoch = first + self.watch.best_epoch + 1
            return trained, rows[self.watch.best_epoch]
        shared.kept_epoch = shared.epochs_done
        return trained, rows[-1]

    def _train_epoch(self, epoch: int, callbacks: Any) -> float:
        shared = self.shared
        order = self.train_rows[epoch_order(shared.seed, self.index, epoch, len(self.train_rows))]
        seeds = batch_seeds(shared.seed, self.index, epoch, self.step_count)
        dataset = self.feed.epoch(order, seeds, number=epoch)
        self.train_metrics.reset()
        title = f"epoch {epoch + 1}/{self.phase.epochs}"
        shared.reporter.begin(title, len(order))
        rate = applied = self.rate.at(epoch, 0)
        self.optimizers.set_rate(rate)
        for step, batch in enumerate(dataset):
            rate = self.rate.at(epoch, step)
            if rate != applied:
                self.optimizers.set_rate(rate)
                applied = rate
            callbacks.on_train_batch_begin(step)
            self.steps.train(batch)
            callbacks.on_train_batch_end(step)
            shared.reporter.at(min((step + 1) * shared.batch_size, len(order)), len(order), title)
        return rate

    def try_rates(self, rates: Sequence[float]) -> Iterator[float]:
        shared = self.shared
        remaining = iter(rates)
        for epoch in count():
            order = self.train_rows[epoch_order(shared.seed, self.index, epoch, len(self.train_rows))]
            for batch in self.feed.epoch(order, batch_seeds(shared.seed, self.index, epoch, self.step_count)):
                rate = next(remaining, None)
                if rate is None:
                    return
                self.optimizers.set_rate(rate)
                yield float(self.steps.train(batch))

    def _validate(self, callbacks: Any) -> dict[str, float]:
        self.validation_metrics.reset()
        callbacks.on_test_begin()
        dataset = self.validation_feed.epoch(self.validation_rows)
        for step, batch in enumerate(dataset):
            callbacks.on_test_batch_begin(step)
            self.steps.validate(batch)
            callbacks.on_test_batch_end(step)
        values = self.validation_metrics.result()
        callbacks.on_test_end(dict(values))
        return values

    def _prove(self, before: Mapping[str, str], trained: Mapping[str, str], freeze: FreezeFile) -> None:
        kept = digests(self.network.model)
        # What trains may have been put back to the best epoch; what is frozen has to be still at the very end.
        after = {key: trained[key] if key in self.changing else digest for key, digest in kept.items()}
        try:
            rows = prove(self.network, self.phase, before, after)
        except FreezeError as error:
            freeze.add(self.phase.name, error.rows)
            raise
        freeze.add(self.phase.name, rows)
        still = sum(not row.should_change for row in rows)
        if still:
            self.shared.reporter.say(f"  proved: {still} frozen variables did not change")

    def _changing_weights(self) -> dict[str, np.ndarray]:
        return {key: np.array(variable) for key, variable in self.changing.items()}

    def _restore(self, weights: Mapping[str, np.ndarray]) -> None:
        for key, value in weights.items():
            self.changing[key].assign(value)

    def _keep_weights(self) -> None:
        target = self.shared.folder.checkpoints / f"{self.index + 1}-{self.phase.name}.weights.h5"
        temporary = target.with_name(f".tmp-{target.name}")
        self.network.model.save_weights(temporary)
        temporary.replace(target)
