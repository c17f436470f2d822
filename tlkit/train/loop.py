"""The training of a run, phase by phase. The loop is tlkit's own: ``model.fit`` can't be resumed or frozen exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tlkit.contracts import Phase
from tlkit.errors import Problem, RecipeError
from tlkit.models.freeze import prepare, updates_statistics
from tlkit.models.metrics import check_metrics
from tlkit.train.asked_engine import check_engine
from tlkit.train.checkpoint import Checkpoint
from tlkit.train.ledger import Ledger
from tlkit.train.outlets import Outlets
from tlkit.train.parts import ModelInParts
from tlkit.train.phase_run import PhaseRun
from tlkit.train.setting import Setting
from tlkit.train.shared_batch import refuse_unshared
from tlkit.train.steps import Optimizers


class Training:
    """The training of a run.

    Args:
        setting: the network, data and settings of the training.
        outlets: the run's folder, console, plugins and signals.

    Attributes:
        ledger: what the run has done so far.

    Raises:
        RecipeError: a metric of the recipe is wrong.
    """

    def __init__(self, setting: Setting, outlets: Outlets) -> None:
        self.setting = setting
        self.outlets = outlets if setting.team.chief else replace(outlets, writes=False)
        self._last: PhaseRun | None = None
        model, writes = setting.network.model, self.outlets.writes
        self.ledger = Ledger(model, outlets.folder, setting.table, setting.columns, writes=writes)

    def run(self, phases: Sequence[Phase], checkpoint: Checkpoint | None = None) -> None:
        """Train all phases, one after the other.

        Args:
            phases: the phases of the schedule, at least one.
            checkpoint: the checkpoint of an interrupted run to resume from; None for a new run.

        Raises:
            RunError: a frozen variable moved, the loss is not a finite number, or the checkpoint is of another run.
            RecipeError: the loss, a metric, the monitor, the class weights or an optimizer are wrong.
            Interrupted: a signal asked the run to stop; a checkpoint was written.
        """
        self.ledger.begin(phases, checkpoint)
        first = 0 if checkpoint is None else checkpoint.state.phase
        if checkpoint is not None and first == len(phases):
            # The model is about to be saved, with the flags that its last phase gives it here.
            self._last = PhaseRun(self.setting, self.ledger, self.outlets, first - 1, phases[-1])
            self._last.passes.ended_with = checkpoint.state.engine
        for index in range(first, len(phases)):
            with self.outlets.reporter.stage("setting up the phase"):
                self._last = phase_run = PhaseRun(self.setting, self.ledger, self.outlets, index, phases[index])
                inside = checkpoint is not None and index == first and checkpoint.state.inside is not None
                phase_run.run(checkpoint if inside else None)
                self.ledger.save(index + 1, None, {}, engine=phase_run.passes.engine)

    def in_parts(self) -> ModelInParts | None:
        """Return the trained model, cut where its last phase had its frozen part; None where that had none."""
        return None if self._last is None else self._last.passes.in_parts()

    def check(self, phases: Sequence[Phase], *, new: bool = True) -> None:
        """Report every mistake that can be found before the first step, and note what is unwise.

        Args:
            phases: the phases of the schedule.
            new: also refuse metrics that mean nothing, which an older version let a run begin with.

        Raises:
            RecipeError: the loss, a metric, the monitor, the class weights or an optimizer are wrong.
            PluginError: a phase names a block that the backbone does not have.
            RunError: a layer has a state of its own that GPUs can't share.
        """
        setting = self.setting
        loss, _monitor = setting.loss, setting.monitor
        check_engine(setting.table)
        if new:
            check_metrics(setting.targets, setting.table.metrics)
        mixing = [policy.name for policy in setting.policies if policy.mixes]
        if mixing and not loss.takes_shares:
            message = f'it takes whole classes, but "{mixing[0]}" mixes targets; expected a categorical loss'
            raise RecipeError([Problem("train.loss", message)])
        for phase in phases:
            prepared = prepare(setting.network, phase)
            Optimizers(phase, prepared)
            if setting.team.parts > setting.team.size:
                refuse_unshared(prepared.live_part)
            self._note_single_images(phase)

    def try_rates(self, phase: Phase, rates: Sequence[float]) -> Iterator[float]:
        """Train one step at each learning rate, instead of the phase's own, and yield its loss.

        This changes the network. Nothing is validated or written.

        Raises:
            RecipeError: the loss, a metric, the monitor, the class weights or the optimizer are wrong.
        """
        yield from PhaseRun(self.setting, self.ledger, self.outlets, 0, phase).passes.try_rates(rates)

    def _note_single_images(self, phase: Phase) -> None:
        """Note where BatchNormalization trains on a batch of one image: it learns the statistics of that image."""
        size, count = self.setting.batch_size, len(self.setting.train_rows)
        if updates_statistics(self.setting.network, phase) and (size == 1 or count % size == 1):
            which = "each batch" if size == 1 else f"the last batch of {count} images"
            self.outlets.reporter.say(
                f"  note: phase {phase.name} trains BatchNormalization, and {which} is a single image, so it learns "
                f"the statistics of that image; expected an input.batch_size other than {size}"
            )
