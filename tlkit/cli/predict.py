"""``tlkit predict``: use a trained model on files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tlkit.cli import Session, trust_option

if TYPE_CHECKING:
    from tlkit.evaluation.prediction import Prediction


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="FILES-OR-FOLDERS...")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.csv|DIR",
    help="A CSV file for classification; a folder for the masks and overlays of a segmentation.",
)
@click.option("--overwrite", is_flag=True, help="Overwrite files that exist.")
@click.option("--batch-size", type=click.IntRange(min=1), default=16, show_default=True, help="Images at a time.")
@trust_option
@click.pass_obj
def predict(
    session: Session, run: Path, files: tuple[Path, ...], out: Path, overwrite: bool, batch_size: int, trust: bool
) -> None:
    """Predict images with the model of the run folder RUN.

    Folders are searched for images at any depth. Image size, classes and preprocessing come from RUN.
    """
    from rich.console import Console

    from tlkit.errors import DataError
    from tlkit.runs.folder import RunFolder
    from tlkit.system.tensorflow import start_tensorflow

    card = RunFolder(run).read_card()
    start_tensorflow()
    from tlkit.evaluation.predictor import Predictor, find_images
    from tlkit.report.prediction_files import check_target, write_predictions

    messages = Console(stderr=True, highlight=False, soft_wrap=True)
    found = find_images(files)
    check_target(found, card, out, overwrite=overwrite)
    if trust:
        _ = session.registry  # a plugin's layers are there once it is imported
    predictor = Predictor.open(run, trust=trust)
    failures = 0

    def failed(prediction: Prediction) -> None:
        nonlocal failures
        failures += 1
        messages.print(f"set aside: {prediction.error}", markup=False, style="yellow")

    predictions = predictor.predict_files([each.path for each in found], batch_size=batch_size)
    if messages.is_terminal:
        from rich.progress import track

        predictions = iter(track(predictions, "predicting", total=len(found), console=messages, transient=True))
    count = write_predictions(predictions, found, predictor.card, out, overwrite=overwrite, failed=failed)
    aside = f"; {failures} could not be decoded" if failures else ""
    click.echo(f"{count} image{'' if count == 1 else 's'} predicted{aside}: {out}")
    if not count:
        raise DataError("no image could be decoded")
