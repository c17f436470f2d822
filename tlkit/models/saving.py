"""Save a trained model: write it, load it again, and compare the two before it replaces an earlier file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tlkit.errors import RunError
from tlkit.models.keras_files import quick_walk
from tlkit.models.outputs import logits_model, with_probabilities
from tlkit.models.safe_load import NotAllowedError, load_model_file
from tlkit.models.tasks import LearningTask
from tlkit.runs.folder import RunFolder
from tlkit.system.disk import full_disk_context


def save_model(
    folder: RunFolder,
    model: Any,
    task: LearningTask,
    images: np.ndarray,
    *,
    precision: str,
    weights: str,
    progress: Callable[[str, int, int], None] = lambda _doing, _done, _total: None,
) -> str | None:
    """Save a model as ``model.keras``, which outputs probabilities, once the reloaded file gives the same logits.

    Keras has written files that reload to other outputs (keras#20147), so the file is compared before it replaces an
    earlier one.

    Args:
        folder: the run folder.
        model: the trained Keras model, from float32 (N, H, W, 3) in 0-255 to logits.
        task: what the logits mean.
        images: (N, H, W, 3) in 0-255, uint8 or float; real images on which the two models are compared.
        precision: the recipe's ``train.precision``; below float32, larger differences are allowed.
        weights: where the model's weights come from, such as ``epoch 7 (best val_loss)``; for an error message.
        progress: called with what is being done, and two zeros.

    Returns:
        why loading the model later requires ``--trust``; None when it does not.

    Raises:
        RunError: the logits are not finite, or the reloaded model gives other logits; ``model.keras`` is unchanged.
        NoRoomError: the disk is full.
    """
    images = np.asarray(images, np.float32)
    trained = _logits(model, images)
    if not np.isfinite(trained).all():
        raise RunError(
            f"{folder.model}: not written: the model's logits are not finite, so the training diverged. The weights of "
            f"{weights} are in {folder.checkpoints}; start a new run with a lower learning rate in [schedule]"
        )
    temporary = folder.path / ".tmp-model.keras"
    _write(with_probabilities(model, task), temporary)
    progress("comparing the saved model", 0, 0)
    loaded, reason = _load(temporary)
    reloaded = _logits(logits_model(loaded), images)
    tolerance = 1e-4 if precision == "float32" else 2e-2
    largest = max(1.0, float(np.abs(trained).max()))
    if not np.allclose(trained, reloaded, rtol=tolerance, atol=tolerance * largest):
        worst = float(np.abs(trained - reloaded).max())
        raise RunError(
            f"{temporary}: the reloaded model's logits differ from the trained model's by up to {worst:g}; "
            f"the weights are safe in {folder.checkpoints}"
        )
    temporary.replace(folder.model)
    return reason


def _logits(model: Any, images: np.ndarray) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(model(images, training=False)))


def _write(model: Any, file: Path) -> None:
    with full_disk_context(file, 4 * model.count_params()), quick_walk():
        model.save(file)


def _load(file: Path) -> tuple[Any, str | None]:
    """Load a model as users will; if a plugin's layer requires trust, load it with trust and return the reason too."""
    try:
        return load_model_file(file), None
    except NotAllowedError as error:
        return load_model_file(file, trust=True), str(error.__cause__)
