"""Run folders that tlkit 0.1.0 wrote are still read: the same metrics, reports, pictures, and more epochs."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import tlkit_command
from PIL import Image

FIXTURES = Path(__file__).parents[1] / "runs" / "fixtures"
IMAGES = {"run_0_1_0_classification": "photos", "run_0_1_0_segmentation": "scenes/images"}
SPLITS = ("validation", "test")


@pytest.fixture(params=sorted(IMAGES))
def run(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Copy a run folder and its images to an empty working directory; the run's recipe names them relative to it."""
    for name in (request.param, "photos", "scenes"):
        shutil.copytree(FIXTURES / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return str(request.param)


def succeeded(*arguments: object) -> str:
    outcome = tlkit_command(*arguments)
    assert outcome.code == 0, outcome.err
    return outcome.out


def read_json(file: str | Path) -> Any:
    return json.loads(Path(file).read_text(encoding="utf-8"))


def rows(file: str | Path) -> list[dict[str, str]]:
    with Path(file).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def numbers(values: Any, name: str = "") -> dict[str, float]:
    """Flatten nested metrics: ``per_class/red/f1`` → value."""
    if not isinstance(values, dict):
        return {name: values}
    return {path: value for key, each in values.items() for path, value in numbers(each, f"{name}/{key}").items()}


def known(metrics: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the metrics without those that are newer."""
    newer = ("intervals", "commonest", "calibration")
    return {split: {name: each for name, each in of.items() if name not in newer} for split, of in metrics.items()}


@pytest.mark.parametrize("split", SPLITS)
def test_evaluate_gives_the_metrics_that_0_1_0_wrote(run: str, split: str) -> None:
    succeeded("evaluate", run, "--split", split, "--out", "metrics.json")
    written = read_json(f"{run}/metrics.json")
    assert numbers(known(read_json("metrics.json"))) == pytest.approx(numbers({split: written[split]}), abs=1e-5)


def test_report_rewrites_the_metrics_and_predictions_that_0_1_0_wrote(run: str) -> None:
    metrics, predictions = read_json(f"{run}/metrics.json"), Path(run, "predictions.csv")
    before = rows(predictions) if predictions.is_file() else None
    succeeded("report", run)
    assert numbers(known(read_json(f"{run}/metrics.json"))) == pytest.approx(numbers(metrics), abs=1e-5)
    assert "<html" in Path(run, "report.html").read_text(encoding="utf-8")
    if before is not None:
        texts = ("key", "split", "truth", "prediction")
        after = rows(predictions)
        assert [[row[name] for name in texts] for row in after] == [[row[name] for name in texts] for row in before]
        for name in ("probability", "loss"):
            expected = [float(row[name]) for row in before]
            assert [float(row[name]) for row in after] == pytest.approx(expected, abs=1e-5)


def test_predict_agrees_with_the_metrics_that_0_1_0_wrote(run: str) -> None:
    out = Path("predictions.csv" if run.endswith("classification") else "predictions")
    succeeded("predict", run, IMAGES[run], "--out", out)
    metrics = read_json(f"{run}/metrics.json")
    for split in SPLITS:
        samples = [row for row in rows(f"{run}/samples.csv") if row["split"] == split]
        if out.suffix:
            labels = {row["path"]: row["label"] for row in rows(out)}
            right = [labels[row["path"]] == row["label"] for row in samples]
            assert np.mean(right) == pytest.approx(metrics[split]["accuracy"], abs=1e-5)
        else:
            predicted = [np.asarray(Image.open(out / "masks" / Path(row["path"]).name)) for row in samples]
            right = np.array(predicted) == [np.asarray(Image.open(row["mask"])) for row in samples]
            assert np.mean(right) == pytest.approx(metrics[split]["pixel_accuracy"], abs=1e-5)


def test_inspect_shows_the_network(run: str) -> None:
    assert "435 weights" in succeeded("inspect", run)
    assert Path(run, "inspect", "index.html").is_file()


def test_compare_reads_the_history_and_metrics(run: str) -> None:
    out = succeeded("compare", run, "--csv", "histories.csv")
    assert f"{read_json(f'{run}/metrics.json')['test']['loss']:.4f}" in out
    history = rows(f"{run}/metrics.csv")
    assert len(history) == 2
    for joined, written in zip(rows("histories.csv"), history, strict=True):
        assert {**joined, **written} == joined


def test_compare_says_what_it_takes_to_compare_the_run_image_by_image(run: str) -> None:
    shutil.copytree(run, "copy")
    out = succeeded("compare", run, "copy", "--out", "curves.png")
    if run.endswith("classification"):
        assert f"Note: copy and {run} have 7 test images in common; it takes 10 to say whether they differ." in out
    else:
        assert "has no pixels.csv" in out
        assert f"tlkit report {run} writes it" in out


def test_resume_says_that_the_run_has_ended(run: str) -> None:
    succeeded("report", run)  # the fixture has no report.html, which resume would write first
    assert "; nothing to do. Open" in succeeded("resume", run)


def test_resume_extends_the_run_from_its_last_checkpoint(run: str) -> None:
    before = rows(f"{run}/metrics.csv")
    succeeded("resume", run, "--set", "schedule.epochs=3")
    after = rows(f"{run}/metrics.csv")
    assert after[:2] == before
    assert [row["epoch"] for row in after] == ["1", "2", "3"]
    assert float(after[2]["loss"]) < float(before[1]["loss"])
