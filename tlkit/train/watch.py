"""What a phase decides after each epoch: best weights, early stop, plateau; and the same decisions on resume."""

from __future__ import annotations

from dataclasses import dataclass, field

from tlkit.contracts import EarlyStop, Plateau
from tlkit.recipe.monitor import Monitor
from tlkit.train.state import PhaseState


@dataclass
class Patience:
    """Counts epochs without an improvement. Its fields are its whole state."""

    patience: int
    min_delta: float
    best: float | None = None
    waited: int = 0

    def exhausted(self, monitor: Monitor, value: float) -> bool:
        """Count an epoch's value, and return whether ``patience`` epochs in a row brought no improvement."""
        if monitor.better(value, self.best, self.min_delta):
            self.best, self.waited = value, 0
            return False
        self.waited += 1
        return self.waited >= self.patience


@dataclass
class Watch:
    """Decides on best weights, early stop and plateau after each epoch.

    Args:
        monitor: the column to look at, and which way is better.
        early_stop: when to stop; None: never.
        plateau: when to lower the learning rate; None: never.
        best_value: the best value so far; None before the first epoch.
        best_epoch: its epoch, from 0; -1 before the first epoch, and for the weights that the phase began with.
    """

    monitor: Monitor
    early_stop: EarlyStop | None
    plateau: Plateau | None
    best_value: float | None = None
    best_epoch: int = -1
    _stop: Patience | None = field(init=False, default=None)
    _plateau: Patience | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.early_stop is not None:
            self._stop = Patience(self.early_stop.patience, self.early_stop.min_delta)
        if self.plateau is not None:
            self._plateau = Patience(self.plateau.patience, self.plateau.min_delta)

    @property
    def waiting(self) -> tuple[tuple[float | None, int] | None, tuple[float | None, int] | None]:
        """The best value and the number of epochs waited, of early stop and of plateau; None for one not in use."""
        stop, plateau = self._stop, self._plateau
        return (
            None if stop is None else (stop.best, stop.waited),
            None if plateau is None else (plateau.best, plateau.waited),
        )

    def restore(
        self,
        best: tuple[float | None, int],
        stop: tuple[float | None, int] | None,
        plateau: tuple[float | None, int] | None,
    ) -> None:
        """Restore the state.

        Args:
            best: the best value and its epoch.
            stop, plateau: the values of ``waiting``.
        """
        self.best_value, self.best_epoch = best
        for patience, state in ((self._stop, stop), (self._plateau, plateau)):
            if patience is not None and state is not None:
                patience.best, patience.waited = state

    def epoch(self, epoch: int, value: float) -> tuple[bool, bool, bool]:
        """Count an epoch's value.

        Returns:
            Whether it is the best so far, whether to stop, and whether to lower the learning rate.
        """
        best = self.monitor.better(value, self.best_value)
        if best:
            self.best_value, self.best_epoch = value, epoch
        stop = self._stop is not None and self._stop.exhausted(self.monitor, value)
        lower = self._plateau is not None and self._plateau.exhausted(self.monitor, value)
        if lower and self._plateau is not None:
            self._plateau.waited = 0
        return best, stop, lower


def stopped_by_patience(state: PhaseState, early_stop: EarlyStop | None) -> bool:
    """Return whether a phase that ran with ``early_stop`` was stopped by it, and not by a callback."""
    waited = 0 if state.watch.stop is None else state.watch.stop[1]
    return state.stopped and early_stop is not None and waited >= early_stop.patience


def with_early_stop(
    state: PhaseState, before: EarlyStop | None, after: EarlyStop | None, monitor: Monitor | None
) -> PhaseState:
    """Return the state of a phase as if it had always had another early stop.

    A phase that anything else stopped stays stopped.

    Args:
        state: the state in a checkpoint.
        before: the early stop that the phase had.
        after: the early stop that it would have had.
        monitor: the column that early stop monitors; None if no epoch is done.
    """
    stop, stopped = None, state.stopped and not stopped_by_patience(state, before)
    if after is not None:
        patience = Patience(after.patience, after.min_delta)
        if monitor is not None:
            exhausted = [patience.exhausted(monitor, row[monitor.name]) for row in state.rows][-1]
            stopped = stopped or (state.stopped and exhausted)
        stop = (patience.best, patience.waited)
    return state.model_copy(update={"stopped": stopped, "watch": state.watch.model_copy(update={"stop": stop})})
