"""Notice that a worker is lost: killed, frozen, stuck, or much slower than the others."""

from __future__ import annotations

import signal
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tlkit.cluster.heartbeat import BETWEEN, ELSEWHERE, Beat

STOPPED_SECONDS = 5.0
"""How long the system may say of a worker that it is stopped."""
SILENT_SECONDS = 20.0
"""How long a worker may say nothing while it trains."""
SILENT_ELSEWHERE_SECONDS = 120.0
"""How long it may say nothing at other times: the import of a large library holds all threads of a process."""
STUCK_SECONDS = 20.0
"""How long a step, or the time between two steps, may take; longer if steps take long."""
SLOW_SECONDS = 25.0
"""For how long a worker must be slow."""
SLOW_TIMES = 4.0
"""How many times the computing time of the others a slow worker needs for a step."""
_SLOW_STEPS = 5


@dataclass(frozen=True)
class Lost:
    """A worker that is lost.

    Args:
        rank: its number; None if none of them goes on and it is not known because of whom.
        how: what became of it, to follow its name in a sentence.
        is_slow: whether it only is slow, and the training could go on with it.
    """

    rank: int | None
    how: str
    is_slow: bool = False

    def __str__(self) -> str:
        return f"{'the workers' if self.rank is None else f'worker {self.rank}'} {self.how}"


def ended_by(code: int) -> str:
    """Return how a process ended, given its exit code, to follow its name in a sentence."""
    number = -code if code < 0 else code - 128
    if number not in {each.value for each in signal.Signals}:
        return f"was lost: ended with exit code {code}"
    hint = "; perhaps the memory was exhausted" if number == signal.SIGKILL else ""
    return f"was lost: killed by signal {number}{hint}"


def is_stopped(pid: int) -> bool:
    """Return whether the system says that a process of this machine is stopped, as by SIGSTOP; Linux only."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] in "Tt"
    except (OSError, IndexError):
        return False


@dataclass
class _Seen:
    """What was seen of a worker, and since when by this process's clock: clocks of other machines may differ."""

    number: int = -1
    beaten: float = 0.0
    position: tuple[str, int] = ("", -1)
    moved: float = 0.0
    running: float = 0.0
    looks: list[tuple[float, int, float]] = field(default_factory=list)
    """(time, steps, computing seconds) within the last seconds."""


class Watch:
    """Notices from their heartbeats which worker is lost.

    Args:
        size: the number of workers.
        is_stopped: returns whether the system says that the process of a worker is stopped, given its rank.
        clock: returns the time in seconds.
    """

    def __init__(
        self,
        size: int,
        is_stopped: Callable[[int], bool] = lambda _rank: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._is_stopped = is_stopped
        now = clock()
        self._seen = [_Seen(beaten=now, moved=now, running=now) for _ in range(size)]

    def look(self, beats: Sequence[Beat | None]) -> Lost | None:
        """Look at the heartbeats, which may be called any number of times a second; return who is lost.

        Args:
            beats: what each worker said last; None: nothing yet.
        """
        now = self._clock()
        for rank, (seen, beat) in enumerate(zip(self._seen, beats, strict=True)):
            if beat is not None and beat.end:
                seen.beaten = seen.running = now  # its exit code says the rest
                continue
            if lost := self._frozen(rank, seen, beat, now):
                return lost
        return self._stuck(beats, now) or self._slow(beats, now)

    def _frozen(self, rank: int, seen: _Seen, beat: Beat | None, now: float) -> Lost | None:
        if not self._is_stopped(rank):
            seen.running = now
        elif now - seen.running >= STOPPED_SECONDS:
            return Lost(rank, f"was lost: frozen for {now - seen.running:.0f} s (its process is stopped)")
        if beat is None:
            return None
        if beat.number != seen.number:
            seen.number, seen.beaten = beat.number, now
        silent = now - seen.beaten
        if silent >= (SILENT_ELSEWHERE_SECONDS if beat.place == ELSEWHERE else SILENT_SECONDS):
            return Lost(rank, f"was lost: frozen, without a sign of life for {silent:.0f} s")
        return None

    def _stuck(self, beats: Sequence[Beat | None], now: float) -> Lost | None:
        for seen, beat in zip(self._seen, beats, strict=True):
            position = ("", -1) if beat is None else (beat.place, beat.steps)
            if position != seen.position:
                seen.position, seen.moved = position, now
        known = [beat for beat in beats if beat is not None and not beat.end and beat.place != ELSEWHERE]
        if len(known) < len(beats):  # one of them may rightly take any time
            return None
        limit = max(STUCK_SECONDS, 5 * max(beat.longest for beat in known))
        still = now - max(seen.moved for seen in self._seen)
        if still < limit:
            return None
        fewest, most = min(beat.steps for beat in known), max(beat.steps for beat in known)
        behind = [rank for rank, beat in enumerate(known) if beat.steps == fewest < most]
        outside = [rank for rank, beat in enumerate(known) if beat.place == BETWEEN]
        which = next((found[0] for found in (outside, behind) if len(found) == 1), None)
        how = "was lost" if which is not None else "were lost"
        return Lost(which, f"{how}: stuck, without a step for {still:.0f} s")

    def _slow(self, beats: Sequence[Beat | None], now: float) -> Lost | None:
        rates: list[float] = []
        for seen, beat in zip(self._seen, beats, strict=True):
            if beat is None or beat.end:
                return None
            if not seen.looks or beat.steps < seen.looks[-1][1]:
                seen.looks = [(now, beat.steps, beat.computing)]
            elif beat.steps > seen.looks[-1][1]:
                seen.looks.append((now, beat.steps, beat.computing))
            recent = [each for each in seen.looks if now - each[0] <= SLOW_SECONDS + 2]
            seen.looks = seen.looks[-1:] if not recent else seen.looks[-len(recent) - 1 :]
            (began, first, before), (_, last, after) = seen.looks[0], seen.looks[-1]
            if now - began < SLOW_SECONDS or last - first < _SLOW_STEPS:
                return None
            rates.append((after - before) / (last - first))
        slowest = max(range(len(rates)), key=rates.__getitem__)
        usual = statistics.median([rate for rank, rate in enumerate(rates) if rank != slowest] or [0.0])
        if usual <= 0 or rates[slowest] < SLOW_TIMES * usual:
            return None
        for seen in self._seen:
            seen.looks.clear()
        times = rates[slowest] / usual
        how = f"is slow: it computed {times:.1f} times as long as the others for {SLOW_SECONDS:.0f} s"
        return Lost(slowest, how, is_slow=True)
