"""``tlkit resume``."""

from __future__ import annotations

from pathlib import Path

import click

from tlkit.cli import Session, set_option


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@set_option
@click.pass_obj
def resume(session: Session, run: Path, overrides: tuple[str, ...]) -> None:
    """Go on with the run in the folder RUN where it was stopped.

    It ends with the same weights as a run in one go. With --set schedule.epochs=20 or the like a run is extended, also
    one that has ended.
    """
    from tlkit.jobs import api

    api.resume(run, overrides, registry=session.registry)
