"""``--memory``, and what each verb says when the memory is exhausted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import pytest
from command_line import tlkit_command
from evaluate_fakes import color_model, make_card, save_run

from tlkit.cli import options
from tlkit.errors import RunError
from tlkit.runs.folder import RunFolder
from tlkit.system import memory

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can limit the memory of a process")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    save_run(RunFolder(tmp_path / "run"), color_model(), make_card())
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ("4", "expected a size such as 4GB, or none; received '4'"),
        ("much", "expected a size such as 4GB"),
        ("9" * 5000 + "GB", "expected a size such as 4GB"),
        ("-1GB", "expected a size such as 4GB"),
        ("500MB", "500MB: expected at least 1GB"),
    ],
)
def test_a_size_that_is_none_is_refused(run: Path, size: str, message: str) -> None:
    outcome = tlkit_command("predict", run, "a.png", "--memory", size)
    assert outcome.code == 2
    assert message in outcome.err


@linux
@pytest.mark.parametrize(
    ("size", "limit"), [("4GB", 4 * 10**9), ("1.5g", 15 * 10**8), ("2000 MB", 2 * 10**9), ("none", None)]
)
@pytest.mark.parametrize("verb", ["predict", "evaluate", "report", "inspect"])
def test_the_limit_holds_while_the_verb_works(
    run: Path, verb: str, size: str, limit: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    found: list[int | None] = []
    applied: list[int] = []

    def read_card(_folder: RunFolder) -> None:
        found.append(memory.limit)
        raise RunError("read")

    monkeypatch.setattr(RunFolder, "read_card", read_card)
    # This process, which has run other tests, may already have more memory than the limit.
    monkeypatch.setattr(resource, "setrlimit", lambda what, limits: applied.append(limits[0]))
    assert tlkit_command(verb, run, *(["a.png"] if verb == "predict" else []), "--memory", size).code == 1
    assert found == [limit]
    assert applied[:1] == ([] if limit is None else [limit])
    assert memory.limit is None


def test_a_system_without_such_a_limit_says_so(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "SUPPORTED", False)
    outcome = tlkit_command("predict", run, "a.png", "--memory", "4GB")
    assert outcome.code == 2
    assert "only Linux can limit the memory of a process" in outcome.err


def exhausted(*_: object, **__: object) -> Any:
    raise MemoryError


@pytest.mark.parametrize(
    ("verb", "place", "advice"),
    [
        ("evaluate", "tlkit.jobs.evaluate.run_with_data", "(--batch-size)"),
        ("report", "tlkit.jobs.report.own_data", "use a machine with more memory"),
        ("inspect", "tlkit.cli.inspect.Path.is_dir", "use a machine with more memory"),
        ("compare", "tlkit.report.compared_folds.open_runs", "compare fewer runs at a time"),
        ("predict", "tlkit.evaluation.ensemble.open_predictor", "use a machine with more memory"),
        ("check", "tlkit.jobs.check._resolve", "use a machine with more memory"),
    ],
)
def test_exhausted_memory_is_no_traceback(
    run: Path, verb: str, place: str, advice: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(place, exhausted)
    (tmp_path / "a.png").write_bytes(b"")
    files = [tmp_path / "a.png"] if verb == "predict" else []
    outcome = tlkit_command(verb, run, *([run] if verb == "compare" else files))
    assert outcome.code == 1
    assert "the memory is exhausted (MemoryError)" in outcome.err
    assert advice in outcome.err


@linux
@pytest.mark.slow
def test_a_model_that_needs_more_than_the_limit_is_an_error(tmp_path: Path) -> None:
    """An honest one: three feature maps of 268 MB each, and 0.5 GB for TensorFlow."""
    images = keras.Input((512, 512, 3))
    x = images
    for _ in range(3):
        x = keras.layers.Conv2D(256, 1, activation="relu")(x)
    model = keras.Model(images, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x)))
    (tmp_path / "run").mkdir()
    save_run(RunFolder(tmp_path / "run"), model, make_card(image_size=(512, 512)))
    keras.utils.save_img(tmp_path / "a.png", [[[0, 0, 0]]], scale=False)
    for size, code in (("1GB", 1), ("4GB", 0)):
        command = ["-m", "tlkit", "predict", str(tmp_path / "run"), str(tmp_path / "a.png"), "--memory", size]
        ended = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=300, check=False)
        assert ended.returncode == code, ended.stderr
        assert "Traceback" not in ended.stderr
        assert ("The limit is" in ended.stderr or "its limit is 1.0 GB (--memory)" in ended.stderr) == (code == 1)
