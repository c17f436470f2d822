"""``tlkit predict``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tlkit.cli.options import PATH, overwrite_option, run_argument, trust_option
from tlkit.cli.session import Session

if TYPE_CHECKING:
    from tlkit.evaluation.prediction import Prediction


@click.command()
@run_argument
@click.argument("files", type=PATH, nargs=-1, required=True, metavar="FILES-OR-FOLDERS...")
@click.option(
    "--out",
    type=PATH,
    required=True,
    metavar="FILE.csv|FOLDER",
    help="Where to write: a CSV file for classification, a folder of masks and overlays for segmentation.",
)
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=16, show_default=True, metavar="N", help="Images per batch."
)
@overwrite_option
@trust_option
@click.pass_obj
def predict(session: Session, run: Path, files: tuple[Path, ...], out: Path, batch_size: int) -> None:
    """Classify or segment images with the model of the run folder RUN.

    Folders are searched for images at any depth. The image size, the classes and the preprocessing come from RUN.

    \b
    Examples:
      tlkit predict runs/photos-1 new_photos --out predictions.csv
      tlkit predict runs/pets_seg-1 a.jpg b.jpg --out masks
    """
    from tlkit.cli.console import messages_console, progress_bars
    from tlkit.errors import DataError
    from tlkit.jobs.predict import images_to_predict, load, predict_to_files

    images = images_to_predict(run, files, out, overwrite=session.overwrite)
    if session.trust:
        _ = session.registry  # importing a plugin registers its layers with Keras
    predictor = load(run, trust=session.trust)
    messages = messages_console()
    failures = 0

    def failed(prediction: Prediction) -> None:
        nonlocal failures
        failures += 1
        messages.print(f"set aside: {prediction.error}", markup=False, style="yellow")

    with progress_bars(messages) as progress:
        count = predict_to_files(
            predictor,
            images,
            out,
            batch_size=batch_size,
            overwrite=session.overwrite,
            failed=failed,
            progress=progress,
        )
    aside = f"; {failures} could not be decoded" if failures else ""
    click.echo(f"{count} image{'' if count == 1 else 's'} predicted{aside}: {out}")
    if not count:
        raise DataError("no image could be decoded")
