"""Opening the LiteRT files of a run, which may be someone else's."""

from __future__ import annotations

from collections.abc import Sequence

from tlkit.errors import RunError
from tlkit.evaluation.engine_option import EngineOption
from tlkit.evaluation.lite_engines import LiteEngines, LiteFile
from tlkit.models.allowed import NotAllowed
from tlkit.models.engines import LITERT
from tlkit.models.image_by_image import UnusableNetworkError
from tlkit.models.tasks import task_of_card
from tlkit.runs.card import Card
from tlkit.runs.checksums import NAME, is_lite_of_model
from tlkit.runs.folder import RunFolder
from tlkit.runs.reading import MAX_LITE_BYTES, read_run_file


class NotUsedError(RunError):
    """A LiteRT file is not used; the message says why."""


def open_lite(folders: Sequence[RunFolder], card: Card, asked: EngineOption = "auto") -> LiteEngines | None:
    """Open the LiteRT files of a run, or of the folds of a cross-validation.

    Args:
        folders: the run folders; they may be someone else's.
        card: the card that their models have in common.
        asked: the engine that the user asked for, or ``auto``.

    Returns:
        the model; None if a folder has no LiteRT file, as those of tlkit 0.2.0, and none is needed.

    Raises:
        NotUsedError: a file is damaged, contains what is not allowed, was not made of the ``model.keras`` beside
            it, is missing but needed, or LiteRT is not installed.
    """
    missing = next((folder.lite for folder in folders if not folder.lite.is_file()), None)
    if missing is not None:
        if asked == "auto":
            return None
        raise NotUsedError(f"{missing}: no such file")
    if LITERT.version is None:
        raise NotUsedError(f"{folders[0].lite}: ai-edge-litert is not installed")
    try:
        return LiteEngines(card, [_checked(folder, card) for folder in folders], asked)
    except UnusableNetworkError as error:
        raise NotUsedError(f"{folders[0].lite}: {error}") from error


def _checked(folder: RunFolder, card: Card) -> LiteFile:
    try:
        content = read_run_file(folder.lite, MAX_LITE_BYTES)
    except (RunError, OSError) as error:
        raise NotUsedError(str(error)) from error
    if not is_lite_of_model(folder.path):
        raise NotUsedError(f"{folder.lite}: was not made of this {folder.model.name}, by {NAME}")
    task = task_of_card(card)
    try:
        from tlkit.models.lite_check import check_lite

        return LiteFile(content, check_lite(content, card.image_size, task.units, task.output_rank))
    except (NotAllowed, ImportError) as error:
        raise NotUsedError(f"{folder.lite}: {error}") from error
