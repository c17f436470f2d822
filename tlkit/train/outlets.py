"""``Outlets``: the run folder, progress display, callbacks and signals that training writes to and listens to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tlkit.cluster.options import ClusterOptions
from tlkit.contracts import Phase
from tlkit.runs.folder import RunFolder
from tlkit.system.progress import Reporter
from tlkit.system.signals import Signals


@dataclass(frozen=True)
class Outlets:
    """What a run interacts with while it trains: its folder, the console, plugins and the signals of the process.

    Args:
        folder: the run folder, where history, freeze table, weights and checkpoints are written.
        reporter: shows progress.
        callbacks: returns the Keras callbacks of a phase, given the path of the run folder.
        phase_finished: called after each phase with the path of the run folder and the phase's best metrics.
        signals: may ask the run to stop.
        saving: returns a context in which a checkpoint is written, which may take long.
        writes: whether this process writes into the folder; of a team, only the chief does.
        cluster: whose workers compute features that are cached; None: this process does.
    """

    folder: RunFolder
    reporter: Reporter
    callbacks: Callable[[Path, Phase], Iterable[Any]] = lambda _folder, _phase: ()
    phase_finished: Callable[[Path, Phase, Mapping[str, float]], None] = lambda _folder, _phase, _metrics: None
    signals: Signals = field(default_factory=Signals)
    saving: Callable[[], AbstractContextManager[None]] = nullcontext
    writes: bool = True
    cluster: ClusterOptions | None = None
