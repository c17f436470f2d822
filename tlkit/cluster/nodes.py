"""One process on each node of a Ray cluster that answers questions, each within a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tlkit.cluster import probes


@dataclass(frozen=True)
class Answer:
    """What a node said to a question.

    Args:
        value: the value; None if there is a problem.
        problem: why there is no value, such as ``no answer within 5 s``; empty if there is one.
    """

    value: Any = None
    problem: str = ""


@dataclass
class Node:
    """A node of the cluster.

    Args:
        address: its IP address.
        host: its name.
        gpus: how many GPUs Ray gives to work there.
        actor: Ray's handle of the process that answers.
        facts: what it said about itself: ``Prober.about``.
    """

    address: str
    host: str
    gpus: float
    actor: Any = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The node as messages name it."""
        return f"{self.host} ({self.address})"


Question = Callable[[Any], Any]
"""Is given the handle of a node's process, and calls one of its methods, such as ``lambda node: node.now.remote()``."""


def start_nodes(environment: dict[str, Any] | None) -> tuple[list[Node], list[str]]:
    """Start a process on each node that is alive, without waiting for it; the node of this process comes first.

    Args:
        environment: the ``runtime_env`` of workers; None if they have inherited it.

    Returns:
        the nodes, and the names of those that the cluster has lost.
    """
    import ray
    from ray import cloudpickle
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    own = ray.util.get_node_ip_address()
    cloudpickle.register_pickle_by_value(probes)
    try:
        nodes, lost = [], []
        for each in sorted(ray.nodes(), key=lambda each: (each["NodeManagerAddress"] != own, each["NodeID"])):
            address, host = each["NodeManagerAddress"], each["NodeManagerHostname"]
            if not each["Alive"]:
                lost.append(f"{host} ({address})")
                continue
            place = NodeAffinitySchedulingStrategy(each["NodeID"], soft=False)
            actor = ray.remote(probes.Prober).options(
                num_cpus=0, max_concurrency=8, max_restarts=0, scheduling_strategy=place, runtime_env=environment
            )
            nodes.append(Node(address, host, each["Resources"].get("GPU", 0.0), actor.remote()))
        return nodes, lost
    finally:
        cloudpickle.unregister_pickle_by_value(probes)


def ask(nodes: Sequence[Node], question: Question, seconds: float) -> list[Answer]:
    """Ask all nodes at once, and return their answers in the order of the nodes.

    Args:
        nodes: the nodes.
        question: what to ask each.
        seconds: how long to wait for all of them together.
    """
    return answers([question(each.actor) for each in nodes], seconds)


def answers(references: Sequence[Any], seconds: float) -> list[Answer]:
    """Wait for what was asked before.

    Args:
        references: Ray's references to the answers.
        seconds: how long to wait for all of them together.
    """
    import ray
    from ray.exceptions import GetTimeoutError, RayError, RayTaskError

    end = time.monotonic() + seconds
    found = []
    for each in references:
        try:
            found.append(Answer(ray.get(each, timeout=max(0.0, end - time.monotonic()))))
        except GetTimeoutError:
            found.append(Answer(problem=f"no answer within {seconds:.0f} s"))
        except RayTaskError as error:
            found.append(Answer(problem=f"{type(error.cause).__name__}: {error.cause}"))
        except RayError as error:
            reason = " ".join(line.strip() for line in str(error).strip().splitlines()[:3])
            found.append(Answer(problem=f"its process could not start, or ended: {reason[:300]}"))
    return found


def end_nodes(nodes: Sequence[Node]) -> None:
    """End the processes that answered."""
    import ray

    for each in nodes:
        if each.actor is not None:
            ray.kill(each.actor)
