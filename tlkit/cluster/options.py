"""Where work is done: what the command line and the recipe say of the cluster."""

from __future__ import annotations

from dataclasses import dataclass

from tlkit.recipe.cluster_table import ClusterTable

LOCAL, AUTO = "local", "auto"


@dataclass(frozen=True)
class ClusterOptions:
    """Where the workers run, and what each is given.

    Args:
        address: ``local``, the processors of this machine; ``auto``, the cluster that this machine belongs to; or the
            address of a cluster, ``HOST:PORT`` or ``ray://HOST:PORT``.
        workers: the number of workers at the same time; None for as many as there is room for.
        cpus: processors for a worker.
        gpus: GPUs for a worker.
        restarts: how often the work of a lost worker is begun again.
        patience: seconds without an image after which a worker of a pass counts as hung.
    """

    address: str
    workers: int | None = None
    cpus: float = 1.0
    gpus: float = 0.0
    restarts: int = 2
    patience: float = 600.0


def cluster_options(address: str | ClusterOptions | None, table: ClusterTable | None = None) -> ClusterOptions | None:
    """Return where the work is done; None for this process alone.

    Args:
        address: as the command line names it, which wins; None if it does not; or all options, which are returned.
        table: the recipe's table ``[cluster]``, if there is a recipe.
    """
    if isinstance(address, ClusterOptions):
        return address
    table = table or ClusterTable()
    chosen = table.address if address is None else address
    if chosen is None:
        return None
    return ClusterOptions(chosen, table.workers, table.cpus, table.gpus, table.restarts, table.patience)
