"""Fixtures of a tiny run and of exporters that are wrong in one way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fake_exporters import write_fake
from tiny_run import tiny_run

from tlkit.registry import Registry
from tlkit.registry.discovery import plugins


@pytest.fixture
def run(tmp_path: Path, registry: Registry) -> Path:
    """The run folder of a tiny model."""
    return tiny_run(tmp_path, registry)


@pytest.fixture
def offering(tmp_path: Path) -> Callable[..., Registry]:
    """Return the installed plugins with the tiny format, which is wrong in one way."""

    def make(wrong: str = "", **settings: object) -> Registry:
        return plugins(write_fake(tmp_path, wrong, **settings))

    return make
