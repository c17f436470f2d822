"""``tlkit lr``: the learning-rate range test."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from tlkit.cli import Session, set_option


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@set_option
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="The PNG file to write.  [default: <recipe>-lr.png]"
)
@click.option("--phase", help="Name of the schedule's phase to try.  [default: the first]")
@click.option(
    "--from",
    "low",
    type=click.FloatRange(min=0, min_open=True),
    default=1e-7,
    show_default=True,
    help="The first rate.",
)
@click.option(
    "--to", "high", type=click.FloatRange(min=0, min_open=True), default=10.0, show_default=True, help="The last rate."
)
@click.option("--steps", type=click.IntRange(min=20), default=100, show_default=True, help="Training steps at most.")
@click.option("--overwrite", is_flag=True, help="Overwrite the file if it exists.")
@click.pass_obj
def lr(
    session: Session,
    recipe: Path,
    overrides: tuple[str, ...],
    out: Path | None,
    phase: str | None,
    low: float,
    high: float,
    steps: int,
    overwrite: bool,
) -> None:
    """Find a learning rate for RECIPE by a range test.

    Some steps are trained at rates that rise by the same factor from step to step, the loss is drawn over the rate, and
    the rate at which it falls fastest is suggested (Smith 2017, arXiv:1506.01186). The trial ends early where the
    loss explodes. The recipe is not changed and no run folder is made.
    """
    from tlkit.recipe import catalog
    from tlkit.recipe.load import load_recipe
    from tlkit.system.disk import check_new_file, write_atomically
    from tlkit.system.tensorflow import start_tensorflow

    if low >= high:
        raise click.UsageError(f"--from {low:g} is not below --to {high:g}")
    checked = load_recipe(catalog.resolve(recipe), session.registry, overrides)
    target = out or Path(f"{checked.name}-lr.png")
    check_new_file(target, overwrite=overwrite)
    start_tensorflow()
    from tlkit.jobs.range_test import range_test
    from tlkit.report.learning_rate_plot import learning_rate_plot
    from tlkit.system.progress import Reporter

    with Reporter() as reporter, tempfile.TemporaryDirectory(prefix="tlkit-") as folder:
        found = range_test(checked, Path(folder), reporter, phase=phase, low=low, high=high, steps=steps)
    title = f"{checked.name}, phase {found.phase}"
    picture = learning_rate_plot(found.rates, found.losses, found.smoothed, found.suggestion, title)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, picture)
    click.echo(f"Plot: {target}")
    if found.suggestion is None:
        click.echo("No suggestion: the loss does not fall at any of these rates; look at the plot.")
        return
    click.echo(f"Suggested learning rate of phase {found.phase}: {found.suggestion:.1e} (the recipe has {found.own:g})")
