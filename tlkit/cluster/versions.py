"""Compare what the machines of a cluster have installed with this process: other versions give other results."""

from __future__ import annotations

import platform
import socket
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tlkit.errors import DataError

_COMPARED = ("tensorflow", "keras", "numpy", "ray")
_SECONDS = 60.0


def versions() -> dict[str, str]:
    """Return the versions of Python, tlkit, and the packages that results depend on."""
    import tlkit

    found = {"python": platform.python_version(), "tlkit": tlkit.__version__}
    for name in _COMPARED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def named_versions() -> tuple[str, dict[str, str]]:
    """Return the name of this machine, and its versions."""
    return socket.gethostname(), versions()


def check_versions(ray: Any, address: str, environment: Mapping[str, str]) -> None:
    """Check that each machine of the cluster that this process has joined has the same versions.

    Args:
        ray: the package.
        address: the cluster, as it is named in messages.
        environment: the variables that workers get.

    Raises:
        DataError: a machine has others, has no tlkit, or does not answer.
    """
    from ray.exceptions import GetTimeoutError, RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(num_cpus=0, max_retries=0, runtime_env={"env_vars": dict(environment)})(named_versions)
    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    asked = {
        host: task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(each, soft=False)).remote()
        for each, host in nodes.items()
    }
    ours = versions()
    for host, reference in asked.items():
        try:
            name, theirs = ray.get(reference, timeout=_SECONDS)
        except GetTimeoutError as error:
            raise DataError(f"--cluster {address}: {host}: no worker answered within {_SECONDS:g} s") from error
        except RayError as error:
            lines = str(error).strip().splitlines() or ["no reason"]
            raise DataError(
                f"--cluster {address}: {host}: its workers can't import tlkit: {lines[-1]}. Install the same tlkit on "
                "each machine"
            ) from error
        different = [f"{each} {theirs[each]} there, {text} here" for each, text in ours.items() if theirs[each] != text]
        if different:
            raise DataError(
                f"--cluster {address}: {host} ({name}) has other versions: {'; '.join(different)}. Install the same on "
                "each machine"
            )
