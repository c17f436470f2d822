"""Served models that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from served_runs import color_run, served_app
from starlette.testclient import TestClient


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that classifies, with sets of labels."""
    return color_run(tmp_path_factory.mktemp("runs") / "colors", with_limits=True)


@pytest.fixture(scope="session")
def mask_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that segments."""
    return color_run(
        tmp_path_factory.mktemp("runs") / "masks", task="segmentation", classes=("background", "green", "blue")
    )


@pytest.fixture
def client(run: Path) -> Iterator[Any]:
    """A client of the run that classifies."""
    with served_app(run) as (_, app):
        yield TestClient(app)


@pytest.fixture
def mask_client(mask_run: Path) -> Iterator[Any]:
    """A client of the run that segments."""
    with served_app(mask_run) as (_, app):
        yield TestClient(app)
