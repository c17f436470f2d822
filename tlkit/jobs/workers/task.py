"""``WorkerTask``: what a worker of a training is told to do, as a line of JSON."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class WorkerTask:
    """What a worker of a training does.

    Args:
        folder: the run folder.
        rank: the number of the worker, from 0.
        size: the number of workers.
        recipe: the recipe of a new run, as ``tlkit.run`` takes it; None to continue the run in the folder.
        overrides: the overrides of the recipe.
        plugins: the plugin files of ``--plugin``.
        installed: the value of ``TLKIT_PLUGINS``; None: all installed plugins.
        allowed: the digests of the plugin files that the recipe may name.
        deterministic: use deterministic operations only.
        profile: write where the time of the chief goes.
        working_folder: the working folder of the command.
        losses: what happened to workers before this attempt.
        began: when the command began, by ``time.time()``.
    """

    folder: str
    rank: int
    size: int
    recipe: str | dict[str, Any] | None = None
    overrides: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    installed: str | None = None
    allowed: tuple[str, ...] = ()
    deterministic: bool = False
    profile: bool = False
    working_folder: str = ""
    losses: tuple[str, ...] = ()
    began: float = field(default_factory=time.time)

    def text(self) -> str:
        """Return the line."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> WorkerTask:
        """Return the task of a line."""
        values: dict[str, Any] = json.loads(text)
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return cls(**{**values, **lists})

    def of_rank(self, rank: int) -> WorkerTask:
        """Return the task of another worker."""
        return replace(self, rank=rank)
