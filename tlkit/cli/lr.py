"""``tlkit lr``."""

from __future__ import annotations

from pathlib import Path

import click

from tlkit.cli.options import FiniteRange, overwrite_option, picture_option, recipe_argument, set_option
from tlkit.cli.session import Session

_RATE = FiniteRange(min=0, min_open=True)


@click.command()
@recipe_argument
@set_option
@picture_option("<recipe>-lr.png")
@click.option("--phase", metavar="NAME", help="The phase of the schedule to try.  [default: the first]")
@click.option("--from", "low", type=_RATE, default=1e-7, show_default=True, metavar="RATE", help="The lowest rate.")
@click.option("--to", "high", type=_RATE, default=10.0, show_default=True, metavar="RATE", help="The highest rate.")
@click.option(
    "--steps",
    type=click.IntRange(min=20, max=1_000_000),
    default=100,
    show_default=True,
    metavar="N",
    help="Training steps, one per rate.",
)
@overwrite_option
@click.pass_obj
def lr(
    session: Session, recipe: Path, out: Path | None, phase: str | None, low: float, high: float, steps: int
) -> None:
    """Suggest a learning rate for RECIPE by a range test.

    Trains some steps at rates that rise by the same factor from step to step, plots the loss over the rate, and
    suggests the rate at which the loss falls fastest (Smith 2017, arXiv:1506.01186). The test ends early when the loss
    explodes. The recipe is not changed, and no run folder is written.
    """
    if low >= high:
        raise click.UsageError(f"--from {low:g} is not below --to {high:g}")
    from tlkit.cli.console import say
    from tlkit.system.disk import write_atomically, writing
    from tlkit.system.progress import Reporter

    checked = session.load_recipe(recipe)
    target = out or Path(f"{checked.name}-lr.png")
    session.check_new_files(target)
    from tlkit.jobs.range_test import range_test

    with Reporter() as reporter:
        result = range_test(checked, reporter, phase=phase, low=low, high=high, steps=steps)
    from tlkit.report.learning_rate_plot import learning_rate_plot

    title = f"{checked.name}, phase {result.phase}"
    with writing(target):
        plot = learning_rate_plot(result.rates, result.losses, result.smoothed, result.suggestion, title)
        write_atomically(target, plot)
    say(f"Plot: {target}")
    if result.suggestion is None:
        say("No suggestion: the loss does not fall at any of these rates; see the plot.")
        return
    own = f"the recipe has {result.own:g}"
    say(f"Suggested learning rate of phase {result.phase}: {result.suggestion:.1e} ({own})")
