"""Work on a long list, block by block, in processes of a Ray cluster that are set up once.

Actors with a scheduler of our own, not Ray Data: that would try a block again for ever whose image kills its process.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeVar

from tlkit.cluster.actor import Failed, Joined, WorkerActor
from tlkit.cluster.parts import Block, Crew, Fate, Part, after_death, after_hang
from tlkit.cluster.ray_cluster import Cluster
from tlkit.cluster.signs import Signs, answering
from tlkit.errors import RunError

T = TypeVar("T")
R = TypeVar("R")

LATER: Any = object()
"""Stands for a block that can't be had yet."""

_QUEUED = 2
"""Blocks that a worker has: one that it works on, and the next, so that it need not wait for this process."""
_AHEAD = 4
"""Blocks per worker that are begun and whose results were not yielded."""
_LOST_IN_A_ROW = 12
"""Workers that are lost, and none finishes a block in between, until the pass ends with an error; and as many again for
each four workers."""
_HUNG_IN_A_ROW = 3
"""Workers that hang, for each worker, and none finishes a block in between, until the pass ends with an error."""
_STARTS = 3
"""Workers that are lost before they have joined, one after the other, until the pass ends with an error."""
_TIMES = 10
"""How many times the longest step so far the next one may take, where that is more than the cluster's patience."""
_JOINS_IN = 600.0
"""Seconds that a worker has at least to open what it works with."""
_SILENCE = 20.0
"""Seconds without a worker after which a line says so."""
_EVERY = 0.5
"""Seconds between two looks at the workers, within which a signal is noticed."""


_Again = Callable[[Part, Fate], Iterator[Part]]
"""Yields what is done again of a part."""


@dataclass(eq=False)
class _Worker:
    """A worker, and what it was given: the oldest first."""

    number: int
    actor: Any
    joining: Any
    signs: Signs
    where: str = ""
    finished: int = 0
    given: deque[tuple[Any, Part]] = field(default_factory=deque)


def in_blocks(
    cluster: Cluster, crew: Crew[T, R], blocks: Iterable[Sequence[T]], known: int | None = None
) -> Generator[Sequence[R], None, None]:
    """Yield the results of each block, in the order of the blocks.

    A worker that is lost, whose process is frozen, or that hangs in its work costs the block that it works on: another
    does it again. Where a block costs several workers, the items are found that do it, and set aside.

    Args:
        cluster: the cluster.
        crew: what the workers do.
        blocks: the parts of the list, none of them empty; only a few are taken ahead of the results. ``LATER`` instead
            of a block says that the next one can be had only after the results of those before were taken.
        known: the number of blocks, if it is known: there are no more workers.

    Raises:
        RunError: workers are lost one after the other, or none can be started.
        Exception: what ``crew`` raised in a worker.
    """
    count = cluster.room if known is None else min(cluster.room, max(1, known))
    work = _Pass(cluster, crew, iter(blocks), count)
    try:
        yield from work.results()
    finally:
        work.end()


class _Pass:
    """One pass over the blocks.

    Args:
        cluster, crew, blocks: as of ``in_blocks``.
        count: the number of workers.
    """

    def __init__(self, cluster: Cluster, crew: Crew[Any, Any], blocks: Iterator[Sequence[Any]], count: int) -> None:
        import ray

        self._ray = ray
        self._crew, self._blocks, self._count, self._say = crew, blocks, count, cluster.say
        self._actor = answering(WorkerActor).options(max_restarts=0, max_task_retries=0, **cluster.resources)
        self._start = ray.put(crew.start)
        self._workers: list[_Worker] = []
        self._open: deque[Block] = deque()
        self._again: deque[Part] = deque()
        self._taken_all = False
        self._hired = 0
        self._options, self._longest = cluster.options, 0.0
        self._lost_in_a_row = self._hung_in_a_row = 0
        self._alone_since = time.monotonic()

    def results(self) -> Iterator[Sequence[Any]]:
        """Yield the results of each block."""
        first = next(self._blocks, None)
        if first is None:
            return
        self._blocks = chain([first], self._blocks)
        for _ in range(self._count):
            self._hire()
        while True:
            self._hand_out()
            if self._open and not self._open[0].left:
                yield self._open.popleft().results
            elif self._taken_all and not self._open:
                return
            else:
                self._look()

    def end(self) -> None:
        """End the workers."""
        for worker in self._workers:
            self._ray.kill(worker.actor)
        self._workers.clear()

    def _hire(self) -> None:
        self._hired += 1
        actor = self._actor.remote()
        self._workers.append(_Worker(self._hired, actor, actor.join.remote(self._start), Signs(actor)))

    def _hand_out(self) -> None:
        """Give each worker that has joined what it may have, those with the least first."""
        for queued in range(_QUEUED):
            for worker in self._workers:
                if worker.where and len(worker.given) == queued and not any(part.alone for _, part in worker.given):
                    part = self._next_part(is_idle=not queued)
                    if part is not None:
                        worker.given.append((worker.actor.work.remote(part.items), part))

    def _next_part(self, *, is_idle: bool) -> Part | None:
        """Return what a worker is given next, which may have nothing else to do."""
        if self._again:
            return self._again.popleft() if is_idle or not self._again[0].alone else None
        if self._taken_all or len(self._open) >= _AHEAD * self._count:
            return None
        items = next(self._blocks, None)
        if items is None:
            self._taken_all = True
        if items is None or items is LATER:
            return None
        block = Block(items, [None] * len(items), len(items))
        self._open.append(block)
        return Part(block, 0, len(items))

    def _look(self) -> None:
        """Wait until a worker has joined or finished something, at most for a moment."""
        waited = {worker.given[0][0]: worker for worker in self._workers if worker.given}
        waited |= {worker.joining: worker for worker in self._workers if not worker.where}
        ready, _ = self._ray.wait(list(waited), timeout=_EVERY)
        for reference in ready:
            self._take(waited[reference], reference)
        for worker in [each for each in self._workers if each.given or not each.where]:
            if frozen := worker.signs.frozen(starting=not worker.where):
                self._lose(worker, frozen, f"lost: {frozen}")
            elif worker.signs.still > self._patience(worker):
                self._lose_hung(worker)
        if any(worker.where for worker in self._workers):
            self._alone_since = time.monotonic()
        elif time.monotonic() - self._alone_since > _SILENCE:
            self._alone_since = math.inf
            self._say("no worker has joined yet: other work may take the cluster's processors")

    def _take(self, worker: _Worker, reference: Any) -> None:
        from ray.exceptions import RayError, RayTaskError

        try:
            answer = self._ray.get(reference)
        except RayTaskError:
            raise  # an error of this module: what the crew raises is an answer
        except RayError as error:
            self._lose(worker, " ".join(str(error).split())[:300])
            return
        if isinstance(answer, Failed):
            raise answer.error
        if isinstance(answer, Joined):
            worker.where = str(answer)
            self._say(f"worker {worker.number} joined: {worker.where}")
            return
        _, part = worker.given.popleft()
        part.finish(answer)
        worker.finished += 1
        self._lost_in_a_row = self._hung_in_a_row = 0

    def _patience(self, worker: _Worker) -> float:
        """Return the seconds that a worker may take to go on."""
        position = worker.signs.position
        if position is None:
            return math.inf
        if not worker.where:
            return max(_JOINS_IN, self._options.patience)
        self._longest = max(self._longest, position.longest)
        is_current = position.block == worker.finished + 1
        return max(self._options.patience, _TIMES * self._longest) if is_current else math.inf

    def _lose_hung(self, worker: _Worker) -> None:
        """Have another worker do what one was given that hangs."""
        position, seconds = worker.signs.position, worker.signs.still
        assert position is not None
        self._hung_in_a_row += 1
        part = worker.given[0][1] if worker.where else None
        place = position.reading if part is not None and (position.reading or 0) < part.count else None
        which = ""
        if part is not None and place is not None and self._crew.title is not None:
            which = f" while it read {self._crew.title(part.items[place])}"
        hung = f"hung: it did not go on for {seconds:.0f} s{which}"
        if part is not None and self._hung_in_a_row > _HUNG_IN_A_ROW * self._count:
            raise RunError(
                f"worker {worker.number} ({worker.where}) {hung}, the {self._hung_in_a_row}th in a row. Is the folder "
                "or the network drive still there? Where it may take longer, raise --patience or cluster.patience"
            )
        self._lose(worker, hung, f"lost: {hung}", lambda part, fate: after_hang(part, self._crew, fate, place))

    def _lose(self, worker: _Worker, why: str, how: str = "lost", again: _Again | None = None) -> None:
        """Have another worker do what a lost one was given.

        Args:
            worker: the worker.
            why: what is known of the reason.
            how: what became of it, to follow ``was``.
            again: yields what is done again of the part that it worked on; None: as of one that died.
        """
        self._workers.remove(worker)
        self._ray.kill(worker.actor)
        self._lost_in_a_row += 1
        parts = [part for _, part in worker.given]
        if not worker.where and self._lost_in_a_row >= _STARTS:
            raise RunError(f"the workers of the cluster can't start: {why}")
        told = f"worker {worker.number} ({worker.where or 'which had not joined'}) was {how}"
        if self._lost_in_a_row > _LOST_IN_A_ROW * math.ceil(self._count / 4):
            raise RunError(
                f"{told}, the {self._lost_in_a_row}th in a row: {why}. Look for the reason in the logs of Ray on that "
                "machine; often its memory is exhausted: use fewer workers (cluster.workers)"
            )
        count = sum(part.count for part in parts)
        self._say(f"{told}; its {count} {self._crew.noun} are given to others" if count else told)
        if parts:
            fate = Fate(f"each process that read it {'hung' if again else 'died'}", why)
            first = again(parts[0], fate) if again else after_death(parts[0], self._crew, fate)
            self._again.extendleft(reversed([*first, *parts[1:]]))
        self._hire()
