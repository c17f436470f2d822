"""Load the Keras model of a run folder, whose code is not executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tlkit.errors import RunError
from tlkit.models.tasks import task_of_card
from tlkit.registry import Registry
from tlkit.runs.card import Card
from tlkit.runs.folder import RunFolder
from tlkit.runs.plugins import missing_plugins
from tlkit.system.tensorflow import start_tensorflow


def load_keras_model(folder: RunFolder, card: Card, trust: bool, registry: Registry | None) -> Any:
    """Load the Keras model of a run folder, from images to logits, and start TensorFlow for it.

    Raises:
        RunError: it is damaged, or does not match the card.
    """
    start_tensorflow()
    from tlkit.models.outputs import logits_model
    from tlkit.models.safe_load import NotAllowedError, load_model_file

    try:
        model = logits_model(load_model_file(folder.model, trust=trust))
    except NotAllowedError as error:
        raise RunError("; ".join([str(error), *missing_plugins(folder, registry)])) from error
    _check_model(folder.model, model, card)
    return model


def _check_model(path: Path, model: Any, card: Card) -> None:
    task = task_of_card(card)
    inputs, outputs = tuple(model.input_shape), tuple(model.output_shape)
    expected = (None, *card.image_size, 3)
    if inputs != expected or outputs[-1] != task.units or len(outputs) != task.output_rank:
        raise RunError(
            f"{path}: does not match model.json: expected input {expected} and {task.units} logits, "
            f"received input {inputs} and output {outputs}"
        )
