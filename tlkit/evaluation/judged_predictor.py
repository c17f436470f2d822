"""A predictor that also says which images are unlike those that it knows, and which labels it can't tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.errors import DataError, RunError
from tlkit.evaluation.engine_option import EngineOption
from tlkit.evaluation.ensemble import open_predictor
from tlkit.evaluation.given_images import GivenImage
from tlkit.evaluation.judgement import Judgement
from tlkit.evaluation.limits import Limits, read_limits
from tlkit.evaluation.prediction import Prediction
from tlkit.evaluation.predictor import Predictor
from tlkit.registry import Registry
from tlkit.runs.card import Card
from tlkit.runs.folder import RunFolder

if TYPE_CHECKING:
    from tlkit.evaluation.feature_inference import FeatureInference


class JudgedPredictor(Predictor):
    """A ``Predictor`` whose predictions have ``unknown`` and ``p_value``, or ``label_set``.

    Args:
        opened: the predictor of the same model.
        judgement: says it.
        file: where what it compares images with comes from.
    """

    def __init__(self, opened: Predictor, judgement: Judgement, file: Path) -> None:
        super().__init__(opened.card, opened._model, lite=opened._lite, notes=opened.notes)
        self._judgement = judgement
        self.columns = judgement.columns
        if judgement.unknown is not None:
            self._make_inference = partial(_inference, limits=judgement.limits, file=file)

    def predict_given(
        self, images: Iterable[GivenImage], batch_size: int, *, pixel_probabilities: bool = False
    ) -> Iterator[Prediction]:
        """Predict images lazily, in the given order, and say of each what was asked for."""
        judged = unknown = 0
        for each in super().predict_given(images, batch_size, pixel_probabilities=pixel_probabilities):
            if each.error is not None:
                yield each
                continue
            said = self._judgement.judged(each, self._features())
            judged, unknown = judged + 1, unknown + bool(said.unknown)
            yield said
        self.rules = self.rules_for(judged, unknown)

    def rules_for(self, judged: int, unknown: int) -> tuple[str, ...]:
        """Return the ``rules`` after so many images were judged, of which so many are unknown."""
        return self._judgement.rules(judged, unknown)

    def _features(self) -> Any:
        """Return the features of the image whose prediction comes next; None if they are not computed."""
        if self._judgement.unknown is None:
            return None
        from tlkit.evaluation.feature_inference import FeatureInference

        waiting = (each for each in self._inferences.values() if isinstance(each, FeatureInference) and each.features)
        inference = next(waiting, None)
        return None if inference is None else inference.features.popleft()


def _inference(model: Any, card: Card, batch_size: int, *, limits: Limits, file: Path) -> FeatureInference:
    """Return what computes the features that the limits are about.

    Raises:
        RunError: the model has none of the kind.
    """
    from tlkit.evaluation.feature_inference import FeatureInference  # which imports Keras

    assert limits.known is not None
    expected = len(limits.known.center)
    try:
        inference = FeatureInference(model, card, batch_size, limits.layer)
        if inference.width != expected:
            raise DataError(f'layer "{limits.layer}" has {inference.width} features and the file means of {expected}')
    except DataError as error:
        raise RunError(
            f"{file}: {error}; the file is damaged, or tlkit did not write it; tlkit report --full writes it again"
        ) from error
    return inference


def open_judged(
    run: Path,
    *,
    unknown: float | None,
    sets: float | None,
    trust: bool,
    registry: Registry | None,
    engine: EngineOption,
) -> JudgedPredictor:
    """Load the model of a run, and what its predictions are compared with.

    Args:
        run: the run folder.
        unknown: as of ``Judgement``.
        sets: as of ``Judgement``.
        trust: as of ``open_predictor``.
        registry: as of ``open_predictor``.
        engine: as of ``open_predictor``; the features of ``unknown`` take TensorFlow.

    Raises:
        DataError: the model is one of masks or of several folds, or the run has not what this takes.
        RunError: as of ``open_predictor``; or what predictions are compared with is damaged.
    """
    folder = RunFolder(run)
    card = folder.read_card()
    options = " and ".join(name for name, given in (("--unknown", unknown), ("--sets", sets)) if given is not None)
    if card.task == "segmentation":
        raise DataError(f"{options}: is for models that classify images; this one predicts masks")
    if card.folds:
        raise DataError(f"{options}: is for the model of a single run; expected one of its folds, such as {run}/fold-1")
    judgement = Judgement(read_limits(folder), card, unknown, sets)
    notes = []
    if unknown is not None:
        if engine not in ("auto", "tensorflow"):
            raise DataError(
                f'--unknown: takes the features of model.keras; expected engine "tensorflow", not "{engine}"'
            )
        notes = ["--unknown takes the features of model.keras, so TensorFlow predicts"] if engine == "auto" else []
        engine = "tensorflow"
    opened = JudgedPredictor(
        open_predictor(run, trust=trust, registry=registry, engine=engine), judgement, folder.limits
    )
    opened.notes = (*opened.notes, *notes)
    return opened
