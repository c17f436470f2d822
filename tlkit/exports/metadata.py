"""The texts inside an exported file: what a user of the file must know, and what tlkit needs to use it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from pydantic import ValidationError

from tlkit import __version__
from tlkit.contracts import InputType
from tlkit.errors import DataError
from tlkit.runs.card import Card

MAX_TEXT_BYTES = 64_000_000
"""Largest size of all texts of a file together; the card of 100,000 classes takes 5 MB."""
_MAX_PARTS = 2_000_000
"""Largest number of brackets and commas in one of them."""


@dataclass(frozen=True)
class FileCard:
    """What the texts inside an exported file say.

    Args:
        card: the model's card.
        input_type: the type of the images that the file takes.
        run: the digest of the run's ``model.keras``.
    """

    card: Card
    input_type: InputType
    run: str


def metadata_of(card: Card, run: str, input_type: InputType) -> dict[str, str]:
    """Return the texts to keep inside an exported file, the same for every format.

    Args:
        card: the model's card.
        run: the digest of the run's ``model.keras``, ``sha256:…``.
        input_type: the type of the images that the file takes.

    Returns:
        ``tlkit`` (its version), ``card`` (``model.json``), ``classes`` (a JSON list), ``task``, ``height``, ``width``,
        ``colors`` (``RGB``), ``value_range`` (``0-255``), ``input``, ``resize`` and ``run``.
    """
    alone = card.model_copy(update={"folds": ()})  # the file has the models of all folds in it
    return {
        "tlkit": __version__,
        "card": json.dumps(alone.model_dump(mode="json"), ensure_ascii=False),
        "run": run,
        "input": input_type,
        **_for_people(card),
    }


def _for_people(card: Card) -> dict[str, str]:
    return {
        "classes": json.dumps(list(card.classes), ensure_ascii=False),
        "task": card.task,
        "height": str(card.image_size[0]),
        "width": str(card.image_size[1]),
        "colors": "RGB",
        "value_range": "0-255",
        "resize": card.resize,
    }


def read_metadata(path: Path, metadata: Mapping[str, str]) -> FileCard:
    """Return what the texts inside an exported file say; they may be someone else's.

    Args:
        path: the file, for messages.
        metadata: the texts.

    Raises:
        DataError: tlkit did not write them, or they contradict each other.
    """
    size = sum(len(key) + len(text) for key, text in metadata.items())
    if size > MAX_TEXT_BYTES:
        raise DataError(f"{path}: has {size} characters of texts; expected at most {MAX_TEXT_BYTES}")
    missing = [key for key in ("card", "input", "run") if key not in metadata]
    if missing:
        raise DataError(
            f"{path}: has no text {missing[0]!r} inside, which says what the model is; expected a file that "
            "tlkit export wrote"
        )
    text = metadata["card"]
    if sum(map(text.count, "[{,")) > _MAX_PARTS:
        raise DataError(f"{path}: its text 'card' has too many parts; expected a file that tlkit export wrote")
    try:
        card = Card.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "".join(f"{part}: " for part in first["loc"])
        raise DataError(f"{path}: its text 'card': {where}{first['msg']}; the file is damaged") from error
    if metadata["input"] not in get_args(InputType):
        raise DataError(f"{path}: its text 'input' is {metadata['input']!r:.40}; expected uint8 or float32")
    for key, expected in _for_people(card).items():
        if metadata.get(key, expected) != expected:
            raise DataError(
                f"{path}: its text {key!r} is {metadata[key]!r:.60}, but its card says {expected!r:.60}; the file was "
                "changed"
            )
    return FileCard(card, cast("InputType", metadata["input"]), metadata["run"])
