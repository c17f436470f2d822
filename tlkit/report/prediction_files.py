"""Predictions as files: a table, or palette masks and overlays. Nothing that exists is overwritten unasked."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from tlkit.contracts import IGNORE
from tlkit.data.images.decode import decode_image
from tlkit.errors import DataError
from tlkit.evaluation.predictor import FoundImage, Prediction
from tlkit.report.canvas import GREY, overlay
from tlkit.runs.card import Card
from tlkit.system.disk import check_new_file, write_atomically

SetAsideNote = Callable[[Prediction], None]


def write_predictions(
    predictions: Iterable[Prediction],
    found: Sequence[FoundImage],
    card: Card,
    out: Path,
    *,
    overwrite: bool = False,
    failed: SetAsideNote = lambda _prediction: None,
) -> int:
    """Write the predictions of images: a CSV file for classification, a folder for segmentation.

    The CSV file has the columns path, label, probability and one for each class. The folder has ``masks`` (PNG with
    the card's palette, class numbers as indices, at the images' own sizes), ``overlays`` and ``classes.csv``; the
    sub-folders of the images are kept.

    Args:
        predictions: one for each image, in the same order; they are taken one at a time.
        found: the images.
        card: of the model.
        out: the file or folder to write.
        overwrite: whether files that exist may be overwritten.
        failed: called with each image that could not be decoded; such images are not in the files.

    Returns:
        how many images were predicted.

    Raises:
        DataError: a file exists already, or ``out`` can't be written.
    """
    try:
        if card.task == "segmentation":
            return _write_folder(predictions, found, card, out, overwrite, failed)
        return _write_table(predictions, card, out, overwrite, failed)
    except OSError as error:
        raise DataError(f"{error.filename or out}: can't be written: {error.strerror or error}") from error


def check_target(found: Sequence[FoundImage], card: Card, out: Path, *, overwrite: bool) -> None:
    """Find out before the work that what would be written exists already, or can't be written.

    Raises:
        DataError: it does.
    """
    if card.task == "classification":
        _check_table(out, overwrite)
    elif out.suffix.lower() == ".csv" and not out.is_dir():
        raise DataError(f"{out}: the run predicts masks, which need a folder to go to, such as {out.with_suffix('')}")
    else:
        _check_folder(found, out, overwrite)


def _check_table(out: Path, overwrite: bool) -> None:
    if out.is_dir():
        raise DataError(f"{out}: is a folder; a classification's predictions need a CSV file, such as {out / 'p.csv'}")
    check_new_file(out, overwrite=overwrite)


def _write_table(
    predictions: Iterable[Prediction], card: Card, out: Path, overwrite: bool, failed: SetAsideNote
) -> int:
    _check_table(out, overwrite)
    out.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    handle, temporary = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}-")
    try:
        with os.fdopen(handle, "w", newline="", encoding="utf-8", errors="replace") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["path", "label", "probability", *card.classes])
            for each in predictions:
                if each.error is not None:
                    failed(each)
                    continue
                probability = "" if each.probability is None else f"{each.probability:.6f}"
                shares = [f"{each.probabilities[name]:.6f}" for name in card.classes]
                writer.writerow([str(each.path), each.label, probability, *shares])
                count += 1
        Path(temporary).chmod(0o644)
        Path(temporary).replace(out)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
    return count


def output_names(found: Sequence[FoundImage]) -> list[str]:
    """A name without suffix for each image, different also where upper and lower case are the same.

    ``a.jpg`` becomes ``a``; ``b.jpg`` and ``b.png`` of the same folder become ``b.jpg`` and ``b.png``.
    """
    stems = [str(PurePosixPath(each.name).with_suffix("")) for each in found]
    counts = Counter(stem.casefold() for stem in stems)
    taken: set[str] = set()
    names: list[str] = []
    for each, stem in zip(found, stems, strict=True):
        wanted = stem if counts[stem.casefold()] == 1 else each.name
        name, number = wanted, 1
        while name.casefold() in taken:
            number += 1
            name = f"{wanted}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def _targets(found: Sequence[FoundImage], out: Path) -> list[tuple[Path, Path]]:
    return [(out / "masks" / f"{name}.png", out / "overlays" / f"{name}.png") for name in output_names(found)]


def _check_folder(found: Sequence[FoundImage], out: Path, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file; a segmentation's predictions need a folder for masks and overlays")
    if overwrite:
        return
    for path in (out / "classes.csv", *(path for pair in _targets(found, out) for path in pair)):
        if path.exists():
            raise DataError(f"{path}: already exists and was not changed; give another folder, or --overwrite")


def _write_folder(
    predictions: Iterable[Prediction],
    found: Sequence[FoundImage],
    card: Card,
    out: Path,
    overwrite: bool,
    failed: SetAsideNote,
) -> int:
    _check_folder(found, out, overwrite)
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "classes.csv", _classes_csv(card))
    count = 0
    for each, (mask_path, overlay_path) in zip(predictions, _targets(found, out), strict=True):
        if each.mask is None:
            failed(each)
            continue
        for path in (mask_path, overlay_path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(mask_path, palette_png(each.mask, card))
        picture = overlay(decode_image(each.path), each.mask, card.colors)
        write_atomically(overlay_path, _png(Image.fromarray(picture)))
        count += 1
    return count


def palette_png(mask: np.ndarray, card: Card) -> bytes:
    """A mask as a palette PNG (mode P): class numbers are the indices, the card's colours the palette."""
    image = Image.fromarray(mask)
    table = np.zeros((256, 3), np.uint8)
    table[: len(card.colors)] = card.colors
    table[IGNORE] = GREY
    image.putpalette(table.reshape(-1).tolist())
    return _png(image)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def _classes_csv(card: Card) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["number", "class", "red", "green", "blue"])
    for number, (name, color) in enumerate(zip(card.classes, card.colors, strict=True)):
        writer.writerow([number, name, *color])
    return text.getvalue()
