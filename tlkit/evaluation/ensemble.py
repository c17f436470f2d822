"""The model of a run, or of a cross-validation: the mean of the probabilities of its folds' models."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tlkit.errors import RunError
from tlkit.evaluation.engine_option import EngineOption
from tlkit.evaluation.keras_model import load_keras_model
from tlkit.evaluation.lite_engines import check_engine
from tlkit.evaluation.predictor import Predictor
from tlkit.models.tasks import task_of_card
from tlkit.registry import Registry
from tlkit.runs.card import Card
from tlkit.runs.folder import RunFolder
from tlkit.runs.folds import FoldsFolder, difference


def open_predictor(
    run: Path, *, trust: bool = False, registry: Registry | None = None, engine: EngineOption = "auto"
) -> Predictor:
    """Load the model of a run folder, or the models of all folds of a cross-validation.

    Args:
        run: the folder of a run or of a cross-validation.
        trust: as of ``Predictor.open``.
        registry: as of ``Predictor.open``.
        engine: as of ``Predictor.open``.

    Raises:
        RunError: the folder is not that of a finished run or cross-validation, a model is damaged, the folds don't
            match the card that lists them, or the engine can't compute a model.
        DataError: there is no such engine, or its package is missing.
    """
    check_engine(engine, trust=trust)
    card = RunFolder(run).read_card()
    if not card.folds:
        return Predictor.open(run, trust=trust, registry=registry, engine=engine)
    members = _members(run, card)
    load = partial(_load_mean, card, members, trust, registry)
    return Predictor.of_folders(card, members, load, engine="tensorflow" if trust else engine)


def load_members(run: Path, *, trust: bool = False, registry: Registry | None = None) -> tuple[Card, list[Any]]:
    """Load the Keras models of a run folder, one for each fold of a cross-validation, from images to logits.

    Returns:
        the card of all of them, and the models.

    Raises:
        RunError: as of ``open_predictor``.
    """
    card = RunFolder(run).read_card()
    folders = _members(run, card) if card.folds else [RunFolder(run)]
    for folder in folders:
        if not folder.model.is_file():
            raise RunError(f"{folder.model}: no such file; the run has not finished, or the file was removed")
    return card, [load_keras_model(folder, card, trust, registry) for folder in folders]


def _members(run: Path, card: Card) -> list[RunFolder]:
    members = FoldsFolder(run).members(card.folds)
    for member in members:
        _check_member(member, card)
    return members


def _load_mean(card: Card, members: Sequence[RunFolder], trust: bool, registry: Registry | None) -> Any:
    """Load the Keras models of the folds as one."""
    models = [load_keras_model(member, card, trust, registry) for member in members]
    if len(models) == 1:
        return models[0]
    from tlkit.models.mean_probabilities import mean_model

    return mean_model(models, exclusive=not task_of_card(card).independent_logits)


def _check_member(member: RunFolder, card: Card) -> None:
    own = member.read_card()
    if own.folds:
        raise RunError(f"{member.card}: lists folds; expected the model of a single run")
    if name := difference(own, card):
        raise RunError(
            f"{member.card}: its {name} is {getattr(own, name)!r}; expected {getattr(card, name)!r}, as in the "
            f"model.json of the folder above, which takes the mean of its folds"
        )
