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
@click.option("--folds", type=click.IntRange(min=2), help="Cross-validate: so many runs, each validating elsewhere.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Folds at the same time.")
@click.pass_obj
def run(
    session: Session,
    recipe: Path,
    overrides: tuple[str, ...],
    out: Path | None,
    deterministic: bool,
    folds: int | None,
    jobs: int,
) -> None:
    """Run RECIPE, a TOML file or the name of a shipped recipe: train, evaluate, write the run folder."""
    if folds is not None:
        if deterministic:
            raise click.UsageError("--deterministic is not passed on to folds; it doesn't go with --folds")
        from tlkit.jobs.folds import cross_validate

        cross_validate(recipe, folds, overrides, out, registry=session.registry, jobs=jobs)
        return
    from tlkit.jobs import api

    api.run(recipe, overrides, out, registry=session.registry, deterministic=deterministic)
