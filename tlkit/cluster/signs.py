"""Notice that the process of an actor is frozen, or hangs in its work: it answers no question, or always the same.

Ray says of both that they live.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from tlkit.cluster.lost import SILENT_ELSEWHERE_SECONDS, SILENT_SECONDS
from tlkit.cluster.progress import Position

_GROUP = "signs of life"
"""The group of threads of an actor that answers: of one, besides that which works."""
_EVERY = 2.0
"""Seconds between two questions."""
_LOOK = 1.0
"""Seconds that a look counts at most: this process itself may have been frozen, or have looked at nothing for long."""


def answering(kind: type) -> Any:
    """Return the class of actors of Ray of a class with the method ``position``, which also answer what it returns."""
    import ray

    # A client of ray:// can't name the group with each call, and would send a function of a module by its name alone.
    answer = ray.method(concurrency_group=_GROUP)(lambda self: self.position())
    return ray.remote(concurrency_groups={_GROUP: 1})(type(kind.__name__, (kind,), {"answer": answer}))


class Signs:
    """The signs of life of an actor, which is asked every two seconds how far its work is.

    A thread of its own answers.

    Args:
        actor: one of a class of ``answering``.

    Attributes:
        position: how far it is, as it said last; None while it has nothing to do.
        still: the seconds for which it has answered, and always this.
    """

    def __init__(self, actor: Any) -> None:
        self.position: Position | None = None
        self.still = 0.0
        self._actor = actor
        self._asked: Any = None
        self._began = self._looked = time.monotonic()
        self._has_answered = False
        self._silent = self._waited = 0.0

    def frozen(self, *, starting: bool) -> str:
        """Look whether the actor has answered, and ask again; return why it is taken for frozen, empty if it isn't.

        Args:
            starting: whether it has not joined: the import of a large library holds all threads of a process.
        """
        import ray

        now = time.monotonic()
        passed, self._looked = min(now - self._looked, _LOOK), now
        self._waited += passed
        if self._asked is None:
            if not self._has_answered or now - self._began >= _EVERY:
                self._began = now
                self._asked = self._actor.answer.remote()
            return ""
        if ray.wait([self._asked], timeout=0)[0]:
            with suppress(ray.exceptions.RayError):  # then its work, too, ends with an error
                self._hear(ray.get(self._asked))
            self._asked, self._silent, self._has_answered = None, 0.0, True
            return ""
        if self._has_answered:  # before, it may wait for a processor of the cluster
            self._silent += passed
        if self._silent < (SILENT_ELSEWHERE_SECONDS if starting else SILENT_SECONDS):
            return ""
        return f"frozen, without a sign of life for {self._silent:.0f} s"

    def _hear(self, position: Position | None) -> None:
        before, self.position = self.position, position
        went_on = position is None or before is None or position[:2] != before[:2]
        self.still = 0.0 if went_on else self.still + self._waited
        self._waited = 0.0
