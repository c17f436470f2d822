"""``Stopping``: whether a signal asked a training to stop, decided once for all its workers."""

from __future__ import annotations

import signal

from tlkit.system.signals import Interrupted, Signals
from tlkit.train.team import Team


class Stopping:
    """Whether a signal asked a training to stop.

    Several workers must stop at the same step, or one would wait for another that has gone: each says with its step
    whether a signal came to it, and all stop after that step if one came to any.

    Args:
        team: the workers of the training.
        signals: the signals of this process.
    """

    def __init__(self, team: Team, signals: Signals) -> None:
        self._team = team
        self._signals = signals
        self._agreed = False

    @property
    def here(self) -> bool:
        """Whether a signal came to this process."""
        return self._signals.asked

    @property
    def asked(self) -> bool:
        """Whether to stop; in a team, whether all workers know by now that they are to."""
        return self._signals.asked if self._team.size == 1 else self._agreed

    def heard(self, asked: bool) -> None:
        """Take note of what all workers said, who have all heard the same."""
        self._agreed = self._agreed or asked

    def agree(self) -> None:
        """Ask all workers; every worker must call this at the same place."""
        self.heard(self._team.any(self._signals.asked))

    def stop(self) -> None:
        """Stop if a signal came to any worker, as far as all know.

        Raises:
            Interrupted: a signal came.
        """
        if self.asked:
            self._signals.stop()
            raise Interrupted(signal.SIGTERM)  # which came to another worker
