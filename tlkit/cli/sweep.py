"""``tlkit sweep``."""

from __future__ import annotations

from pathlib import Path

import click

from tlkit.cli.options import PATH, cluster_option, recipe_argument, set_option
from tlkit.cli.session import Session


@click.command()
@recipe_argument
@click.option(
    "--out",
    type=PATH,
    metavar="FOLDER",
    help="The folder to create, or that of an interrupted sweep of this recipe.  [default: runs/<recipe>-sweep-<n>]",
)
@set_option
@cluster_option
@click.pass_obj
def sweep(session: Session, recipe: Path, out: Path | None) -> None:
    """Try values of RECIPE's keys as its table [sweep] says, and compare the trials.

    Each trial is a run with a folder and a process of its own. Optuna chooses the values and ends trials early that
    are worse than the others were (pip install "tlkit[sweep]"). Decoded images and features are shared. The folder
    has sweep.html, which compares the trials, sweep.csv, and best.toml, the recipe of the best one.

    With --cluster, trials run at the same time on the machines of a Ray cluster, which share the folder. What they
    try depends on sweep.round, and not on which ends first.

    Ctrl-C saves the state of the trials; tlkit resume FOLDER continues the sweep. A finished sweep gets further trials
    by tlkit resume FOLDER --set sweep.trials=40.

    \b
    Examples:
      tlkit sweep photos.toml
      tlkit sweep photos.toml --set sweep.trials=40 --out runs/search
      tlkit sweep photos.toml --cluster local
    """
    from tlkit.jobs.sweep.search import sweep as run_sweep

    run_sweep(recipe, session.overrides, out, registry=session.registry, cluster=session.cluster)
