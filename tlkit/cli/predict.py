"""``tlkit predict``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tlkit.cli.console import say, say_json
from tlkit.cli.options import (
    BATCH_SIZE,
    PATH,
    cluster_option,
    engine_option,
    memory_option,
    model_option,
    overwrite_option,
    patience_option,
    sets_option,
    trust_option,
    unknown_option,
)
from tlkit.cli.session import Session
from tlkit.cli.tiles_options import TilesAsked, overlap_option, tiles_asked, tiles_option

if TYPE_CHECKING:
    from tlkit.evaluation.found_images import FoundImage
    from tlkit.evaluation.prediction import Prediction
    from tlkit.evaluation.predictor import Predictor
    from tlkit.jobs.progress import StageProgress


@click.command()
@click.argument("run", type=PATH, metavar="RUN|FILE")
@click.argument("files", type=PATH, nargs=-1, metavar="FILES-OR-FOLDERS...")
@click.option(
    "--out",
    type=PATH,
    metavar="FILE.csv|FOLDER",
    help="Write to a CSV file (classification) or a folder of masks and overlays (segmentation).  "
    "[default: print a table]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="N",
    help="Print the N most probable classes of each image, or those with the most pixels.",
)
@click.option("--batch-size", type=BATCH_SIZE, default=16, show_default=True, metavar="N", help="Images per batch.")
@model_option
@unknown_option
@sets_option
@tiles_option
@overlap_option
@engine_option
@cluster_option
@patience_option
@memory_option
@overwrite_option
@trust_option
@click.pass_obj
def predict(
    session: Session,
    run: Path,
    files: tuple[Path, ...],
    out: Path | None,
    as_json: bool,
    top: int | None,
    batch_size: int,
) -> None:
    """Classify or segment images with the model of a run folder, or with a file of tlkit export.

    Folders are searched for images at any depth. A CSV file stands for the images in its column "image" or "path", and
    - for the paths on standard input, one per line. The image size, the classes and the preprocessing come from RUN.

    \b
    Examples:
      tlkit predict runs/photos-1 a.jpg --top 3
      tlkit predict runs/photos-1 new_photos --out predictions.csv
      tlkit predict runs/photos-1 new_photos --json
      tlkit predict runs/photos-1 new_photos --unknown 0.05 --sets 0.9
      tlkit predict runs/pets_seg-1 a.jpg b.jpg --out masks
      tlkit predict runs/fields-1 aerial.tif --tiles 512 --overlap 64 --out masks
      tlkit predict runs/photos-1/exports/model.onnx a.jpg --top 3
    """
    if out is not None and (as_json or top is not None):
        raise click.UsageError(f"{'--json' if as_json else '--top'} is for what is printed; it can't go with --out")
    tiles = tiles_asked(session)
    from tlkit.cli.console import messages_console
    from tlkit.evaluation.found_images import find_images
    from tlkit.jobs.predict import check_predictions, is_exported, load, notes_on_images
    from tlkit.runs.folder import RunFolder

    own, used, files = _sorted_arguments(run, files, session.model)
    paths = _with_standard_input(files)
    exported = is_exported(used)
    card = None if exported else RunFolder(used).read_card()
    images = find_images(paths)
    if card is not None:  # before the model is loaded; what an exported file is, its runtime says
        check_predictions(card, images, out, overwrite=session.overwrite)
    registry = session.registry if session.trust or exported else None
    asked: dict[str, Any] = {"trust": session.trust, "engine": session.engine, **session.judged}
    predictor = load(used, registry=registry, cluster=session.places(), **asked)
    if exported:
        check_predictions(predictor.card, images, out, overwrite=session.overwrite)
    shown = _Shown(used, predictor, images, batch_size, tiles)
    before = predictor.notes
    for note in (*before, *notes_on_images(images, paths, own)):
        messages_console().print(f"note: {note}", style="yellow")
    if out is not None:
        shown.write(out, overwrite=session.overwrite)
    elif as_json:
        shown.print_json(top)
    else:
        shown.print_table(top)
    for note in predictor.notes[len(before) :]:
        messages_console().print(f"note: {note}", style="yellow")
    shown.end(out)


def _sorted_arguments(
    run: Path, files: tuple[Path, ...], model: Path | None
) -> tuple[Path | None, Path, tuple[Path, ...]]:
    """Return the run folder, if there is one, the run folder or file whose model is used, and the images."""
    from tlkit.jobs.predict import is_exported
    from tlkit.runs.folder import RunFolder

    if model is not None and not (files and RunFolder(run).card.is_file()):
        return None, model, (run, *files)
    if not files:
        raise click.UsageError("Missing argument 'FILES-OR-FOLDERS...'.")
    if model is not None:
        return run, model, files
    return None if is_exported(run) else run, run, files


class _Shown:
    """The predictions of some images, and how they are shown.

    Args:
        run: the run folder.
        predictor: the model.
        images: the images.
        batch_size: images per batch.
        tiles: how they are cut into tiles; None: they are predicted whole.

    Raises:
        DataError: there are no such tiles.
    """

    def __init__(
        self,
        run: Path,
        predictor: Predictor,
        images: Sequence[FoundImage],
        batch_size: int,
        tiles: TilesAsked | None = None,
    ) -> None:
        self.run = run
        self.predictor = predictor
        self.images = images
        self.batch_size = batch_size
        self.failed = 0
        self.tiled = None if tiles is None else tiles.of(predictor, batch_size)
        self._counted = " images" if tiles is None else ""  # that they are tiles is said before

    def write(self, out: Path, *, overwrite: bool) -> None:
        """Write the predictions to a CSV file, or a folder of masks and overlays."""
        from tlkit.jobs.predict import predict_to_files
        from tlkit.jobs.tiles import write_predictions_in_tiles

        with _progress(self.predictor, self._counted) as (progress, say):

            def failed(prediction: Prediction) -> None:
                self.failed += 1
                say(prediction)

            options: dict[str, Any] = {"overwrite": overwrite, "failed": failed, "progress": progress}
            if self.tiled is not None:
                write_predictions_in_tiles(self.tiled, self.images, out, **options)
                return
            predict_to_files(self.predictor, self.images, out, batch_size=self.batch_size, **options)

    def print_json(self, top: int | None) -> None:
        """Print all predictions, and the reasons why images could not be decoded, as one JSON document."""
        from tlkit.cli.prediction_texts import predictions_document
        from tlkit.report.prediction_values import prediction_values

        card = self.predictor.card
        columns = self.predictor.columns
        values = [prediction_values(str(each.path), one, card, top, columns) for each, one in self._predictions()]
        say_json(predictions_document(self.run, card, values))

    def print_table(self, top: int | None) -> None:
        """Print a table of the predictions."""
        from rich.text import Text

        from tlkit.cli.console import tables_console
        from tlkit.cli.prediction_texts import prediction_row, prediction_table

        table = prediction_table(self.predictor.card, self.predictor.columns)
        for each, prediction in self._predictions():
            if prediction.error is None:
                table.add_row(*map(Text, prediction_row(each.path, prediction, top, self.predictor.columns)))
        if table.row_count:
            tables_console(width=10_000).print(table)
            if self.tiled is not None and self.predictor.card.task == "classification":
                say("of whole pictures; --out FILE.csv or --json lists the tiles as well", err=True)

    def _predictions(self) -> Iterator[tuple[FoundImage, Prediction]]:
        from tlkit.jobs.predict import predict_each
        from tlkit.jobs.tiles import predict_each_in_tiles

        with _progress(self.predictor, self._counted) as (progress, say):
            if self.tiled is not None:
                predictions = predict_each_in_tiles(self.tiled, self.images, progress=progress)
            else:
                predictions = predict_each(self.predictor, self.images, batch_size=self.batch_size, progress=progress)
            for each, prediction in zip(self.images, predictions, strict=True):
                if prediction.error is not None:
                    self.failed += 1
                    say(prediction)
                yield each, prediction

    def end(self, out: Path | None) -> None:
        """Say how many images were predicted, and by which engine.

        Raises:
            DataError: none was.
        """
        from tlkit.errors import DataError

        count = len(self.images) - self.failed
        aside = f"; {self.failed} could not be decoded" if self.failed else ""
        what = f"{count} image{'' if count == 1 else 's'} predicted by {self.predictor.engine}{aside}"
        if out is not None:
            say(f"{what}: {out}")
        elif count > 1:
            say(what, err=True)
        for rule in self.predictor.rules:
            say(rule, err=out is None)
        if not count:
            raise DataError("no image could be decoded")


@contextmanager
def _progress(predictor: Predictor, counted: str) -> Iterator[tuple[StageProgress, Any]]:
    """Show the progress, and print the prediction of an image that could not be decoded."""
    from tlkit.cli.console import messages_console, progress_bars

    messages = messages_console()

    def say(prediction: Prediction) -> None:
        messages.print(f"set aside: {prediction.error}", style="yellow")

    predictor.say = messages.print
    first = "loading the model" if predictor.doing == "predicting" else predictor.doing
    with progress_bars(messages, first, counted=counted) as progress:
        yield progress, say


def _with_standard_input(files: Sequence[Path]) -> list[Path]:
    """Return the paths, with those on standard input in place of ``-``."""
    paths: list[Path] = []
    for file in files:
        if str(file) == "-" and not file.exists():
            text = sys.stdin.read()
            paths += [Path(line) for line in (text.split("\0") if "\0" in text else text.splitlines()) if line.strip()]
        else:
            paths.append(file)
    return paths
