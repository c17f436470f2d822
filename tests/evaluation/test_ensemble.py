"""The models of all folds of a cross-validation, loaded as one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from evaluate_fakes import BLUE, RED, color_model, make_card, plain_image, save_run
from PIL import Image
from pydantic import ValidationError

from tlkit.errors import RunError
from tlkit.evaluation.ensemble import open_predictor
from tlkit.models.tasks import task_of_card
from tlkit.runs.folder import RunFolder

NAMES = ("fold-1", "fold-2")


@pytest.fixture
def folds(tmp_path: Path) -> Path:
    """The folder of two folds, of which one takes blue for red and red for blue."""
    for name in NAMES:
        (tmp_path / "folds" / name).mkdir(parents=True)
        model = color_model()
        if name == "fold-2":
            kernel = model.layers[-1].get_weights()[0]
            model.layers[-1].set_weights([kernel[:, ::-1] * 0.5])
        save_run(RunFolder(tmp_path / "folds" / name), model, make_card())
    together = RunFolder(tmp_path / "folds")
    together.write_json(together.card, make_card(folds=NAMES).model_dump(mode="json"))
    return together.path


def test_a_prediction_is_the_mean_of_the_folds(folds: Path, tmp_path: Path) -> None:
    files = []
    for name, color in (("red", RED), ("blue", BLUE)):
        files.append(tmp_path / f"{name}.png")
        Image.fromarray(plain_image(color)).save(files[-1])
    together, *single = (open_predictor(path).predict(files) for path in (folds, *(folds / each for each in NAMES)))
    for prediction, *each in zip(together, *single, strict=True):
        for name, value in prediction.probabilities.items():
            assert value == pytest.approx(np.mean([fold.probabilities[name] for fold in each]), abs=1e-6)
    assert [each.label for each in together] == ["red", "blue"]


def test_the_labels_of_a_single_fold_are_those_of_its_model(folds: Path) -> None:
    card = make_card(folds=NAMES[:1])
    RunFolder(folds).write_json(RunFolder(folds).card, card.model_dump(mode="json"))
    assert task_of_card(open_predictor(folds).card) == task_of_card(card)


def test_a_fold_that_is_missing_is_a_link_or_differs_is_refused(folds: Path) -> None:
    other = RunFolder(folds / "fold-2")
    other.write_json(other.card, make_card(classes=("red", "green", "black")).model_dump(mode="json"))
    with pytest.raises(RunError, match=r"fold-2.model\.json: its classes is .*black"):
        open_predictor(folds)
    (folds / "fold-2").rename(folds / "moved")
    with pytest.raises(RunError, match="an ensemble of 2 folds, but fold-2 is missing"):
        open_predictor(folds)
    (folds / "fold-2").symlink_to(folds / "moved")
    with pytest.raises(RunError, match="fold-2 is a link"):
        open_predictor(folds)


def test_folds_within_folds_are_refused(folds: Path) -> None:
    inner = RunFolder(folds / "fold-1")
    inner.write_json(inner.card, make_card(folds=NAMES).model_dump(mode="json"))
    with pytest.raises(RunError, match="lists folds; expected the model of a single run"):
        open_predictor(folds)


@pytest.mark.parametrize("name", ["../fold-1", "/fold-1", "fold-0", "fold-1/x", "runs"])
def test_a_card_names_only_folds_of_its_own_folder(folds: Path, name: str) -> None:
    with pytest.raises(ValidationError):
        make_card(folds=(name,))
    values = make_card().model_dump(mode="json")
    (folds / "model.json").write_text(json.dumps({**values, "folds": [name]}), encoding="utf-8")
    with pytest.raises(RunError, match=r"model\.json: folds\.0"):
        open_predictor(folds)


def test_a_cross_validation_of_an_earlier_tlkit_says_how_to_make_its_card(folds: Path) -> None:
    (folds / "model.json").unlink()
    (folds / "folds.toml").write_text("")
    with pytest.raises(RunError, match="folds have not finished, or an earlier tlkit ran them; tlkit report"):
        open_predictor(folds)
    (folds / "folds.json").write_text("{}")
    with pytest.raises(RunError, match="can't be used together where their value_range or the like differs"):
        open_predictor(folds)
