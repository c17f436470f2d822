"""``tlkit run``."""

from __future__ import annotations

from pathlib import Path

import click

from tlkit.cli import Session, set_option


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@set_option
@click.option("--out", type=click.Path(path_type=Path), help="The run folder itself; by default runs/<recipe>-<n>.")
@click.option(
    "--deterministic", is_flag=True, help="Deterministic operations only: equal bits on the same machine; slower."
)
@click.pass_obj
def run(session: Session, recipe: Path, overrides: tuple[str, ...], out: Path | None, deterministic: bool) -> None:
    """Run RECIPE, a TOML file or the name of a shipped recipe: train, evaluate, write the run folder."""
    from tlkit import api

    api.run(recipe, overrides, out, registry=session.registry, deterministic=deterministic)
