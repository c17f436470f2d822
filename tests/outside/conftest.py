"""Other programs that write and draw the formats, in an environment of their own: ``nox -s formats``."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def outside(tmp_path: Path) -> Callable[..., Path]:
    """Run a script of this folder in the Python that ``TLKIT_OUTSIDE_PYTHON`` names; return the folder it writes."""
    python = os.environ.get("TLKIT_OUTSIDE_PYTHON")
    if not python:
        pytest.skip("TLKIT_OUTSIDE_PYTHON names no Python with datumaro and labelme")

    def run(script: str, *arguments: str) -> Path:
        environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        folder = tmp_path / "outside"
        command = [python, str(HERE / script), str(folder), *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=environ)
        assert ended.returncode == 0, ended.stderr
        return folder

    return run
