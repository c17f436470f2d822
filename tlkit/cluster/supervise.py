"""Supervise the workers of a training: until all have ended, one has failed, or one is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlkit.cluster.heartbeat import ELSEWHERE, Beat, read_beat
from tlkit.cluster.launcher import Workers
from tlkit.cluster.lost import STUCK_SECONDS, Lost, Watch, ended_by

PEER_LOST = 76
"""The exit code of a worker that could not go on since another is lost."""
_EVERY = 0.2
_SETTLE = 10.0
"""Seconds to wait for the end of the worker because of which another one ended."""
_STOP = 4.0
"""Seconds that workers have to end which wait for one that is lost."""
_FINISH = 15.0
"""Seconds that the others have to end once the first has done all its work."""
_SAVE = 120.0
"""Seconds that the first worker has to save its state."""


@dataclass(frozen=True)
class Failed:
    """A worker that ended with an error, which another attempt would meet again.

    Args:
        rank: its number.
        code: its exit code.
        error: what it said of the error; empty if it said nothing.
    """

    rank: int
    code: int
    error: dict[str, Any]


@dataclass(frozen=True)
class Stopped:
    """The workers were asked to stop, and have ended.

    Args:
        saved: whether the first worker ended by itself, so that it has saved its state.
    """

    saved: bool


def supervise(
    workers: Workers, folder: Path, size: int, *, asked: Callable[[], bool], slow_is_lost: bool = True
) -> Lost | Failed | Stopped | None:
    """Wait until the workers have ended, by themselves or because they were stopped.

    Args:
        workers: the workers.
        folder: the folder of their heartbeats.
        size: how many there are.
        asked: returns whether they are to stop.
        slow_is_lost: whether a worker that is only slow counts as lost.

    Returns:
        Why the training is not finished; None if it is.
    """
    watch = Watch(size, workers.is_stopped)
    everyone = range(size)
    while True:
        if asked():
            return _stop(workers, folder, size)
        codes, beats = workers.codes(), [read_beat(folder, rank) for rank in everyone]
        if codes[0] == 0:
            _wait(workers, _FINISH, lambda codes: None not in codes)
            _end(workers, everyone, _STOP)
            return None
        found = _failed(workers, folder, codes)
        if found is None:
            lost = watch.look(beats)
            # Once all have trained, the first needs the others no more.
            if lost is not None and not (lost.rank and _has_trained(beats)) and (slow_is_lost or not lost.is_slow):
                found = lost
        if found is not None:
            _end(workers, everyone, _STOP)
            return found
        time.sleep(_EVERY)


def _has_trained(beats: Sequence[Beat | None]) -> bool:
    return beats[0] is not None and beats[0].stage == "trained"


def _failed(workers: Workers, folder: Path, codes: Sequence[int | None]) -> Lost | Failed | None:
    """Return what to make of workers that have ended; None if none has ended too early."""
    ended = {rank: code for rank, code in enumerate(codes) if code not in (None, 0)}
    if _has_trained([read_beat(folder, 0)]):
        ended = {rank: code for rank, code in ended.items() if not rank}
    if not ended:
        return None
    judged = [_judged(folder, rank, code or 0) for rank, code in ended.items()]
    if all(each is None for each in judged):
        # They say that another is lost: whoever that is ends, or is noticed, a little later.
        if None in codes:
            _wait(
                workers,
                _SETTLE,
                lambda now: any(code is not None for rank, code in enumerate(now) if rank not in ended),
            )
        codes = workers.codes()
        judged = [_judged(folder, rank, code) for rank, code in enumerate(codes) if code not in (None, 0)]
    failed = [each for each in judged if isinstance(each, Failed)]
    lost = [each for each in judged if isinstance(each, Lost)]
    if failed and None in codes and failed[0].rank != 0:
        # The first meets the same error as a rule, and its message is the one to show.
        _wait(workers, _STOP, lambda codes: codes[0] is not None)
        first = workers.codes()[0]
        again = None if first in (None, 0) else _judged(folder, 0, first or 0)
        failed = [again, *failed] if isinstance(again, Failed) else failed
    found: list[Lost | Failed] = [*failed, *lost]
    return found[0] if found else Lost(None, "were lost: they no longer reach each other")


def _judged(folder: Path, rank: int, code: int) -> Lost | Failed | None:
    """Return what to make of a worker that has ended; None if it ended only because another is lost."""
    beat = read_beat(folder, rank)
    end = beat.end if beat is not None else {}
    if end.get("error"):
        return Failed(rank, code, end["error"])
    if code == PEER_LOST:
        return None
    if end or code < 0 or code > 128:
        return Lost(rank, ended_by(code))
    return Failed(rank, code, {})


def _stop(workers: Workers, folder: Path, size: int) -> Stopped:
    """Have the workers save the state, which the first one does, and end."""
    everyone, still = range(size), 0.0
    workers.ask(everyone)
    end, position = time.monotonic() + _SAVE, None
    while workers.codes()[0] is None and time.monotonic() < end and still < STUCK_SECONDS:
        time.sleep(_EVERY)
        beat = read_beat(folder, 0)
        now = None if beat is None or beat.place == ELSEWHERE else (beat.place, beat.steps)
        still = still + _EVERY if now is not None and now == position else 0.0
        position = now
    saved = workers.codes()[0] is not None
    _end(workers, everyone, _STOP)
    return Stopped(saved)


def _end(workers: Workers, ranks: Sequence[int], seconds: float) -> None:
    """Ask workers to end, and kill those that have not after some seconds."""
    workers.ask(ranks)
    _wait(workers, seconds, lambda codes: None not in [codes[rank] for rank in ranks])
    workers.kill(ranks)


def _wait(workers: Workers, seconds: float, until: Callable[[Sequence[int | None]], bool]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until(workers.codes()):
        time.sleep(_EVERY)
