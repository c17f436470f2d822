"""The built wheel in an empty environment: what users install, without the checkout."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SMALL = ["data.count=24", "data.size=48", "input.image_size=48", "backbone.filters=[8,8]", "head.filters=[8,8]"]


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_wheel_runs_a_recipe_in_an_empty_environment(tmp_path):
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, ROOT, cwd=tmp_path)
    [wheel] = tmp_path.glob("tlkit-*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    scripts = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    run(scripts / "python", "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()

    assert "quickstart" in run(scripts / "tlkit", "recipes", "ls", cwd=empty)
    assert "failed" not in run(scripts / "tlkit", "plugins", cwd=empty)
    overrides = [part for override in [*SMALL, "schedule.epochs=1"] for part in ("--set", override)]
    run(scripts / "tlkit", "run", "quickstart", *overrides, cwd=empty)
    assert (empty / "runs" / "quickstart-1" / "model.keras").is_file()
    assert (empty / "runs" / "quickstart-1" / "report.html").is_file()
    for name in ("tests", "plugins", "recipes"):
        done = subprocess.run([scripts / "python", "-c", f"import {name}"], cwd=empty, capture_output=True)
        assert done.returncode == 1, f"the wheel makes '{name}' importable"
