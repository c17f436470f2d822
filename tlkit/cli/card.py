"""``tlkit card``."""

from __future__ import annotations

from pathlib import Path

import click

from tlkit.cli.options import FILE, overwrite_option, run_argument
from tlkit.cli.session import Session


@click.command()
@run_argument
@click.option("--out", type=FILE, metavar="FILE", help="The file to write.  [default: RUN/README.md]")
@click.option(
    "--license",
    metavar="IDENTIFIER",
    help="The licence that you choose for the model, by its identifier on Hugging Face's hub, such as apache-2.0. "
    "[default: the card says that none was stated]",
)
@overwrite_option
@click.pass_obj
def card(session: Session, run: Path, out: Path | None, license: str | None) -> None:
    """Write a model card for the finished run in the folder RUN.

    It is Markdown, with the front matter that Hugging Face's hub reads, and says what the model is, which images it
    learnt from, how well it does, with 95 % intervals, and what its limits are; the licence of the backbone's weights,
    as their publisher states it; the exported files; and the recipe. All of it is read from the run folder, without the
    images. RUN may be the folder of a cross-validation.
    """
    from tlkit.cli.console import say
    from tlkit.jobs.card import write_card

    file, validated = write_card(run, session.registry, out=out, license=license, overwrite=session.overwrite)
    say(f"{file}: written." + (" Hugging Face's library could read the lines at its top." if validated else ""))
    if not validated:
        say('note: huggingface_hub, which would check the front matter, is not installed: pip install "tlkit[hub]"')
