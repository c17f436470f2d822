"""``tlkit cluster check``: say within a minute what would fail on a cluster within an hour."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tlkit.cluster.all_reduce import ALL_REDUCE
from tlkit.cluster.findings import Finding, judge_clocks, judge_machine, judge_reduce, judge_versions
from tlkit.cluster.nodes import Node, answers, ask, end_nodes, start_nodes
from tlkit.cluster.probes import versions
from tlkit.cluster.ray_cluster import ClusterOptions, joined
from tlkit.cluster.shared_folder import SharedFolder
from tlkit.system.cache import cache_folder

Say = Callable[[str], None]

LONGEST = 60.0
"""Seconds that the check takes at most, joining included."""
_ANSWER = 5.0
_CLOCK_TRIES = 5
_ALL_PAIRS = 6


@dataclass(frozen=True)
class ClusterReport:
    """What the check of a cluster found.

    Args:
        address: the cluster.
        folder: the folder that is to be shared.
        nodes: one row for each node that answered: name, processors, memory, GPUs, free room.
        findings: what was found.
        seconds: how long the check took.
    """

    address: str
    folder: str
    nodes: tuple[dict[str, Any], ...]
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def failed(self) -> bool:
        """Whether something would fail."""
        return any(each.level == "error" for each in self.findings)

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {**asdict(self), "ok": not self.failed}


def check_cluster(
    options: ClusterOptions, folder: Path, say: Say = lambda _line: None, *, seconds: float = LONGEST
) -> ClusterReport:
    """Ask every node of a cluster for what a training needs of it.

    Args:
        options: the cluster, and what a worker is to have.
        folder: the folder that the nodes are to share; each looks at the same path.
        say: called with a line about what is done.
        seconds: how long it may take in all. A sum that did not come to its end is a warning.

    Raises:
        DataError: Ray is not installed, or the cluster can't be joined.
    """
    begin = time.monotonic()
    say(f"joining {options.address}")
    with joined(options, say, any_versions=True) as cluster:
        environment = cluster.resources["runtime_env"]
        nodes, lost = start_nodes(environment)
        check = _Check(nodes, str(folder.absolute()), options, begin + seconds, say)
        try:
            check.run()
        finally:
            check.clean_up()
            end_nodes(nodes)
    for name in lost:
        check.add("warning", "nodes", f"{name} has left the cluster", "start it again if it is to take part")
    return ClusterReport(
        options.address, check.folder, tuple(check.rows()), tuple(check.findings), time.monotonic() - begin
    )


@dataclass
class _Check:
    """The questions, one after another; what takes long runs meanwhile.

    Args:
        nodes: the nodes of the cluster.
        folder: the folder that is to be shared.
        options: what a worker is to have.
        end: when the check must be over, on the clock of ``time.monotonic``.
        say: called with a line about what is done.
    """

    nodes: list[Node]
    folder: str
    options: ClusterOptions
    end: float
    say: Say
    findings: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.each = 2 if len(self.nodes) == 1 else 1  # workers of the sum on each node
        self.shared = SharedFolder(self.nodes, self.folder)

    def add(self, *finding: Any) -> None:
        """Add a finding."""
        self.findings.append(Finding(*finding))

    def run(self) -> None:
        """Ask everything, and add what is found."""
        self._start()
        if not self.nodes:
            return
        self._clocks()
        ready = self._ports()
        reduces, seconds = self._begin_reduce() if ready else ({}, 0.0)
        self.say(f"looking at {self.folder}")
        self.findings += self.shared.findings()
        if reduces:
            self.say("summing over all workers")
            got = answers(list(reduces.values()), max(1.0, min(self.end - time.monotonic(), seconds + _ANSWER)))
            results = {name: each.value or {"problem": each.problem} for name, each in zip(reduces, got, strict=True)}
            self.findings += judge_reduce(results, seconds)

    def _start(self) -> None:
        """Wait for the processes on the nodes, and judge what is installed there; the others are left out."""
        self.say(f"asking {len(self.nodes)} node{'s' * (len(self.nodes) != 1)}")
        cache = str(cache_folder())
        for each in self.nodes:  # they import TensorFlow while the rest is asked
            each.actor.begin_reduce.remote(ALL_REDUCE, self.each)
        got = ask(self.nodes, lambda node: node.about.remote(cache), max(_ANSWER, (self.end - time.monotonic()) / 2))
        for each, answer in zip(self.nodes, got, strict=True):
            each.facts = answer.value or {}
            if answer.problem:
                self.add("error", "nodes", f"{each.name}: {answer.problem}", "look at Ray's logs on that node")
        self.nodes[:] = [each for each in self.nodes if each.facts]
        if not self.nodes:
            return
        self.findings += judge_versions(versions(), {each.name: each.facts["versions"] for each in self.nodes})
        for each in self.nodes:
            self.findings += judge_machine(each.name, each.facts, self.options.cpus)

    def _clocks(self) -> None:
        differences: dict[str, tuple[float, float]] = {}
        for each in self.nodes:
            for _ in range(_CLOCK_TRIES):
                asked = time.time(), time.monotonic()
                [answer] = ask([each], lambda node: node.now.remote(), _ANSWER)
                if answer.problem:
                    break
                uncertain = (time.monotonic() - asked[1]) / 2
                if each.name not in differences or uncertain < differences[each.name][1]:
                    differences[each.name] = answer.value - asked[0] - uncertain, uncertain
        self.findings += judge_clocks(differences)

    def _ports(self) -> bool:
        """Connect the nodes with each other as the workers of a training do; return whether all could."""
        got = ask(self.nodes, lambda node: node.listen.remote(self._address_of(node)), _ANSWER)
        ports = [answer.value or 0 for answer in got]
        tries = []
        for place, each in enumerate(self.nodes):
            if ports[place] == 0:
                remedy = "start Ray there with --node-ip-address of an interface that the others reach"
                self.add("error", "ports", f"{each.name} can't listen at its address", remedy)
            tries += [(place, other) for other in _peers(place, len(self.nodes)) if ports[other]]
        asked = [self.nodes[one].actor.connect.remote(self.nodes[other].address, ports[other]) for one, other in tries]
        failed = [
            f"{self.nodes[one].name} → {self.nodes[other].name}: {answer.problem or answer.value}"
            for (one, other), answer in zip(tries, answers(asked, 2 * _ANSWER), strict=True)
            if answer.problem or answer.value
        ]
        if failed:
            text = f"{len(failed)} of {len(tries)} connections failed: {'; '.join(failed[:3])}"
            self.add("error", "ports", text, "let the nodes connect to each other on all ports above 1024")
        elif tries and all(ports):
            self.add("ok", "ports", f"{len(tries)} connections between the nodes")
        return not failed and all(ports)

    def _address_of(self, actor: Any) -> str:
        return next(each.address for each in self.nodes if each.actor is actor)

    def _begin_reduce(self) -> tuple[dict[str, Any], float]:
        """Have the workers, one on each node or two on the only one, sum numbers; return worker → Ray's reference."""
        workers = [(each, number) for each in self.nodes for number in range(self.each)]
        asked = [each.actor.free_port.remote(each.address) for each, _ in workers]
        ports = [answer.value or 0 for answer in answers(asked, _ANSWER)]
        places = [f"{each.address}:{port}" for (each, _), port in zip(workers, ports, strict=True)]
        seconds = max(5.0, self.end - time.monotonic() - 3)
        started = {}
        for rank, (each, number) in enumerate(workers):
            config = {"cluster": {"worker": places}, "task": {"type": "worker", "index": rank}}
            asked_of = each.actor.reduce.remote(number, json.dumps(config), seconds)
            started[f"worker {rank} on {each.name}"] = asked_of
        return started, seconds

    def clean_up(self) -> None:
        """Remove what was written into the folder."""
        self.shared.clean_up()
        ask(self.nodes, lambda node: node.end.remote(), _ANSWER)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield what the nodes have."""
        for each in self.nodes:
            facts = {name: value for name, value in each.facts.items() if name != "host"}
            yield {"node": each.name, "gpus": each.gpus, **facts}


def _peers(place: int, count: int) -> list[int]:
    """Return to which nodes a node connects: to all of few, to its neighbours and the first of many."""
    if count <= _ALL_PAIRS:
        return [other for other in range(count) if other != place]
    return sorted({0, (place + 1) % count, (place - 1) % count} - {place})
