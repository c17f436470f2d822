"""Save a trained model: write it, load it again, and compare the two before it replaces an earlier file.

Beside the Keras file a LiteRT file is written, with which the model predicts without TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tlkit.errors import RunError
from tlkit.models.allowed import NotAllowed
from tlkit.models.convert import NotConvertibleError, conversion_memory, convert_to_litert
from tlkit.models.engines import LITERT
from tlkit.models.image_by_image import UnusableNetworkError
from tlkit.models.keras_files import quick_walk
from tlkit.models.litert import LiteRTNetwork
from tlkit.models.outputs import logits_model, with_probabilities
from tlkit.models.safe_load import NotAllowedError, load_model_file
from tlkit.models.tasks import LearningTask
from tlkit.models.walk import outputs_of
from tlkit.runs.checksums import MODELS, add_checksums, remove_checksums
from tlkit.runs.folder import RunFolder
from tlkit.system.disk import full_disk_context, write_atomically
from tlkit.system.memory import available_memory
from tlkit.system.text import size_text

_PARTS_DIFFER = "the logits of its head on features differ from the whole model's by up to {worst} on {count} images"
_BY_KERAS = 4
"""Images on which the Keras models are compared; LiteRT's, which takes a hundredth of the time, on all."""
_TOLERANCE = 1e-4
"""The largest difference of the logits of both files, relative to the largest logit."""
_MOST_OTHER_PIXELS = 1e-4
"""The share of pixels whose class may differ: those with two classes of almost the same probability."""


@dataclass(frozen=True)
class SavedModel:
    """What became of a model's files.

    Args:
        needs_trust: why loading the Keras file later requires ``--trust``; None when it does not.
        needs_tensorflow: why there is no LiteRT file, so that predicting takes TensorFlow; None if there is one.
        parts_differ: why the model in parts is not the whole model; None if it is.
    """

    needs_trust: str | None
    needs_tensorflow: str | None
    parts_differ: str | None = None


@dataclass(frozen=True)
class Trained:
    """A trained model, and what its files are compared with.

    Args:
        model: the Keras model, from float32 (N, H, W, 3) in 0-255 to logits.
        task: what the logits mean.
        images: (N, H, W, 3) in 0-255, uint8 or float; real images on which the models are compared.
        precision: the recipe's ``train.precision``; below float32, larger differences are allowed.
        weights: where the model's weights come from, such as ``epoch 7 (best val_loss)``; for an error message.
        in_parts: the model's logits of the images, computed by its head from the features of its frozen part; None to
            compute them by the whole model.
        lite: returns the model as the bytes of a LiteRT file if there is a quicker way than to convert the whole.
    """

    model: Any
    task: LearningTask
    images: np.ndarray
    precision: str
    weights: str
    in_parts: np.ndarray | None = None
    lite: Callable[[], bytes | None] = lambda: None

    @cached_property
    def logits(self) -> np.ndarray:
        """The logits of the images, float32 (N, …, units)."""
        return _logits(self.model, self.images) if self.in_parts is None else self.in_parts


def save_model(
    folder: RunFolder,
    trained: Trained,
    progress: Callable[[str, int, int], None] = lambda _doing, _done, _total: None,
) -> SavedModel:
    """Save a model as ``model.keras``, which outputs probabilities, once the reloaded file gives the same logits.

    ``model.tflite``, which outputs logits, is written if it gives the same logits too, and then the checksums of both
    files; an earlier one is removed before ``model.keras`` changes.

    Keras has written files that reload to other outputs (keras#20147), so the file is compared before it replaces an
    earlier one.

    Args:
        folder: the run folder.
        trained: the model.
        progress: called with what is being done, and two zeros.

    Returns:
        whether the files need trust or TensorFlow, and whether the model in parts gives other logits.

    Raises:
        RunError: the logits are not finite, or the reloaded model gives others; ``model.keras`` is unchanged.
        NoRoomError: the disk is full.
    """
    if not np.isfinite(trained.logits).all():
        raise RunError(
            f"{folder.model}: not written: the model's logits are not finite, so the training diverged. The weights of "
            f"{trained.weights} are in {folder.checkpoints}; start a new run with a lower learning rate in [schedule]"
        )
    temporary = folder.path / ".tmp-model.keras"
    _write(with_probabilities(trained.model, trained.task), temporary)
    progress("comparing the saved model", 0, 0)
    loaded, reason = _load(temporary)
    differ = _compare(logits_model(loaded), trained, folder, temporary)
    if differ is not None:
        trained = replace(trained, in_parts=None, lite=lambda: None)
    remove_checksums(folder.path, MODELS)
    folder.lite.unlink(missing_ok=True)
    temporary.replace(folder.model)
    if reason is not None:
        without: str | None = "its layers need --trust"
    elif trained.precision != "float32":
        without = f"it computes in {trained.precision}"
    else:
        progress("writing the model for use without TensorFlow", 0, 0)
        without = _write_lite(folder, trained)
    if without is None:
        add_checksums(folder.path, MODELS)
    return SavedModel(reason, without, differ)


def _compare(loaded: Any, trained: Trained, folder: RunFolder, file: Path) -> str | None:
    """Compare the reloaded model with the trained one on a few images, and say if only the model in parts differs.

    Raises:
        RunError: the logits of the whole model differ.
    """
    few = np.linspace(0, len(trained.images) - 1, min(_BY_KERAS, len(trained.images))).astype(int)
    images, expected = trained.images[few], trained.logits[few]
    reloaded = _logits(loaded, images)
    problem = _difference(expected, reloaded, trained.precision)
    if not problem:
        return None
    if trained.in_parts is not None and not _difference(_logits(trained.model, images), reloaded, trained.precision):
        return _PARTS_DIFFER.format(worst=problem, count=len(few))
    raise RunError(
        f"{file}: the reloaded model's logits differ from the trained model's by up to {problem}; the weights are safe "
        f"in {folder.checkpoints}"
    )


def _write_lite(folder: RunFolder, trained: Trained) -> str | None:
    """Write ``model.tflite``, or return why not."""
    if LITERT.version is None:
        return "ai-edge-litert is not installed"
    model, task, expected = trained.model, trained.task, trained.logits
    try:
        from tlkit.models.lite_check import check_lite

        content = trained.lite()
        if content is None:
            needed, available = conversion_memory(model), available_memory()
            if needed > available:
                return f"converting it takes about {size_text(needed)} of memory, and {size_text(available)} are free"
            content = convert_to_litert(model)
        check_lite(content, model.input_shape[1:3], task.units, task.output_rank)
        [logits] = LiteRTNetwork(content)(trained.images)
    except NotConvertibleError as error:
        return f"LiteRT has not all of its operations ({error})"
    except (NotAllowed, UnusableNetworkError, ImportError) as error:
        return str(error)
    worst = float(np.abs(logits - expected).max())
    if not worst <= _TOLERANCE * max(1.0, float(np.abs(expected).max())):
        return f"LiteRT's logits differ from the trained model's by up to {worst:g}"
    others = np.mean(task.predict(task.probabilities(logits)) != task.predict(task.probabilities(expected)))
    if others > (_MOST_OTHER_PIXELS if task.output_rank == 4 else 0):
        return "LiteRT predicts other classes than the trained model"
    write_atomically(folder.lite, content)
    return None


def _difference(trained: np.ndarray, other: np.ndarray, precision: str) -> str:
    """Return the largest difference of logits as text; empty where it is within the tolerance."""
    tolerance = 1e-4 if precision == "float32" else 2e-2
    largest = max(1.0, float(np.abs(trained).max()))
    agree = np.allclose(trained, other, rtol=tolerance, atol=tolerance * largest)
    return "" if agree else f"{np.abs(trained - other).max():g}"


def _logits(model: Any, images: np.ndarray) -> np.ndarray:
    [logits] = outputs_of(model, np.asarray(images, np.float32))
    return logits


def _write(model: Any, file: Path) -> None:
    with full_disk_context(file, 4 * model.count_params()), quick_walk():
        model.save(file)


def _load(file: Path) -> tuple[Any, str | None]:
    """Load a model as users will; if a plugin's layer requires trust, load it with trust and return the reason too."""
    try:
        return load_model_file(file), None
    except NotAllowedError as error:
        return load_model_file(file, trust=True), str(error.__cause__)
