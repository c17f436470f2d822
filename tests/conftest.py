"""Fixtures that all tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import pytest
from photos import write_photos
from recipe_text import recipe_text

from tlkit.registry import Registry
from tlkit.registry.discovery import make_registry

# Python ignores what a shell told it to ignore, as it does for commands in the background and under nohup.
for _name, _handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    if hasattr(signal, _name) and signal.getsignal(getattr(signal, _name)) is signal.SIG_IGN:
        signal.signal(getattr(signal, _name), _handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let slow tests and benchmarks take their time, but not for ever."""
    for item in items:
        if any(item.get_closest_marker(name) for name in ("slow", "benchmark", "outside")):
            item.add_marker(pytest.mark.timeout(4 * 3600))


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Cache and remember in folders of the tests' own instead of the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLKIT_CONFIG", str(tmp_path_factory.mktemp("config")))
        patch.setenv("TLKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The installed plugins."""
    made = make_registry(environ={})
    assert made.failures == []
    return made


@pytest.fixture
def real_data() -> Path:
    """The folder of real images and weights; tests that use it are skipped without it."""
    folder = os.environ.get("TLKIT_TEST_DATA")
    if not folder:
        pytest.skip("TLKIT_TEST_DATA names no folder")
    return Path(folder)


@pytest.fixture
def class_folders(tmp_path: Path) -> Callable[..., Path]:
    """Write a folder of class folders, a colour per class."""

    def make(classes: dict[str, int], *, size: tuple[int, int] = (40, 32), name: str = "photos") -> Path:
        return write_photos(tmp_path / name, classes, size)

    return make


@pytest.fixture
def write_recipe(tmp_path: Path) -> Callable[..., Path]:
    """Write a small recipe to a file; the keyword arguments are those of ``recipe_text``."""

    def write(file: str = "recipe.toml", **changes: Any) -> Path:
        path = tmp_path / file
        path.write_text(recipe_text(**changes), encoding="utf-8")
        return path

    return write
