"""Cross-validations beside runs in a comparison."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from command_line import tlkit_command
from run_folders import SECONDS, write_run

import tlkit
from tlkit.errors import DataError, RunError
from tlkit.runs.folds import FoldsFolder, split_to_measure

EPOCHS = ([0.5, 0.75, 1.0], [0.25, 0.5], [0.75, 1.0, 0.5])
"""Validation accuracy of each epoch of the three folds."""


def write_folds(path: Path, registry, *, finished: int = 3, begun: int = 3) -> Path:
    path.mkdir()
    for number, values in enumerate(EPOCHS, 1):
        (path / f"fold-{number}.csv").write_text("key,split,status\n")
        metrics = {
            "validation": {"loss": 0.5, "accuracy": max(values)},
            "test": {"loss": 1.0 * number, "accuracy": 0.5},
        }
        columns = {"loss": [1.0] * len(values), "val_loss": [1.0] * len(values), "val_accuracy": values}
        if number <= begun:
            write_run(
                path / f"fold-{number}",
                registry,
                {"full": columns},
                metrics=metrics if number <= finished else None,
                overrides=["train.monitor=val_accuracy", f"input.samples={path / f'fold-{number}.csv'}"],
            )
    (path / "folds.toml").write_text("# recipe\n")
    return path


def test_a_cross_validation_is_one_row_with_the_means_of_its_folds(tmp_path, registry):
    folds = write_folds(tmp_path / "x-folds-1", registry)
    plain = write_run(tmp_path / "x-1", registry, {"full": {"loss": [1.0], "val_loss": [1.0], "val_accuracy": [0.5]}})
    compared = tlkit.compare([folds, plain.path])
    both = compared.runs
    assert [run.title for run in both] == ["x-folds-1 (mean of 3 folds)", "x-1 (unfinished)"]
    metrics = both[0].metrics
    assert metrics["validation"]["accuracy"] == pytest.approx(2.5 / 3)
    assert (metrics["test"]["loss"], metrics["test"]["accuracy"]) == (2.0, 0.5)
    assert both[0].best_value == pytest.approx(np.mean([1.0, 0.5, 1.0]))
    assert both[0].history.columns["val_accuracy"] == pytest.approx([0.5, 0.75])
    assert both[0].history.seconds == (3 * SECONDS, 3 * SECONDS)
    assert "input.samples" not in compared.differences
    assert compared.curves().startswith(b"\x89PNG")


def test_a_cross_validation_alone_is_followed_by_its_folds(tmp_path, registry):
    folds = write_folds(tmp_path / "x-folds-1", registry)
    compared = tlkit.compare([folds, folds])
    assert [run.label for run in compared.runs] == ["x-folds-1", *(f"x-folds-1/fold-{n}" for n in (1, 2, 3))]
    assert compared.differences == {}
    assert compared.final_values("test", "loss") == [2.0, 1.0, 2.0, 3.0]


def test_a_cross_validation_in_progress_is_the_mean_of_the_folds_that_have_begun(tmp_path, registry):
    folds = write_folds(tmp_path / "x", registry, finished=1, begun=2)
    first = tlkit.compare([folds]).runs[0]
    assert (first.title, first.metrics) == ("x (mean of 2 of 3 folds, unfinished)", None)
    none = write_folds(tmp_path / "y", registry, begun=0)
    with pytest.raises(RunError, match=r"y: none of its folds has trained yet"):
        tlkit.compare([none])


def test_the_command_compares_a_fold_with_its_cross_validation(tmp_path, registry, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_folds(Path("x"), registry)
    outcome = tlkit_command("compare", "x", "x/fold-2")
    assert outcome.code == 0, outcome.err
    assert re.search(r"x \(mean of 3 folds\)", outcome.out)
    assert "x/fold-2" in outcome.out or "fold-2" in outcome.out


def test_the_folds_are_counted_by_their_tables(tmp_path, registry):
    folder = FoldsFolder(write_folds(tmp_path / "x", registry, begun=1))
    assert folder.count == 3
    assert [fold.path.name for fold in folder.folds()] == ["fold-1", "fold-2", "fold-3"]
    assert FoldsFolder(tmp_path).count == 0


@pytest.mark.parametrize("split", ["train", "validation"])
def test_an_ensemble_is_not_measured_on_images_that_its_folds_trained_on(split):
    from evaluate_fakes import make_card

    together = make_card(folds=("fold-1", "fold-2"))
    with pytest.raises(DataError, match=f"--split {split}: all but one of these 2 folds trained on each"):
        split_to_measure(together, split)
    assert split_to_measure(together, None) == split_to_measure(together, "test") == "test"
    assert split_to_measure(make_card(), split) == split


def test_verbs_for_a_single_run_say_what_a_cross_validation_is(tmp_path, registry):
    folds = write_folds(tmp_path / "x", registry)
    with pytest.raises(RunError, match=r"nothing to resume; use tlkit run with --folds and --out .*x"):
        tlkit.resume(folds, registry=registry)
    with pytest.raises(RunError, match=r"this is a cross-validation, of which each fold is a run: .*fold-1"):
        FoldsFolder(folds).together.recipe_text()
