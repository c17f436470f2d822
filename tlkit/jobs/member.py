"""``Member``: what this process is in a training of several workers; as a rule it is the only one."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.cluster.heartbeat import Beat, Pulse, read_beat
from tlkit.cluster.options import ClusterOptions
from tlkit.runs.folder import RunFolder

if TYPE_CHECKING:
    from tlkit.train.team import Team

_EVERY = 0.2
_COPIED = ("environment", "samples")
"""What a worker that writes nothing reads from the folder of a run that is resumed."""


WHO_TRAINS = ("workers", "gpus")
"""The keys of ``environment.json`` that say how many processes and GPUs trained a run last; absent for one."""


@dataclass
class Member:
    """A process of a training.

    All workers do the same up to the end of the training. The first, the chief, alone writes the run folder; what the
    others would write goes to a folder that is removed.

    Args:
        rank: the number of the worker, from 0.
        size: the number of workers.
        run: the folder of the run; None: the one that the process works in.
        pulse: the heartbeat; None with one worker.
        losses: what happened to workers before this attempt, a sentence each.
        gpus: on how many GPUs this process trains; None: as many as the run had before.
        cluster: whose workers compute what a frozen part makes of the images; None: this process does.
        started: when the command began, by ``time.monotonic()``.
    """

    rank: int = 0
    size: int = 1
    run: RunFolder | None = None
    pulse: Pulse | None = None
    losses: Sequence[str] = ()
    gpus: int | None = 1
    cluster: ClusterOptions | None = None
    started: float = field(default_factory=time.monotonic)
    _team: Team | None = field(default=None, repr=False)

    @property
    def chief(self) -> bool:
        """Whether this process writes the run folder, and evaluates."""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        """Whether there are no other workers."""
        return self.pulse is None

    @property
    def team(self) -> Team:
        """The workers, once this one has joined them."""
        from tlkit.train.team import Team

        return self._team or Team.alone()

    def use_gpus(self) -> None:
        """Train on several GPUs in this process, if it is to; to be called once TensorFlow has started.

        Raises:
            RunError: there are too few.
        """
        from tlkit.train.devices import DeviceTeam

        if self.alone and self._team is None:
            self._team = DeviceTeam.on_gpus(self.gpus or 1)

    def described(self) -> dict[str, int]:
        """Return the entries of ``environment.json`` that say who trains."""
        counts = zip(WHO_TRAINS, (self.size, (self.gpus or 1) if self.alone else 1), strict=True)
        return {name: count for name, count in counts if count > 1}

    def own_folder(self, run: RunFolder) -> RunFolder:
        """Return the folder in which this process writes what the chief writes into the run folder."""
        if self.chief:
            return run
        own = run.workers / f".worker-{self.rank}"
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir(parents=True)
        for name in _COPIED:
            file: Path = getattr(run, name)
            if file.is_file():
                shutil.copyfile(file, own / file.name)
        return RunFolder(own)

    def wait_for_data(self, check: Callable[[], None]) -> None:
        """Wait until the chief has read the data, and with it filled the cache of decoded images.

        Args:
            check: called again and again; it may raise an error.
        """
        if self.pulse is None or self.chief:
            return
        while (beat := self.beats()[0]) is None or beat.stage == "started":
            check()
            time.sleep(_EVERY)

    def reach(self, stage: str) -> None:
        """Say that this worker has come to a stage of its way, as ``Beat`` names them."""
        if self.pulse is not None:
            self.pulse.reach(stage)

    def join(self) -> None:
        """Join the other workers, and wait for all of them; to be called before the first operation of TensorFlow.

        Raises:
            RunError: they can't be reached.
        """
        if self.pulse is None:
            return
        from tlkit.train.team import Team

        self._team = team = Team.joined()
        if team.waited is not None:
            self.pulse.waited = lambda: float(team.waited.numpy())
        self.pulse.beat.threads, self.pulse.beat.devices = threads(), devices()
        self.reach("joined")
        team.barrier("the start of the training")
        _take_back_sigterm()

    def beats(self) -> list[Beat | None]:
        """Return what each worker said last."""
        if self.pulse is None:
            return []
        return [read_beat(self.pulse.folder, rank) for rank in range(self.size)]

    def saving(self) -> AbstractContextManager[None]:
        """Return a context in which the chief writes a checkpoint, for which the others may have to wait long."""
        return nullcontext() if self.pulse is None else self.pulse.elsewhere()

    def callbacks(self, rows: Callable[[int], int]) -> list[Any]:
        """Return the Keras callbacks by which the heartbeat follows the training.

        Args:
            rows: returns how many images of a step of an epoch this worker trains on.
        """
        return [] if self.pulse is None else [_pulse_callback(self.pulse, rows)]

    def end_training(self) -> list[Beat]:
        """Wait until all workers have trained, and return what each said last."""
        if self.pulse is None:
            return []
        self.pulse.write()
        self.team.barrier("the end of the training")
        self.reach("trained")
        return [beat for beat in self.beats() if beat is not None]


def _take_back_sigterm() -> None:
    """Put this process's handler of SIGTERM back in place of TensorFlow's.

    Its coordination service takes the signal as a notice of preemption, and tells Python nothing of it.
    https://github.com/tensorflow/tensorflow/blob/v2.21.0/tensorflow/core/distributed_runtime/preemption/preemption_notifier.cc
    """
    handler = signal.getsignal(signal.SIGTERM)
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def threads() -> int:
    """Return the threads that compute a step, if the environment says how many; else 0."""
    text = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    return int(text) if text.isdigit() else 0


def devices() -> str:
    """Return the devices that TensorFlow computes on, as text."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return f"{len(gpus)} GPU" if gpus else "CPU"


def _pulse_callback(pulse: Pulse, rows: Callable[[int], int]) -> Any:
    import keras

    class Follow(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
            pulse.begin_pass()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
            pulse.end_pass()

        def on_test_begin(self, logs: Any = None) -> None:  # noqa: ARG002
            pulse.begin_pass()

        def on_test_end(self, logs: Any = None) -> None:  # noqa: ARG002
            pulse.end_pass()

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
            pulse.begin_step()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
            pulse.end_step(rows(batch))

        def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
            pulse.begin_step()

        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
            pulse.end_step()

    return Follow()
