"""How a job reports its progress to its caller."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with how many of how many items are done."""

StageProgress = Callable[[str, int, int], None]
"""Called with a stage, such as ``reading images``, and how many of how many items of it are done."""


def no_progress(_stage: str, _done: int, _total: int) -> None:
    """Report nothing."""
