"""``tlkit cluster``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tlkit.cli.console import say
from tlkit.cli.options import PATH, FiniteRange

if TYPE_CHECKING:
    from tlkit.jobs.cluster_check import ClusterReport


@click.group()
def cluster() -> None:
    """Check a Ray cluster before work is spread over it.

    A cluster is what ray start makes of several machines (pip install "tlkit[cluster]").
    """


@cluster.command("check")
@click.argument("address", metavar="local|auto|ADDRESS")
@click.option(
    "--folder",
    type=PATH,
    default=Path(),
    metavar="FOLDER",
    help="The folder that all nodes share, where runs are to be written.  [default: the current folder]",
)
@click.option(
    "--cpus",
    type=FiniteRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    metavar="N",
    help="Processors that a worker is to have.",
)
@click.option(
    "--seconds",
    type=FiniteRange(min=10, max=3600),
    default=60.0,
    show_default=True,
    metavar="N",
    help="How long the check may take. Busy nodes need longer to import TensorFlow.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")
def check(address: str, folder: Path, cpus: float, seconds: float, as_json: bool) -> None:
    """Say in a minute what would fail on a cluster in an hour.

    ADDRESS is HOST:PORT or ray://HOST:PORT; auto, the cluster that this machine belongs to; or local, this machine.
    Each node is asked for its versions, clock, processors, memory and free room, whether it sees the same FOLDER and
    its locks, and whether workers on all nodes can connect and sum numbers as a training does.

    The exit code is 1 if something would fail.

    \b
    Examples:
      tlkit cluster check local
      tlkit cluster check 10.0.0.1:6379 --folder /mnt/shared/runs
    """
    from tlkit.cli.console import messages_console, say_json
    from tlkit.cluster.ray_cluster import ClusterOptions
    from tlkit.jobs.cluster_check import check_cluster

    console = messages_console()
    report = check_cluster(ClusterOptions(address, cpus=cpus), folder, console.print, seconds=seconds)
    if as_json:
        say_json(report.as_json())
    else:
        _print(report)
    if report.failed:
        click.get_current_context().exit(1)


def _print(report: ClusterReport) -> None:
    from rich.table import Table

    from tlkit.cli.console import tables_console
    from tlkit.system.text import size_text

    table = Table()
    for name in ("node", "processors", "GPUs", "free memory", "free for /tmp", "free for the cache", "tlkit"):
        table.add_column(name, overflow="fold")
    for row in report.nodes:
        sizes = [size_text(row[name]) for name in ("free_memory", "free_tmp", "free_cache")]
        table.add_row(row["node"], f"{row['processors']}", f"{row['gpus']:g}", *sizes, row["versions"]["tlkit"])
    tables_console(width=200).print(table)
    for each in report.findings:
        say(f"{each.level:8} {each.what}: {each.text}")
        if each.remedy:
            say(f"         {each.remedy}")
    problems = sum(each.level == "error" for each in report.findings)
    result = f"{problems} would fail" if problems else "nothing would fail"
    say(f"{report.address}: {result}; checked in {report.seconds:.0f} s")
